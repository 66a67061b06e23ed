"""ONNX graphs: every row that is exported is found again, its norms folded or not; what is none is refused by name."""

import struct
from typing import Any

import pytest

from resnets.files.errors import FileError
from resnets.spec.architecture import Architecture
from resnets.spec.plan import Plan
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.containers.contents import Contents
from resnets.weights.dialects.follow import follow
from resnets.weights.dialects.onnx_nodes import onnx_graph, short
from tests.weights.dialects.onnx_models import Drawing

SMALL: dict[str, Any] = {"blocks": (1, 1), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "num_classes": 5}

ROWS = [row for row in VARIANTS.values() if row.head != "mlp" and row.pool_fill == "-inf" and sum(row.blocks) < 20]


def parts(network: Plan) -> tuple[object, ...]:
    return network.stem, network.stages, network.norm


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_that_is_exported_is_found_again(row: Architecture, folded: bool) -> None:
    if folded:  # no bias is left of those before a norm, and no epsilon of the norms
        kept = ("stem", "last", "projection") if row.order == "pre" else ()
        row = architecture(row.name, conv_bias=tuple(role for role in row.conv_bias if role in kept), norm_eps=1e-5)
    network = plan(row)
    found = follow(onnx_graph(Drawing(network, folded=folded, size=64).contents))
    again = plan(Architecture(name="again", source="its graph", **found.facts))
    assert parts(again) == parts(network)
    assert set(found.tensors) | set(found.filled) == set(network.tensors())
    for name, held in found.tensors.items():
        assert held.shape == network.tensors()[name]
        assert held.tensor == name or held.tensor == f"{name.replace('norm', 'conv')[:-5]}.folded" or row.order == "pre"


def test_norms_of_a_pre_activation_network_fold_into_the_convolution_before_them() -> None:
    network = plan(architecture("resnetv2_50", **SMALL))
    found = follow(onnx_graph(Drawing(network, folded=True).contents))
    assert found.tensors["stages.0.0.branch.norm2.bias"].tensor == "stages.0.0.branch.conv1.folded"
    assert found.tensors["stages.0.0.branch.norm1.bias"].tensor == "stages.0.0.branch.norm1.bias"
    assert found.filled["stages.0.0.branch.norm2.running_var"] == 1 - 1e-5


def test_a_rule_that_only_amounts_tell_is_read_at_the_size_of_the_file_and_noted() -> None:
    drawing = Drawing(plan(architecture("resnet34_note002", **SMALL)), size=28)
    found = follow(onnx_graph(drawing.contents))
    assert found.facts["padding"] == found.facts["pool_padding"] == "same"
    assert found.facts["size"] == 28
    assert "it pads as at 28 pixels, which is same there and at sizes like it" in found.notes
    drawing.contents.facts["inputs"]["picture"][2:] = ["h", "w"]
    with pytest.raises(FileError, match="pads 2 and 3, which is not 'same'"):
        follow(onnx_graph(drawing.contents))


def one_unit() -> Drawing:
    return Drawing(plan(architecture("resnet18", **SMALL)), size=32)


def changed(word: str, number: int = 0, **attributes: Any) -> Contents:
    """A network with other attributes in one of its nodes."""
    contents = one_unit().contents
    node = [node for node in contents.facts["nodes"] if node[0] == word][number]
    node[4] |= attributes
    return contents


def renamed(word: str, to: str) -> Contents:
    contents = one_unit().contents
    next(node for node in contents.facts["nodes"] if node[0] == word)[0] = to
    return contents


REFUSED = [
    (changed("Conv", 1, dilations=[2, 2], pads=[2] * 4), "Conv '/Conv_4' has dilation of 2x2"),
    (changed("Conv", 1, pads=[0] * 4), "Conv '/Conv_4' pads 0 and 0"),
    (changed("Conv", 0, strides=[2, 1]), "Conv '/Conv_0' has strides of 2x1"),
    (changed("Conv", 3, pads=[0, 0, 1, 1]), "Conv '/Conv_11' pads 0 and 1, which is not 'symmetric'"),
    (changed("MaxPool", ceil_mode=1), "MaxPool '/MaxPool_3' cannot be followed: it pads and counts partial windows"),
    (changed("MaxPool", kernel_shape=[2, 2]), "MaxPool '/MaxPool_3' pools 2x2 by 2x2"),
    (changed("BatchNormalization", 2, epsilon=1e-3), "has eps 0.001, and norms before it 1e-05"),
    (changed("BatchNormalization", 0, training_mode=1), "it was exported while training"),
    (changed("Gemm", alpha=0.5), "its next unit, its head or nothing"),
    (renamed("Relu", "LeakyRelu"), "it does what this family has no layer for (LeakyRelu)"),
    (renamed("Add", "Concat"), "Concat '/Add_9' cannot be followed"),
]


