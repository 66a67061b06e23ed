"""Wanted: what a model asks of pictures, by a row's name or a file of weights, before any network is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from resnets.spec.architecture import Architecture
from resnets.spec.levels import levels
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.identify import card_of, identify

STRIDE = 32
"""Pixels that a cell of the last map stands for, in a ResNet for ImageNet."""


def wanted(model: str | None, size: tuple[int, int] | None) -> tuple[Preprocess | None, int | None]:
    """Return the preprocess and the stride of the network that pictures are for; None for what nobody has said.

    Raises `ValueError` for a model that is neither a row nor a file that can be read.
    """
    if model is None:
        return (None, None) if size is None else (_of_row(None).at_size(size), STRIDE)
    arch, preprocess = _stated(model)
    stride = STRIDE if arch is None else max(level.stride for level in levels(plan(arch)).values())
    return (preprocess if size is None else preprocess.at_size(size)), stride


def _stated(model: str) -> tuple[Architecture | None, Preprocess]:
    """What a row says, or a file: ours by its card, any other by what it is found to be."""
    if model in VARIANTS or not Path(model).is_file():
        arch = architecture(model)
        return arch, _of_row(arch)
    card = card_of(model)
    if card is not None:
        return card.architecture, card.preprocess
    found = identify(model)
    preprocess = found.preprocess.value
    return found.architecture, preprocess if isinstance(preprocess, Preprocess) else _of_row(found.architecture)


def _of_row(arch: Architecture | None) -> Preprocess:
    side = IMAGENET.size if arch is None else (arch.size, arch.size)
    return replace(IMAGENET, profile="srgb").at_size(side)
