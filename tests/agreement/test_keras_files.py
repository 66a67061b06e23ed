"""Files that name nothing: a network is found in its graph, or in the order of its layers, and computes the same."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

from resnets.net.network import ResNet
from resnets.spec.architecture import Architecture
from resnets.weights.containers import hdf5, keras_zip
from resnets.weights.containers.contents import Contents, array
from resnets.weights.dialects.follow import follow
from resnets.weights.dialects.graph import Numbers
from resnets.weights.dialects.in_order import in_order
from resnets.weights.dialects.keras_config import keras_graph
from tests.agreement import keras_graphs
from tests.agreement.files import assert_computes
from tests.agreement.keras_builders import Maps, bottlenecks, cifar_v1, counted, squeezed
from tests.goldens import BIAS, NORM, Outputs, picture

Record = Callable[[str, object], None]

# TensorFlow's tensors become arrays in a way that numpy 2 deprecates; Keras does it as it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


@dataclass(frozen=True, kw_only=True)
class Case:
    build: Callable[[], tuple[Any, Maps]]
    size: tuple[int, int]
    channels: int = 3
    facts: dict[str, Any]
    ordered: bool = True  # whether the order of its layers tells as much


CASES = {
    "note 001": Case(
        build=partial(counted, partial(keras_graphs.note001, 50, 11)),
        size=(65, 96),
        facts={"stride_on": "1x1", "head": "mlp", "pool_padding": "same", "norm_eps": 1e-3},
    ),
    "note 002": Case(
        build=partial(counted, partial(keras_graphs.note002, 34)),
        size=(27, 29),
        channels=1,
        facts={"padding": "same", "projects": "first_block", "head_pooling": "flatten"},
    ),
    **{
        f"Keras's example for CIFAR, {6 * n + 2} layers": Case(
            build=partial(cifar_v1, n),
            size=(32, 32),
            facts={"projection_norm": False, "blocks": (n, n, n), "padding": "same", "size": 32},
        )
        for n in (1, 2, 3)
    },
    "bottlenecks, projection first": Case(
        build=partial(bottlenecks, projection_first=True), size=(97, 65), facts={"stride_on": "1x1", "conv_bias": ()}
    ),
    "bottlenecks, projection last": Case(
        build=partial(bottlenecks, projection_first=False, stride_on="3x3"),
        size=(64, 49),
        facts={"stride_on": "3x3", "padding": "symmetric"},
    ),
    "gates": Case(build=squeezed, size=(24, 17), facts={"se_reduction": 8}, ordered=False),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Any:
    """A case, its model, and what Keras computes of a picture."""
    row = CASES[request.param]
    image, maps = row.build()
    levels = keras.Model(image, maps)
    randomise(levels)
    x = picture((2, row.channels, *row.size))
    outputs = {name: channels_first(map_.numpy()) for name, map_ in levels(np.moveaxis(x, 1, -1)).items()}
    named = keras.Model(image, keras.layers.Softmax()(maps["logits"]))
    return request.param, row, named, x, outputs


def randomise(model: keras.Model) -> None:
    chance = np.random.default_rng(7)
    words = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for variable in model.weights:
        shape = tuple(variable.shape)
        if variable.name == "kernel":
            high = (3 / np.prod(shape[:-1])) ** 0.5
            variable.assign(chance.uniform(-high, high, shape))
        elif variable.name in ("bias", *words):
            bounds = BIAS if variable.name == "bias" else NORM[words[variable.name]]
            variable.assign(chance.uniform(*bounds, shape))


def channels_first(map_: Any) -> Any:
    return np.moveaxis(map_, -1, 1) if map_.ndim == 4 else map_


def legacy_weights(model: keras.Model, path: Path) -> Path:
    """Write what `save_weights("x.h5")` of Keras 2 wrote; Keras 3 has no word for it."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([layer.name.encode() for layer in model.layers])
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = np.array([name.encode() for name in names], dtype="S")
            for name, variable in zip(names, layer.weights, strict=True):
                group[name] = variable.numpy()
    return path


def shapes(contents: Contents) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in contents.tensors.items()}


