"""Tiny models, data sets and folders of pictures, that are trained, saved and asked in an instant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from resnets.data.dataset import DataSet, fingerprint_arrays
from resnets.data.source import ArraySource
from resnets.net.network import ResNet, build
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.training.train import Trained, train
from resnets.weights.modelfile import Model

ROW = "resnet20_cifar"
SMALL: dict[str, Any] = {"blocks": (1, 1), "stem_width": 4, "widths": (4, 8)}
"""What makes a row of CIFAR a network of some thousand weights."""


def network(seed: int = 0, *, classes: int = 3, channels: int = 3, **differences: Any) -> ResNet:
    """A network whose norms have seen something, so that every number in it matters."""
    made = build(ROW, seed=seed, num_classes=classes, in_channels=channels, **SMALL | differences)
    torch.manual_seed(seed)
    made.train()(torch.randn(8, channels, 8, 8))
    return made.eval()


def model(
    seed: int = 0, *, classes: tuple[str, ...] = ("ant", "bee", "cat"), channels: int = 3, **differences: Any
) -> Model:
    """A model of 8x8 pictures."""
    made = network(seed, classes=len(classes), channels=channels, **differences)
    preprocess = Preprocess(size=(8, 8), colour="grey" if channels == 1 else "rgb", mean=(0.5,), std=(0.25,))
    return Model(made, Card(architecture=made.architecture, classes=classes, preprocess=preprocess))


def array(count: int, *, classes: int = 3, channels: int = 3, seed: int = 0) -> ArraySource:
    """Noise of 8x8 pixels, brighter from class to class, so that there is something to learn."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = chance.integers(0, 60, (count, 8, 8, channels)) + labels[:, None, None, None] * (190 // classes)
    return ArraySource(pixels.astype(np.uint8), labels.astype(np.int64), f"part{seed}")


def data_set(
    train_count: int = 40, test_count: int | None = 12, *, classes: tuple[str, ...] = ("ant", "bee", "cat"), **kind: Any
) -> DataSet:
    """A data set of such noise."""
    first = array(train_count, classes=len(classes), **kind)
    second = None if test_count is None else array(test_count, classes=len(classes), **kind | {"seed": 1})
    sha256 = fingerprint_arrays(classes, (first, second))
    return DataSet(name="noise", classes=classes, train=first, test=second, fingerprint=sha256)


def write_pictures(folder: Path, classes: tuple[str, ...] = ("ant", "bee"), each: int = 10, side: int = 8) -> Path:
    """A folder of PNG files for each class; every picture is its own noise, so they can only be memorised."""
    chance = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = chance.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def run(data: str | Path | DataSet, out: Path, **request: Any) -> Trained:
    """Train the tiny network as a test wants it: on the CPU in fp32, so that equal runs end in equal files."""
    usual = {"model": ROW, "facts": SMALL, "precision": "fp32", "device": "cpu", "held_out": 0, "out": out}
    return train(data, **usual | request)
