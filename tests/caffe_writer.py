"""Caffe nets, written: one description of the layers gives the .caffemodel and the .prototxt (caffe.proto)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests import wire

Blob = np.ndarray[Any, Any]

SETTINGS: dict[str, tuple[str, int, dict[str, int]]] = {
    "Convolution": ("convolution_param", 106, {
        "num_output": 1, "bias_term": 2, "pad": 3, "kernel_size": 4, "group": 5, "stride": 6, "dilation": 18,
    }),
    "Eltwise": ("eltwise_param", 110, {"operation": 1}),
    "InnerProduct": ("inner_product_param", 117, {"num_output": 1, "bias_term": 2}),
    "Pooling": ("pooling_param", 121, {"pool": 1, "kernel_size": 2, "stride": 3, "pad": 4, "global_pooling": 12}),
    "BatchNorm": ("batch_norm_param", 139, {"use_global_stats": 1, "eps": 3}),
    "Scale": ("scale_param", 142, {"axis": 1, "bias_term": 4}),
}  # fmt: skip
"""Layer type -> the name and the field of its settings' message, and the field of each setting."""

WORDS = {"MAX": 0, "AVE": 1, "PROD": 0, "SUM": 1}
"""What pooling and eltwise layers do, by the numbers of their enums."""


@dataclass(frozen=True, slots=True)
class Layer:
    name: str
    type: str
    bottoms: list[str] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


def blob(numbers: Blob, *, old: bool = False, packed: bool = True) -> bytes:
    """A BlobProto; an old one tells four sides where a newer one tells a shape."""
    if old:
        sides = (1,) * (4 - numbers.ndim) + numbers.shape
        out = b"".join(wire.field(place, side) for place, side in enumerate(sides, 1))
    else:
        out = wire.field(7, wire.packed(1, numbers.shape))
    if numbers.dtype == np.float64:
        return out + wire.field(8, numbers.astype("<f8").tobytes())
    if packed:
        return out + wire.field(5, numbers.astype("<f4").tobytes())
    return out + wire.field(5, *map(float, numbers.ravel()))


def caffemodel(layers: list[Layer], name: str = "net", **how: bool) -> bytes:
    return wire.field(1, name) + b"".join(wire.field(100, _layer(layer, how)) for layer in layers)


def _layer(layer: Layer, how: dict[str, bool]) -> bytes:
    out = wire.field(1, layer.name) + wire.field(2, layer.type)
    out += wire.field(3, *layer.bottoms) + wire.field(4, *layer.tops)
    out += b"".join(wire.field(7, blob(numbers, **how)) for numbers in layer.blobs)
    if layer.settings:
        _, number, fields = SETTINGS[layer.type]
        values = {fields[key]: _number(value) for key, value in layer.settings.items()}
        out += wire.field(number, b"".join(wire.field(key, value) for key, value in sorted(values.items())))
    return out


def _number(value: Any) -> int | float:
    return WORDS[value] if isinstance(value, str) else value if isinstance(value, float) else int(value)


def prototxt(layers: list[Layer], sides: tuple[int, ...], name: str = "net") -> str:
    """The net as text, with an input "data" of these sides."""
    dims = " ".join(f"dim: {side}" for side in sides)
    out = f'name: "{name}"\nlayer {{ name: "data" type: "Input" top: "data" input_param {{ shape: {{ {dims} }} }} }}\n'
    for layer in layers:
        wires = [f'bottom: "{each}"' for each in layer.bottoms] + [f'top: "{each}"' for each in layer.tops]
        settings = " ".join(f"{key}: {_text(value)}" for key, value in layer.settings.items())
        param = f" {SETTINGS[layer.type][0]} {{ {settings} }}" if settings else ""
        out += f'layer {{ name: "{layer.name}" type: "{layer.type}" {" ".join(wires)}{param} }}\n'
    return out


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def small_net(seed: int = 0) -> list[Layer]:
    """A convolution, its norm in Caffe's two layers, a ReLU, pooling and a classifier, for (1, 3, 8, 8)."""
    chance = np.random.default_rng(seed)

    def normal(*shape: int) -> Blob:
        return chance.normal(size=shape).astype(np.float32)

    factor = np.float32(chance.uniform(1, 2))
    return [
        Layer("conv1", "Convolution", ["data"], ["conv1"], [normal(4, 3, 3, 3), normal(4)],
              {"num_output": 4, "kernel_size": 3, "pad": 1, "stride": 2, "bias_term": True}),
        Layer("bn_conv1", "BatchNorm", ["conv1"], ["conv1"],
              [normal(4), chance.uniform(0.5, 2, 4).astype(np.float32), np.array([factor])],
              {"use_global_stats": True, "eps": 1e-5}),
        Layer("scale_conv1", "Scale", ["conv1"], ["conv1"], [normal(4), normal(4)], {"bias_term": True}),
        Layer("conv1_relu", "ReLU", ["conv1"], ["conv1"]),
        Layer("pool1", "Pooling", ["conv1"], ["pool1"], [], {"pool": "AVE", "kernel_size": 4, "stride": 1}),
        Layer("fc2", "InnerProduct", ["pool1"], ["fc2"], [normal(2, 4), normal(2)], {"num_output": 2}),
    ]  # fmt: skip
