"""Detectron's pickles compute here what its own layers do: AffineChannel, written out with torch's functions."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.weights.identify import identify
from resnets.weights.load import load
from tests.goldens import picture, relative_error

Blobs = dict[str, np.ndarray[Any, Any]]
WIDTHS = (64, 128, 256, 512)


def blobs_of(blocks: tuple[int, ...], *, group: int, base_width: int, stem_bias: bool, classes: int = 10) -> Blobs:
    """Return what Detectron saves of a backbone: convolutions, and a scale and an offset behind each."""
    chance = np.random.default_rng(0)
    blobs: Blobs = {}

    def conv(name: str, norm: str, channels: int, out: int, kernel: int, groups: int = 1) -> None:
        bound = (6 / (channels // groups * kernel**2)) ** 0.5
        sides = (out, channels // groups, kernel, kernel)
        blobs[f"{name}_w"] = chance.uniform(-bound, bound, sides).astype(np.float32)
        blobs[f"{norm}_s"] = chance.uniform(0.4, 1.1, out).astype(np.float32)
        blobs[f"{norm}_b"] = chance.uniform(-0.3, 0.3, out).astype(np.float32)

    conv("conv1", "res_conv1_bn", 3, 64, 7)
    if stem_bias:
        blobs["conv1_b"] = chance.uniform(-0.2, 0.2, 64).astype(np.float32)
    channels = 64
    for stage, (count, width) in enumerate(zip(blocks, WIDTHS, strict=True), 2):
        inner = width * base_width * group // 64
        for block in range(count):
            name = f"res{stage}_{block}_branch"
            if block == 0:
                conv(f"{name}1", f"{name}1_bn", channels, 4 * width, 1)
            conv(f"{name}2a", f"{name}2a_bn", channels, inner, 1)
            conv(f"{name}2b", f"{name}2b_bn", inner, inner, 3, group)
            conv(f"{name}2c", f"{name}2c_bn", inner, 4 * width, 1)
            channels = 4 * width
    blobs["pred_w"] = chance.uniform(-0.05, 0.05, (classes, channels)).astype(np.float32)
    blobs["pred_b"] = chance.uniform(-0.2, 0.2, classes).astype(np.float32)
    return blobs


def detectron(blobs: Blobs, x: Tensor, blocks: tuple[int, ...], *, group: int, stride_1x1: bool) -> Tensor:
    """Return the logits as Detectron's `ResNet.py` adds its operators, with AffineChannel for every norm."""

    def conv(x: Tensor, name: str, norm: str, stride: int = 1, pad: int = 0, groups: int = 1) -> Tensor:
        bias = torch.from_numpy(blobs[f"{name}_b"]) if f"{name}_b" in blobs else None
        x = F.conv2d(x, torch.from_numpy(blobs[f"{name}_w"]), bias, stride, pad, groups=groups)
        scale, offset = (torch.from_numpy(blobs[f"{norm}_{part}"]).view(1, -1, 1, 1) for part in "sb")
        return x * scale + offset

    x = conv(x, "conv1", "res_conv1_bn", stride=2, pad=3).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(blocks, 2):
        for block in range(count):
            name, stride = f"res{stage}_{block}_branch", 2 if block == 0 and stage > 2 else 1
            strides = (stride, 1) if stride_1x1 else (1, stride)
            residual = conv(x, f"{name}2a", f"{name}2a_bn", strides[0]).relu()
            residual = conv(residual, f"{name}2b", f"{name}2b_bn", strides[1], pad=1, groups=group).relu()
            residual = conv(residual, f"{name}2c", f"{name}2c_bn")
            x = (residual + (conv(x, f"{name}1", f"{name}1_bn", stride) if block == 0 else x)).relu()
    return F.linear(x.mean((2, 3)), torch.from_numpy(blobs["pred_w"]), torch.from_numpy(blobs["pred_b"]))


@dataclass(frozen=True, kw_only=True)
class Row:
    """A backbone of Detectron's; RESNETS.STRIDE_1X1 is True but for ResNeXts."""

    blocks: tuple[int, ...]
    group: int = 1
    base_width: int = 64
    stem_bias: bool = False
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (97, 65))

    @property
    def stride_1x1(self) -> bool:
        return self.group == 1

    def blobs(self) -> Blobs:
        return blobs_of(self.blocks, group=self.group, base_width=self.base_width, stem_bias=self.stem_bias)


ROWS = {
    "R-50, conv1 with a bias": Row(blocks=(3, 4, 6, 3), stem_bias=True, sizes=((64, 64),)),
    "a few blocks, conv1 without": Row(blocks=(1, 2, 2, 1)),
    "32x8d, stride on the 3x3": Row(blocks=(1, 2, 1, 1), group=32, base_width=8),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_logits_are_those_of_affine_channels(row: Row, tmp_path: Path) -> None:
    blobs = row.blobs()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    loaded = load(tmp_path / "model.pkl")
    assert loaded.card.architecture.stride_on == ("1x1" if row.stride_1x1 else "3x3")
    for size in row.sizes:
        x = torch.from_numpy(picture((1, 3, *size)))
        theirs = detectron(blobs, x, row.blocks, group=row.group, stride_1x1=row.stride_1x1)
        with torch.no_grad():
            ours = loaded.network(x)
        assert relative_error(ours.numpy(), theirs.numpy()) < 1e-5


def test_momenta_pyramid_and_heads_of_a_trained_detector_are_set_aside(tmp_path: Path) -> None:
    blobs = Row(blocks=(1, 1, 1, 1)).blobs()
    trunk = {name: blob for name, blob in blobs.items() if not name.startswith("pred")}
    momenta = {f"{name}_momentum": blob for name, blob in trunk.items() if name.endswith("_w")}
    empty = np.zeros((2, 2), np.float32)
    others = (
        "fpn_inner_res5_2_sum_w",
        "fpn_res5_2_sum_w",
        "conv_rpn_fpn2_w",
        "rpn_bbox_pred_fpn2_b",
        "fc6_w",
        "cls_score_w",
    )
    saved = {
        "blobs": trunk | momenta | dict.fromkeys(others, empty) | {"lr": np.zeros(1, np.float32)},
        "cfg": "MODEL: 1",
    }
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps(saved, protocol=2))
    assert load(tmp_path / "model_final.pkl").card.architecture.head == "none"
    aside = identify(tmp_path / "model_final.pkl").match.aside
    assert aside == {
        "optimizer state": len(momenta),
        "feature pyramid": 2,
        "region proposals": 2,
        "detection heads": 2,
        "learning-rate schedule": 1,
    }