def saved(model: keras.Model, path: Path) -> Contents:
    """A file of a whole model, its graph in it."""
    model.save(path)
    return keras_zip.read(path) if path.suffix == ".keras" else hdf5.read(path)


def our_tensors(contents: Contents, tensors: Mapping[str, Numbers], filled: Mapping[str, float]) -> dict[str, Any]:
    held = {name: numbers.turned(array(contents.tensors[numbers.tensor])) for name, numbers in tensors.items()}
    return held | {name: np.float32(number) for name, number in filled.items()}


def loaded(facts: Mapping[str, Any], numbers: Mapping[str, Any]) -> ResNet:
    network = ResNet(Architecture(name="found", source="the file", **facts))
    state = network.state_dict()
    assert set(numbers) == set(state)
    network.load_state_dict(
        {name: torch.as_tensor(np.array(number)).expand(state[name].shape) for name, number in numbers.items()}
    )
    return network.eval()


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_graph_gives_the_network_and_it_computes_the_same(
    case: Any, suffix: str, scratch: Path, record_property: Record
) -> None:
    title, row, model, x, outputs = case
    contents = saved(model, scratch / f"model{suffix}")
    found = follow(keras_graph(contents.facts["model_config"], shapes(contents)))
    assert row.facts.items() <= found.facts.items()
    ours = loaded(found.facts, our_tensors(contents, found.tensors, found.filled))
    error = assert_computes(ours, x, outputs)
    record_property(f"{title}, by its graph from {suffix}", error)


def test_weights_beside_a_config_are_found_in_the_tree_of_keras_3(case: Any, scratch: Path) -> None:
    _, _, model, x, outputs = case
    model.save_weights(scratch / "model.weights.h5")
    contents = hdf5.read(scratch / "model.weights.h5")
    found = follow(keras_graph(json.loads(model.to_json()), shapes(contents)))
    assert_computes(loaded(found.facts, our_tensors(contents, found.tensors, found.filled)), x, outputs)


@pytest.mark.parametrize("layout", ["legacy", ".weights.h5"])
def test_weights_alone_are_found_by_their_order(case: Any, layout: str, scratch: Path, record_property: Record) -> None:
    title, row, model, x, outputs = case
    if not row.ordered:
        pytest.skip("a gate's layers have no place in the order")
    whole = saved(model, scratch / "model.h5")
    facts = follow(keras_graph(whole.facts["model_config"], shapes(whole))).facts
    if layout == "legacy":
        contents = hdf5.read(legacy_weights(model, scratch / "weights.h5"))
        found = in_order(contents)
    else:
        model.save_weights(scratch / "model.weights.h5")
        contents = hdf5.read(scratch / "model.weights.h5")
        found = in_order(contents, {"order": "post"})
    stated = {field: facts[field] for field in found.unknown if field in facts}
    ours = loaded({**found.facts, **stated}, our_tensors(contents, found.tensors, found.filled))
    error = assert_computes(ours, x, outputs)
    record_property(f"{title}, by the order of {layout}", error)


def test_a_backbone_that_is_called_as_a_layer_is_found_in_every_file(scratch: Path) -> None:
    """Keras Applications' network with a head of one's own, the commonest way to fine-tune in Keras."""
    inner = keras.applications.ResNet50V2(weights=None, include_top=False, input_shape=(64, 64, 3))
    image = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(keras.layers.RandomFlip("horizontal")(image))
    logits = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(inner(x, training=False)))
    model = keras.Model(image, logits)
    randomise(model)
    pixels = picture((2, 3, 64, 64))
    outputs: Outputs = {"logits": model(np.moveaxis(pixels, 1, -1), training=False).numpy()}
    for suffix in (".h5", ".keras"):
        contents = saved(model, scratch / f"model{suffix}")
        found = follow(keras_graph(contents.facts["model_config"], shapes(contents)))
        assert found.facts["stride_in"] == "last"
        assert [node.word for node in found.preprocessing] == ["RandomFlip", "Rescaling"]
        ours = loaded(found.facts, our_tensors(contents, found.tensors, found.filled))
        assert_computes(ours, pixels / np.float32(127.5) - 1, outputs)
