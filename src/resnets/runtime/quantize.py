"""Quantize: a graph whose convolutions multiply whole numbers of 8 bits, by NNCF; and what each layer of it costs.

Weights by channel, activations symmetric, their ranges and the correction of biases from pictures like those that will
come (Nagel et al. 2021, A white paper on neural network quantization, sections 3 and 4).
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.runtime.engine import LOGITS, Pictures
from resnets.runtime.program import PICTURES
from resnets.runtime.quiet import load

MOST_PICTURES = 300
"""That ranges are taken from; more hardly move them."""

LAYERS = ("Convolution", "GroupConvolution", "MatMul")
"""OpenVINO's operations that are quantized with their weights."""

WITH_BIAS = "/WithoutBiases"
"""What OpenVINO puts behind the name of a layer that it parts from its bias."""

CHOOSING = ("MaxPool", "Pad", "Reshape")
"""Operations that give some of the numbers that they take, and zeros: rounding before them is rounding behind them."""

AT_ONCE = 16


def quantize(model: Any, pictures: Pictures, keep: Sequence[str] = ()) -> Any:
    """Return an int8 copy of an openvino.Model, or of an ONNX model's bytes as bytes; the layers in `keep` stay float.

    `pictures` are like those that will come, and none that it is judged by. Raises `ValueError` where NNCF or the
    package that reads the model is not installed, where there is no picture, and for a layer that is not there.
    """
    if not len(pictures):
        raise ValueError("ranges are taken from pictures, and there are none; give --data with some")
    nncf = load("nncf")
    nncf.set_log_level(logging.ERROR)
    chosen = [pictures[place : place + 1] for place in _spread(len(pictures))]
    how = _how() | {"subset_size": len(chosen)}
    if isinstance(model, bytes):
        onnx = load("onnx")
        read: Any = onnx.load_from_string(model)
        items: list[Any] = [{PICTURES: one} for one in chosen]
        names = [node.name for node in read.graph.node]
    else:
        read, items = model, [*chosen]
        names = [operation.get_friendly_name() for operation in model.get_ops()]
    there = {name.removesuffix(WITH_BIAS): name for name in names}
    unknown = [name for name in keep if name not in there]
    if unknown:
        raise ValueError(f"keep={unknown[0]!r} is no layer of this graph; its layers are named as in the network")
    if keep:
        how["ignored_scope"] = nncf.IgnoredScope(names=[there[name] for name in keep])
    with _quiet():
        made = nncf.quantize(read, nncf.Dataset(items), **how)
    return made.SerializeToString(deterministic=True) if isinstance(model, bytes) else made


def _how() -> dict[str, Any]:
    """Measured in docs/decisions/0017: ranges that hold all that was seen, and eight bits for the first layer too."""
    nncf = load("nncf")
    from nncf.quantization import advanced_parameters as advanced
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return {
        "preset": nncf.QuantizationPreset.PERFORMANCE,
        "advanced_parameters": advanced.AdvancedQuantizationParameters(
            overflow_fix=advanced.OverflowFix.DISABLE,
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        ),
    }


def quantized_layers(model: Any) -> tuple[str, ...]:
    """Return the layers of a quantized openvino.Model that compute in int8, in the order in which they run."""
    return tuple(name for name, layer in _layers(model).items() if _rounding(layer) is not None)


def costs(plain: Any, quantized: Any, pictures: Pictures) -> dict[str, float]:
    """Return for each quantized layer the logits' squared error where it alone computes in int8, the costliest first.

    It is told as a share of the error where all do. Shares need not add up to 1: errors of several layers may undo one
    another, which is why none is judged by what is left without it. Both are openvino.Models of one network.
    """
    wanted = _logits(plain, pictures)
    whole = float(((_logits(quantized, pictures) - wanted) ** 2).sum())
    layers = _layers(quantized)
    found: dict[str, float] = {}
    for name in quantized_layers(quantized):
        alone = float(((_logits(_with(plain, name, layers[name]), pictures) - wanted) ** 2).sum())
        found[name] = alone / whole if whole else 0.0
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _with(plain: Any, name: str, quantized: Any) -> Any:
    """A copy of a model with one layer's rounding, weights and corrected bias from the quantized one."""
    copy = plain.clone()
    layer = _layers(copy)[name]
    rounding = _rounding(quantized)
    assert rounding is not None
    ends = [value.get_node() for value in rounding.input_values()[1:]]
    levels = rounding.get_attributes()["levels"]
    rounded = load("openvino").opset1.fake_quantize(layer.input_value(0), *ends, levels)
    layer.input(0).replace_source_output(rounded.output(0))
    layer.input(1).replace_source_output(quantized.input_value(1))
    for here, there in zip(_biases(layer), _biases(quantized), strict=True):
        here.replace_source_output(there.get_source_output())
    return copy


def _rounding(layer: Any) -> Any | None:
    """The operation that rounds what comes into a layer, before or behind those that only choose among numbers."""
    before = layer.input_value(0).get_node()
    while before.get_type_name() in CHOOSING:
        before = before.input_value(0).get_node()
    return before if before.get_type_name() == "FakeQuantize" else None


def _biases(layer: Any) -> list[Any]:
    """The inputs by which a sum behind a layer gets its bias, which is the only constant that is added to one."""
    behind = [each.get_node() for each in layer.output(0).get_target_inputs()]
    ends = [node.input(1) for node in behind if node.get_type_name() == "Add"]
    return [end for end in ends if end.get_source_output().get_node().get_type_name() == "Constant"]


def _layers(model: Any) -> dict[str, Any]:
    """Name -> operation of each layer with weights, in the order in which they run."""
    return {
        operation.get_friendly_name().removesuffix(WITH_BIAS): operation
        for operation in model.get_ordered_ops()
        if operation.get_type_name() in LAYERS
    }


def _logits(model: Any, pictures: Pictures) -> npt.NDArray[np.float64]:
    compiled = load("openvino").Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    place = [output.get_any_name() for output in model.outputs].index(LOGITS)
    parts = [compiled(pictures[first : first + AT_ONCE])[place] for first in range(0, len(pictures), AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)


def _spread(count: int) -> list[int]:
    """Places of at most `MOST_PICTURES`, evenly spaced: pictures often lie class by class."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(count, MOST_PICTURES)).round().astype(int)).tolist()
    return places


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """NNCF draws bars on the standard output, where JSON may be wanted, and lets torch look for compilers aloud."""
    torch_says = logging.getLogger("torch.utils.cpp_extension")
    before = torch_says.level
    torch_says.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        torch_says.setLevel(before)
