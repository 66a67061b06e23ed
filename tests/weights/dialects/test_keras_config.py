"""Keras's `model_config`: both formats, models inside models, and configs that no Keras wrote."""

import copy
import json
import random
from typing import Any, Literal

import pytest

from resnets.files.errors import FileError
from resnets.spec.resolve import plan
from resnets.spec.variants import architecture
from resnets.weights.dialects.follow import follow
from resnets.weights.dialects.graph import Graph
from resnets.weights.dialects.keras_config import keras_graph
from resnets.weights.dialects.keras_numbers import snake
from tests.weights.dialects.keras_models import Model, Shapes, draw

SMALL: dict[str, Any] = {"blocks": (1, 1), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "num_classes": 5}


def small() -> Model:
    return draw(plan(architecture("resnet50_mrcnn", **SMALL)), size=32)


def in_a_model(model: Model, keras: Literal[2, 3], place: str) -> tuple[dict[str, Any], Shapes]:
    """A Sequential of the model, called "backbone", and a head; its tensors in both layouts."""
    outer = Model(size=32)
    outer.channels[outer.input] = 64
    outer.dense(outer.call("GlobalAveragePooling2D", outer.input), 7)
    head = [{"class_name": layer.word, "config": layer.config} for layer in list(outer.layers.values())[1:]]
    inner = model.config(keras)
    inner["config"]["name"] = "backbone"
    config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": [inner, *head]}}
    shapes: Shapes = {"model_weights/dense/sequential/dense/kernel:0": (64, 7)}
    shapes["model_weights/dense/sequential/dense/bias:0"] = (7,)
    if place == "counted":
        shapes = {f"layers/dense/vars/{number}": shape for number, shape in enumerate(shapes.values())}
        return config, shapes | {f"layers/functional/{name}": shape for name, shape in model.shapes("counted").items()}
    for name, shape in model.shapes().items():
        shapes[f"model_weights/backbone/{name.partition('/')[2].partition('/')[2]}"] = shape
    return config, shapes


def text(graph: Graph) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(node.name, node.kind, node.inputs) for node in graph.nodes.values()]


def test_keras_2_and_keras_3_write_the_same_graph() -> None:
    model = small()
    graphs = [keras_graph(json.dumps(model.config(keras)), model.shapes()) for keras in (2, 3)]
    assert graphs[0] == graphs[1]
    assert text(graphs[0])[:3] == [
        ("input_layer", "input", ()),
        ("zero_padding2d", "pad", ("input_layer",)),
        ("conv2d", "conv", ("zero_padding2d",)),
    ]


def test_both_layouts_give_the_same_layers_their_numbers() -> None:
    model = small()
    legacy, counted = (follow(keras_graph(model.config(), model.shapes(layout))) for layout in ("legacy", "counted"))
    assert legacy.layers == counted.layers
    assert legacy.facts == counted.facts
    assert legacy.tensors["stem.norm1.running_var"].tensor == (
        "model_weights/batch_normalization/batch_normalization/moving_variance:0"
    )
    assert counted.tensors["stem.norm1.running_var"].tensor == "layers/batch_normalization/vars/3"
    assert counted.tensors["stem.conv1.weight"].axes == (3, 2, 0, 1)


@pytest.mark.parametrize("place", ["legacy", "counted"])
@pytest.mark.parametrize("keras", [2, 3])
def test_a_model_inside_a_model_is_laid_open(keras: Literal[2, 3], place: str) -> None:
    config, shapes = in_a_model(small(), keras, place)
    found = follow(keras_graph(config, shapes))
    assert found.facts["head"] == "linear"
    assert found.facts["num_classes"] == 7
    assert found.layers["stem.conv1"] == "backbone/conv2d"
    assert found.layers["head.linear"] == "dense"
    assert {held.tensor for held in found.tensors.values()} == set(shapes)


def test_a_model_that_is_called_by_its_second_number_is_found() -> None:
    """TensorFlow counts the model's own making as its first call, and leaves it out of the config."""
    model = small()
    inner = model.config(2) | {"name": "backbone"}
    inner["config"]["name"] = "backbone"
    first = {"class_name": "InputLayer", "name": "first", "inbound_nodes": []}
    layers = [
        first | {"config": {"name": "first", "batch_input_shape": [None, 32, 32, 3]}},
        inner | {"inbound_nodes": [[["first", 0, 0, {}]]]},
        {
            "class_name": "GlobalAveragePooling2D",
            "name": "mean",
            "config": {"name": "mean"},
            "inbound_nodes": [[["backbone", 1, 0, {}]]],
        },
    ]
    outer = {"name": "outer", "layers": layers, "input_layers": [["first", 0, 0]], "output_layers": [["mean", 0, 0]]}
    graph = keras_graph({"class_name": "Functional", "config": outer}, {})
    assert graph.nodes["mean"].inputs == ("backbone:0",)
    assert graph.nodes["backbone:0"].inputs == ("backbone/activation_6",)
    assert graph.nodes["backbone/input_layer"].inputs == ("first",)


