"""Small networks of every kind as ONNX, fused and not, each made once; and what they should say of some pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from resnets.net.layers import BatchNorm
from resnets.net.network import build
from resnets.net.normalise import normalise
from resnets.runtime.engine import Outputs, Pictures
from resnets.runtime.fuse import fuse
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.packaged import Packaged
from resnets.spec.card import Card
from resnets.spec.levels import levels
from resnets.spec.preprocess import Preprocess
from resnets.spec.variants import VARIANTS, architecture

TEMPERATURE = 1.7

FEW: dict[str, Any] = {"blocks": (1, 1), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "num_classes": 5}
WHOLE: dict[str, Any] = {"blocks": (1, 1, 1, 1), "widths": (8, 8, 8, 16), "stem_width": 8, "num_classes": 5}

ROWS: dict[str, dict[str, Any]] = {
    "resnet18": WHOLE,
    "resnet50": FEW,
    "resnet50_v1": FEW,
    "resnet20_cifar": FEW,
    "resnet20_cifar_b": FEW,
    "plain20_cifar": FEW,
    "resnext50_32x4d": FEW | {"cardinality": 4, "base_width": 16},
    "wide_resnet50_2": FEW,
    "seresnet50": FEW,
    "resnet50c": FEW,
    "resnet50d": WHOLE,
    "resnetv2_50": FEW,
    "resnet50_keras": FEW,
    "resnet50v2_keras": FEW | {"strides": (2, 1)},
    "resnet50_mrcnn": FEW,
    "resnet50_caffe": FEW,
    "resnet50_note001": FEW | {"head_width": 8},
    "resnet34_note002": WHOLE,
    "resnet8_cifar_speed": FEW,
}
"""A row for each stem, order, shortcut, padding, pool and head, with how it is cut."""

COUNTS = (1, 2, 7)


def preprocess(name: str, **facts: Any) -> Preprocess:
    """Pictures of odd and of even sides, so that every rule of padding counts."""
    row = architecture(name, **facts)
    flat = row.head_pooling == "flatten"
    colour: Any = "grey" if row.in_channels == 1 else "bgr" if "caffe" in name else "rgb"
    mean = (0.3,) if colour == "grey" else (0.4, 0.5, 0.6)
    return Preprocess(size=(28, 28) if flat else (37, 50), colour=colour, mean=mean, std=(0.25,))


@cache
def packaged(name: str) -> Packaged:
    """The row with all of its levels, its norms with numbers of their own; cut to one block a stage if not in ROWS."""
    facts = ROWS.get(name) or {"blocks": (1,) * len(VARIANTS[name].blocks)}
    network = build(name, seed=0, **facts).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, BatchNorm):
                for tensor in (module.running_mean, module.bias):
                    tensor.copy_(torch.randn(len(tensor), generator=generator) * 0.2)
                for tensor in (module.running_var, module.weight):
                    tensor.copy_(torch.rand(len(tensor), generator=generator) * 0.5 + 0.5)
    return Packaged(network, preprocess(name, **facts), TEMPERATURE, (*levels(network.plan),))


@cache
def fused(name: str) -> Packaged:
    """The same, its norms folded."""
    plain = packaged(name)
    return Packaged(fuse(plain.network), plain.preprocess, TEMPERATURE, plain.levels)


@cache
def onnx_of(name: str, *, folded: bool = True) -> bytes:
    """The row as ONNX."""
    return to_onnx(fused(name) if folded else packaged(name))


def card(name: str, **differences: Any) -> Card:
    """A card that fits the row."""
    given = packaged(name)
    row = given.network.architecture
    classes = tuple(f'class <{at}> & "ü"\n' for at in range(row.classes_out or 0))
    facts = {"architecture": row, "classes": classes, "preprocess": given.preprocess}
    return Card(**facts | {"calibration": {"temperature": TEMPERATURE}} | differences)


def pictures(name: str, count: int) -> Pictures:
    """Noise of the row's size."""
    shape = packaged(name).shape
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


@cache
def expected(name: str, count: int) -> Outputs:
    """What the plain network says of them, put together from its own parts."""
    given = packaged(name)
    with torch.no_grad():
        x = normalise(torch.from_numpy(pictures(name, count)), given.preprocess)
        said = {level: found.numpy() for level, found in given.network.levels(x).items()}
        if given.network.head is not None:
            said["logits"] = (given.network(x) / TEMPERATURE).numpy()
    return said


def assert_agree(said: Outputs, wanted: Outputs, most: float = 1e-4) -> None:
    """The largest difference in each map is at most that share of the largest number in it."""
    assert list(said) == list(wanted)
    for name, numbers in wanted.items():
        assert said[name].dtype == np.float32
        assert said[name].shape == numbers.shape
        assert np.abs(said[name] - numbers).max() <= most * np.abs(numbers).max(), name
