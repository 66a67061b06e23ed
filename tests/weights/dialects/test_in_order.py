"""Files without a graph: the order in which Keras lists layers says which is which, or what it leaves open."""

from typing import Any

import pytest

from resnets.files.errors import FileError
from resnets.spec.architecture import Architecture
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.containers.contents import Contents
from resnets.weights.dialects.follow import follow
from resnets.weights.dialects.in_order import in_order
from resnets.weights.dialects.keras_config import keras_graph
from tests.weights.dialects.keras_models import Layout, Model, draw, stored

SMALL: dict[str, Any] = {"blocks": (2, 2), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "num_classes": 5}

ROWS = [
    row
    for row in VARIANTS.values()
    if row.shortcut == "projection" and row.se_reduction is None and sum(row.blocks) < 40 and row.pool_padding != "ceil"
]


def told(row: Architecture) -> dict[str, Any]:
    return {"order": row.order}


@pytest.mark.parametrize("projection_first", [False, True])
@pytest.mark.parametrize("layout", ["legacy", "counted"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_order_gives_each_tensor_the_place_that_the_graph_gives_it(
    row: Architecture, layout: Layout, projection_first: bool
) -> None:
    fill = "-inf" if row.stem == "cifar" or row.pool_padding == "same" else "zero"
    model = draw(plan(architecture(row.name, pool_fill=fill)), projection_first=projection_first, first_number=3)
    found = in_order(model.contents(layout), told(row))
    graph = follow(keras_graph(model.config(), model.shapes(layout)))
    assert found.tensors == graph.tensors
    assert found.filled == graph.filled
    for field, value in graph.facts.items():
        if field not in found.unknown and field != "projects":
            assert found.facts[field] == value, field


def test_what_shapes_do_not_tell_is_listed_with_what_it_may_be() -> None:
    found = in_order(draw(plan(architecture("resnet50_note001", **SMALL))).contents())
    assert found.unknown == {
        "stride_on": ("1x1", "3x3"),
        "stride_in": ("first", "last"),
        "padding": ("symmetric", "same"),
        "pool_padding": ("symmetric", "same", "ceil"),
        "pool_fill": ("-inf", "zero"),
        "head_pooling": ("average", "flatten"),
        "strides": ((1, 2), (2, 1)),
        "norm_eps": (1e-3, 1.001e-5, 1e-5),
        "dropout": (),
    }
    assert found.facts["head_width"] == 1024
    assert found.facts["num_classes"] == 5
    assert found.facts["projection_norm"] is True


def cifar() -> Model:
    """As Keras's own example for CIFAR builds its first network: a projection without a norm."""
    row = architecture("resnet20_cifar_b", projection_norm=False, conv_bias=("stem", "inner", "last", "projection"))
    return draw(plan(row), size=32)


def test_a_network_whose_norms_may_stand_before_or_after_is_open_until_someone_says() -> None:
    with pytest.raises(FileError, match=r"leaves open order \('post' or 'pre'\)"):
        in_order(cifar().contents("counted"))
    found = in_order(cifar().contents("counted"), {"order": "post"})
    assert found.tensors["stem.norm1.weight"].tensor == "layers/batch_normalization/vars/0"
    assert "order" not in found.unknown


@pytest.mark.parametrize(("row", "order"), [("resnet20_cifar_b", "post"), ("resnet50v2_keras", "pre")])
def test_a_legacy_file_s_list_tells_where_the_norms_stand(row: str, order: str) -> None:
    model = draw(plan(architecture(row, projection_norm=False)))
    assert in_order(model.contents()).facts["order"] == order


def test_names_that_a_person_gave_do_not_matter_where_there_is_a_list() -> None:
    model = draw(plan(architecture("resnet18", **SMALL, pool_fill="zero")))
    names = {layer.name: f"mine {number}" for number, layer in enumerate(model.layers.values())}
    held = model.contents()
    tensors = {
        name.replace(part, names[part]): tensor
        for name, tensor in held.tensors.items()
        for part in [name.split("/")[1]]
    }
    listed = {"layer_names": [names[name] for name in held.facts["layer_names"]]}
    found = in_order(Contents(container="hdf5", tensors=tensors, facts=listed))
    assert found.layers["stem.conv1"] == names["conv2d"]


def test_a_model_inside_a_legacy_file_has_its_layers_in_the_order_of_its_weights() -> None:
    """Its trained weights come first and the statistics of all norms after them, as Keras lists them."""
    model = draw(plan(architecture("resnet50_mrcnn", **SMALL)))
    held = model.contents()
    names = [name.partition("/")[2].partition("/")[2] for name in held.tensors]
    names.sort(key=lambda name: "moving" in name)
    tensors = {f"backbone/{name}": held.tensors[f"model_weights/{name.partition('/')[0]}/{name}"] for name in names}
    facts = {"layer_names": ["picture", "backbone"], "weight_names": {"backbone": names}}
    shuffled = dict(sorted(tensors.items(), key=lambda item: item[0][::-1]))
    found = in_order(Contents(container="hdf5", tensors=shuffled, facts=facts))
    graph = follow(keras_graph(model.config(), model.shapes()))
    assert found.layers == {ours: f"backbone/{theirs}" for ours, theirs in graph.layers.items()}


def test_two_convolutions_of_one_shape_with_nothing_to_tell_them_apart_are_refused() -> None:
    """In a stage of its own, a bottleneck's projection and its last convolution may be of one shape."""
    small = SMALL | {"blocks": (2,), "widths": (8,), "strides": (1,)}
    model = draw(plan(architecture("resnet50_mrcnn", **small)))
    with pytest.raises(FileError, match="whether a projection is made before its branch's last convolution"):
        in_order(model.contents())


def without(model: Model, word: str) -> Contents:
    held = model.contents("counted")
    return Contents(container="hdf5", tensors={name: t for name, t in held.tensors.items() if word not in name})


def added(shapes: dict[str, tuple[int, ...]]) -> Contents:
    return Contents(container="hdf5", tensors=stored(shapes))


SMALL18 = draw(plan(architecture("resnet18", **SMALL, pool_fill="zero")))

REFUSED = [
    (without(SMALL18, "batch_normalization_2/"), "10 convolutions, 9 norms and 1 dense layers"),
    (without(SMALL18, "conv2d_3/"), "no network of this family"),
    (without(SMALL18, "conv2d"), "it holds no convolution"),
    (added({"layers/depthwise_conv2d/vars/0": (3, 3, 8, 1)}), "layer 'depthwise_conv2d' is none that this family has"),
    (added({"layers/conv2d/vars/0": (3, 3, 3, 8), "layers/model/layers/conv2d/vars/0": (3, 3, 8, 8)}), "in 2 models"),
    (added({f"layers/batch_normalization/vars/{n}": (8,) for n in range(3)}), "has 3 tensors; which of them is which"),
    (added({"conv2d/conv2d/kernel:0": (3, 3, 3, 8)}), "it holds no list of its layers with 'conv2d' in it"),
]


@pytest.mark.parametrize(("contents", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_what_no_order_explains_is_refused(contents: Contents, message: str) -> None:
    with pytest.raises(FileError) as refused:
        in_order(contents)
    assert message in str(refused.value)