@pytest.mark.parametrize(("contents", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_is_no_network_of_the_family_is_refused_by_the_node_s_name(contents: Contents, message: str) -> None:
    with pytest.raises(FileError) as refused:
        follow(onnx_graph(contents))
    assert message in str(refused.value)


def test_initialisers_that_an_exporter_shares_are_found_through_their_names() -> None:
    drawing = one_unit()
    nodes = drawing.contents.facts["nodes"]
    node = next(node for node in nodes if node[0] == "BatchNormalization")
    nodes.insert(0, ["Identity", "again", [node[2][1]], ["shared"], {}])
    node[2][1] = "shared"
    assert follow(onnx_graph(drawing.contents)).tensors["stem.norm1.weight"].tensor == "stem.norm1.weight"


def test_a_product_and_a_sum_are_a_linear_layer() -> None:
    drawing = one_unit()
    nodes = drawing.contents.facts["nodes"]
    gemm = nodes.pop()
    drawing.hold("turned", (16, 5))
    nodes.append(["MatMul", "product", [gemm[2][0], "turned"], ["raw"], {}])
    nodes.append(["Add", "sum", ["head.linear.bias", "raw"], gemm[3], {}])
    found = follow(onnx_graph(drawing.contents))
    assert found.tensors["head.linear.weight"].axes == (1, 0)
    assert found.tensors["head.linear.weight"].shape == (5, 16)
    assert found.tensors["head.linear.bias"].tensor == "head.linear.bias"


def test_a_border_before_the_pool_is_its_padding() -> None:
    drawing = one_unit()
    nodes = drawing.contents.facts["nodes"]
    pool = next(node for node in nodes if node[0] == "MaxPool")
    border = ["Pad", "border", [pool[2][0], drawing.whole(0, 0, 1, 1, 0, 0, 1, 1)], ["wider"], {"mode": "constant"}]
    nodes.insert(nodes.index(pool), border)
    pool[2] = ["wider"]
    pool[4]["pads"] = [0, 0, 0, 0]
    facts = follow(onnx_graph(drawing.contents)).facts
    assert (facts["pool_padding"], facts["pool_fill"]) == ("symmetric", "zero")


def test_a_bias_that_the_file_computes_is_refused_and_never_left_out() -> None:
    drawing = one_unit()
    nodes = drawing.contents.facts["nodes"]
    conv = next(node for node in nodes if node[0] == "Conv")
    conv[2].append("computed")
    zeros = ["Expand", "zeros", [drawing.whole(0), drawing.whole(8)], ["computed"], {}]
    nodes.insert(0, zeros)
    assert "stem.conv1.bias" not in follow(onnx_graph(drawing.contents)).tensors
    zeros[2][0] = drawing.whole(1)
    with pytest.raises(FileError, match="Conv '/Conv_0' takes a bias that the file computes"):
        follow(onnx_graph(drawing.contents))


@pytest.mark.parametrize("value", [1e-5, 1e-3, 1.001e-5, 2e-5, 0.1])
def test_an_epsilon_is_the_number_that_was_typed(value: float) -> None:
    assert short(struct.unpack("<f", struct.pack("<f", value))[0]) == value


@pytest.mark.parametrize("wrong", [[], [1], [0, 0], [-1, -1], [1, 1, 1, 1, 1], "SAME", -1, 10**30, 0.5, ["a", "b"]])
@pytest.mark.parametrize("attribute", ["pads", "strides", "dilations", "group", "auto_pad", "kernel_shape"])
@pytest.mark.parametrize("word", ["Conv", "MaxPool"])
def test_an_attribute_that_no_exporter_writes_never_crashes(word: str, attribute: str, wrong: Any) -> None:
    contents = changed(word, **{attribute: wrong})
    try:
        found = follow(onnx_graph(contents))
    except FileError:
        return
    assert found.facts["blocks"] == (1, 1)  # an attribute that says nothing, such as no pads
