"""Networks to export: what breaks one in int8 and in nothing else, and data that tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnets.data.dataset import DataSet, fingerprint_arrays
from resnets.data.source import ArraySource
from resnets.deployment.export import Exported, export
from resnets.evaluation.evaluate import answer_network
from resnets.net.network import ResNet
from resnets.weights.modelfile import Model
from tests import tiny

TIMES = 3000.0


def scaled(network: ResNet, *blocks: tuple[int, int], channel: int = 3, times: float = TIMES) -> ResNet:
    """The same function of a CIFAR network in float, and not in int8, in place.

    In each block, given as (stage, place), one channel between its two convolutions is so many times as large and its
    weights behind it as small: eight bits for that channel leave the others next to none.
    """
    with torch.no_grad():
        for stage, place in blocks:
            branch = network.stages[stage][place].branch
            for tensor in (branch.norm1.weight, branch.norm1.bias):
                tensor[channel] *= times
            branch.conv2.weight[:, channel] /= times
    return network


def model(seed: int = 0, *, channels: int = 3, **card: Any) -> Model:
    """A model of 8x8 pictures that answers each of its three classes as often."""
    made = tiny.model(seed, channels=channels, blocks=(2, 2), stem_width=8, widths=(8, 16))
    with torch.no_grad():
        made.network.head.linear.bias -= torch.from_numpy(logits_of(made, noise(300, channels))).mean(0)
    return Model(made.network, replace(made.card, **card))


def noise(count: int, channels: int = 3, part: str = "noise", seed: int = 0) -> ArraySource:
    """Pictures of many a brightness, colour and contrast, and no labels worth the name."""
    chance = np.random.default_rng(seed)
    pixels = chance.normal(size=(count, 8, 8, channels)) * chance.uniform(5, 60, (count, 1, 1, 1))
    pixels = pixels + chance.uniform(0, 255, (count, 1, 1, channels))
    return ArraySource(pixels.clip(0, 255).astype(np.uint8), np.zeros(count, np.int64), part)


def logits_of(given: Model, source: ArraySource) -> Any:
    """What the model answers, (N, C)."""
    card = given.card
    return answer_network(given.network, source, card.preprocess, classes=card.classes, workers=0).logits


def data_of(given: Model, train: int = 240, test: int = 600, *, wrong: float = 0.0) -> DataSet:
    """Noise of which the model is surest, labelled as it answers, each class as often; but for a share of lies."""
    sides = []
    for seed, (count, part) in enumerate(((train, "train"), (test, "test")), 1):
        shown = noise(8 * count, given.card.preprocess.channels, part, seed)
        said = logits_of(given, shown)
        margin = np.diff(np.sort(said, 1)[:, -2:], axis=1)[:, 0]
        classes = range(len(given.card.classes))
        sure = [np.flatnonzero(said.argmax(1) == each)[np.argsort(-margin[said.argmax(1) == each])] for each in classes]
        rows = np.stack([places[: count // len(classes)] for places in sure]).T.ravel()
        labels = said.argmax(1)[rows].astype(np.int64)
        labels[: round(wrong * len(labels))] = (labels[: round(wrong * len(labels))] + 1) % len(classes)
        sides.append(ArraySource(shown.pixels[rows], labels, part))
    sha256 = fingerprint_arrays(given.card.classes, sides)
    return DataSet(name="noise", classes=given.card.classes, train=sides[0], test=sides[1], fingerprint=sha256)


def written(given: Model, folder: Path, to: Any, precision: Any = "fp32", **how: Any) -> Exported:
    """An export under a name that fits its kind."""
    name = {"onnx": "a.onnx", "openvino": "a", "torch": "a.pt2"}[to]
    return export(given, folder / name, to, precision=precision, **how)


def some_of(data: DataSet, train: int, test: int) -> DataSet:
    """The same data set with so many pictures of each side, evenly spaced."""
    sides = []
    for side, count in ((data.train, train), (data.test, test)):
        assert side is not None
        sides.append(side.take(np.linspace(0, len(side) - 1, count).round().astype(np.int64)))
    return replace(data, train=sides[0], test=sides[1])