def test_a_sequential_of_old_is_a_bare_list_and_has_no_input_layer() -> None:
    layers = [
        {
            "class_name": "Conv2D",
            "config": {"name": "a", "kernel_size": 3, "strides": 1, "batch_input_shape": [None, 9, 9, 1]},
        },
        {"class_name": "Activation", "config": {"name": "b", "activation": "relu"}},
    ]
    graph = keras_graph({"class_name": "Sequential", "config": layers}, {"a/a/kernel:0": (3, 3, 1, 4)})
    assert text(graph) == [("the input", "input", ()), ("a", "conv", ("the input",)), ("b", "relu", ("a",))]
    assert graph.nodes["the input"].size == (9, 9)
    assert graph.nodes["a"].numbers["weight"].shape == (4, 1, 3, 3)


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("relu", ["conv", "relu"]),
        ("linear", ["conv"]),
        (None, ["conv"]),
        ({"class_name": "function", "config": "relu"}, ["conv", "relu"]),
        ({"class_name": "ReLU", "config": {"max_value": None}}, ["conv", "relu"]),
        ({"class_name": "ReLU", "config": {"max_value": 6.0}}, ["conv", "other"]),
        ("gelu", ["conv", "other"]),
    ],
)
def test_an_activation_inside_a_layer_is_a_node_of_its_own(value: object, kinds: list[str]) -> None:
    model = Model()
    model.conv(model.input, 4, activation=value)
    graph = keras_graph(model.config(), model.shapes())
    assert [node.kind for node in graph.nodes.values()][1:] == kinds
    assert graph.outputs == ("conv2d",)


def test_functions_of_tensorflow_are_read_with_what_they_are_given() -> None:
    """As keras.applications.resnet.preprocess_input is written by TensorFlow 2: reversed colours, a mean taken off."""
    model = Model(size=32)
    config = model.config(2)
    turned = {"class_name": "SlicingOpLambda", "config": {"name": "turn", "function": "__operators__.getitem"}}
    slices = [{"start": None, "stop": None, "step": None}] * 3 + [{"start": None, "stop": None, "step": -1}]
    turned |= {"name": "turn", "inbound_nodes": [["input_layer", 0, 0, {"slice_spec": slices}]]}
    less = {"class_name": "TFOpLambda", "config": {"name": "less", "function": "nn.bias_add"}, "name": "less"}
    less |= {"inbound_nodes": [["turn", 0, 0, {"bias": [-103.939, -116.779, -123.68]}]]}
    both = {"class_name": "TFOpLambda", "config": {"name": "both", "function": "math.add"}, "name": "both"}
    both |= {"inbound_nodes": [["turn", 0, 0, {"y": ["less", 0, 0]}]]}
    config["config"]["layers"] += [turned, less, both]
    config["config"]["output_layers"] = [["both", 0, 0]]
    nodes = keras_graph(config, {}).nodes
    assert nodes["turn"].kind == nodes["less"].kind == "preprocess"
    assert '"step": -1' in nodes["turn"].says
    assert nodes["less"].says == 'nn.bias_add {"bias": [-103.939, -116.779, -123.68]}'
    assert (nodes["both"].kind, nodes["both"].inputs) == ("add", ("turn", "less"))


@pytest.mark.parametrize(
    ("word", "counted"),
    [("BatchNormalization", "batch_normalization"), ("Conv2D", "conv2d"), ("ReLU", "re_lu"), ("Dense", "dense")],
)
def test_classes_are_counted_under_the_names_that_keras_makes_of_them(word: str, counted: str) -> None:
    assert snake(word) == counted


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "not as Keras writes it"),
        ("[]", "not as Keras writes it"),
        ({"class_name": "MyModel", "config": {"depth": 50}}, "its model is a 'MyModel', whose config holds no layers"),
        ({"class_name": "Functional", "config": {"layers": 3, "output_layers": []}}, "not as Keras writes it"),
    ],
)
def test_what_is_no_config_is_refused(config: Any, message: str) -> None:
    with pytest.raises(FileError, match=message):
        keras_graph(config, {})


def test_a_graph_that_goes_round_is_refused() -> None:
    model = Model()
    model.relu(model.relu(model.input))
    config = model.config()
    config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["activation_1", 0, 0]
    with pytest.raises(FileError, match="goes round in a circle"):
        keras_graph(config, {})


def test_models_nested_without_end_are_refused() -> None:
    config: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "inner", "layers": []}}
    for _ in range(40):
        config = {"class_name": "Sequential", "config": {"name": "outer", "layers": [config]}}
    with pytest.raises(FileError, match="nested more than 8 deep"):
        keras_graph(config, {})


TRIED = 400


def test_damaged_configs_are_refused_and_never_crash() -> None:
    """Of 400 configs with one value put wrong, each is followed or refused with a `FileError`."""
    model = small()
    chance = random.Random(0)
    refused = 0
    for _ in range(TRIED):
        config = copy.deepcopy(model.config(chance.choice((2, 3))))
        _damage(config, chance)
        try:
            follow(keras_graph(config, model.shapes()))
        except FileError:
            refused += 1
    assert refused > TRIED / 4


def _damage(config: Any, chance: random.Random) -> None:
    """Put something else at one place of a tree."""
    places: list[tuple[Any, Any]] = []
    todo = [config]
    while todo:
        value = todo.pop()
        keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        for key in keys:
            places.append((value, key))
            todo.append(value[key])
    holder, key = chance.choice(places)
    holder[key] = chance.choice([None, -1, 10**20, "relu", "conv2d", [], {}, [[1, 2]], True, 0.5, {"a": []}])
