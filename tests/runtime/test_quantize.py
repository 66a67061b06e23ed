"""Quantizing: what stays in float stays, what a layer costs is its own, and equal inputs give equal graphs."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from resnets.runtime import quantize as module
from resnets.runtime.engine import Pictures
from resnets.runtime.fuse import fuse
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.onnx_engine import OnnxEngine
from resnets.runtime.openvino_engine import OpenVinoEngine, read_onnx
from resnets.runtime.packaged import Packaged
from resnets.runtime.quantize import MOST_PICTURES, costs, quantize, quantized_layers
from resnets.weights.modelfile import Model
from tests import exports
from tests.runtime import lowered

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
pytest.importorskip("nncf")

STEM, FIRST, GUILTY = "stem.conv1", "stages.0.0.branch.conv1", "stages.1.1.branch.conv2"


@cache
def ranges() -> Pictures:
    return np.ascontiguousarray(exports.noise(40).pixels.transpose(0, 3, 1, 2))


@cache
def pictures() -> Pictures:
    return np.ascontiguousarray(exports.noise(200, seed=5).pixels.transpose(0, 3, 1, 2))


def onnx_of(model: Model) -> bytes:
    return to_onnx(Packaged(fuse(model.network), model.card.preprocess).eval())


@cache
def onnx() -> bytes:
    return onnx_of(exports.model())


@cache
def graph() -> Any:
    return quantize(read_onnx(onnx()), ranges())


def logits(engine: Any) -> Any:
    return engine.run(pictures())["logits"]


def noise_to_signal(said: Any, wanted: Any) -> float:
    return float(((said - wanted) ** 2).sum() / (wanted**2).sum())


def test_every_layer_is_quantized_and_named_as_in_the_network() -> None:
    network = exports.model().network
    names = {name for name, each in network.named_modules() if isinstance(each, torch.nn.Conv2d | torch.nn.Linear)}
    found = quantized_layers(graph())
    assert found[0] == STEM
    assert {*found} == names and "head.linear" in found
    assert quantized_layers(read_onnx(onnx())) == ()


@pytest.mark.parametrize("name", ["resnet18", "seresnet50", "resnetv2_50", "resnet50d", "resnext50_32x4d"])
def test_every_convolution_of_every_kind_is_known_by_its_name(name: str) -> None:
    given = lowered.fused(name)
    network = given.network
    plain = read_onnx(to_onnx(Packaged(network, given.preprocess).eval()))
    made = quantize(plain, lowered.pictures(name, 4))
    names = {name for name, each in network.named_modules() if isinstance(each, torch.nn.Conv2d | torch.nn.Linear)}
    assert {*module._layers(plain)} == names == {*quantized_layers(made)}


def test_eight_bits_answer_nearly_as_float_does_in_either_engine() -> None:
    wanted = logits(OpenVinoEngine(read_onnx(onnx())))
    theirs = logits(OpenVinoEngine(graph(), precision="int8"))
    other = logits(OnnxEngine(quantize(onnx(), ranges()), precision="int8"))
    assert 0 < noise_to_signal(theirs, wanted) < 5e-3
    assert 0 < noise_to_signal(other, wanted) < 5e-3
    assert (theirs.argmax(1) == other.argmax(1)).mean() > 0.97


def test_layers_that_are_kept_compute_in_float_and_nothing_else_does() -> None:
    kept = quantize(read_onnx(onnx()), ranges(), (STEM, FIRST))
    assert {*quantized_layers(graph())} - {*quantized_layers(kept)} == {STEM, FIRST}


def rounded(model: Any) -> set[str]:
    """The convolutions of an ONNX model whose weights are whole numbers."""
    whole = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return {node.name for node in model.graph.node if node.op_type == "Conv" and node.input[1] in whole}


def test_in_onnx_the_same_layers_are_kept() -> None:
    import onnx as library

    plain, kept = (library.load_from_string(quantize(onnx(), ranges(), keep)) for keep in ((), (STEM,)))
    assert rounded(plain) - rounded(kept) == {STEM}
    library.checker.check_model(kept)


def test_equal_inputs_give_equal_graphs_and_the_plain_one_stays_as_it_is() -> None:
    plain = read_onnx(onnx())
    before = logits(OpenVinoEngine(plain))
    first, second = (quantize(plain, ranges()) for _ in range(2))
    np.testing.assert_array_equal(logits(OpenVinoEngine(first)), logits(OpenVinoEngine(second)))
    np.testing.assert_array_equal(logits(OpenVinoEngine(plain)), before)
    assert quantize(onnx(), ranges()) == quantize(onnx(), ranges())


def test_a_costly_layer_is_told_from_the_others() -> None:
    broken = exports.model()
    exports.scaled(broken.network, (1, 1))
    plain = read_onnx(onnx_of(broken))
    made = quantize(plain, ranges())
    before = logits(OpenVinoEngine(plain)), logits(OpenVinoEngine(made))
    found = costs(plain, made, ranges())
    assert {*found} == {*quantized_layers(made)}
    assert next(iter(found)) == GUILTY and found[GUILTY] > 0.8
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert max(share for name, share in found.items() if name != GUILTY) < 0.2
    for engine, wanted in zip((plain, made), before, strict=True):
        np.testing.assert_array_equal(logits(OpenVinoEngine(engine)), wanted, "measuring changes neither")


def test_a_cost_is_the_error_of_a_graph_in_which_only_that_layer_is_quantized() -> None:
    plain = read_onnx(onnx())
    (layer,) = (each for name, each in module._layers(graph()).items() if name == FIRST)
    alone = module._with(plain, FIRST, layer)
    assert quantized_layers(alone) == (FIRST,)
    wanted, whole, said = (logits(OpenVinoEngine(each)) for each in (plain, graph(), alone))
    share = noise_to_signal(said, wanted) / noise_to_signal(whole, wanted)
    assert costs(plain, graph(), pictures())[FIRST] == pytest.approx(share, rel=1e-3) != 0


def test_a_layer_alone_has_its_corrected_bias() -> None:
    plain = read_onnx(onnx())
    corrected = module._layers(graph())["head.linear"]
    alone = module._with(plain, "head.linear", corrected)
    biases = [module._biases(module._layers(each)["head.linear"]) for each in (alone, graph(), plain)]
    its, wanted, before = (end.get_source_output().get_node().data for (end,) in biases)
    np.testing.assert_array_equal(its, wanted)
    assert not np.array_equal(its, before)


def test_of_many_pictures_some_are_taken_evenly() -> None:
    assert module._spread(7) == list(range(7))
    places = module._spread(10_000)
    assert (places[0], places[-1], len(places)) == (0, 9_999, MOST_PICTURES)
    assert max(np.diff(places)) - min(np.diff(places)) <= 1


def test_what_cannot_be_quantized_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="there are none; give --data"):
        quantize(onnx(), ranges()[:0])
    for given in (onnx(), read_onnx(onnx())):
        with pytest.raises(ValueError, match="keep='layer4' is no layer of this graph"):
            quantize(given, ranges(), (STEM, "layer4"))
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ValueError, match=r"needs nncf; install it: pip install 'resnets\[openvino\]'"):
        quantize(onnx(), ranges())


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    quantize(read_onnx(onnx()), ranges()[:3])
    assert capfd.readouterr() == ("", "")
