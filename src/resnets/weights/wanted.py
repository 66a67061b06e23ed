"""Wanted: what a model asks of pictures, by a row's name or a model file, before any network is built."""

from __future__ import annotations

from dataclasses import replace

from resnets.spec.levels import levels
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.spec.resolve import plan
from resnets.spec.variants import architecture
from resnets.weights.identify import card_of

STRIDE = 32
"""Pixels that a cell of the last map stands for, in a ResNet for ImageNet."""


def wanted(model: str | None, size: tuple[int, int] | None) -> tuple[Preprocess | None, int | None]:
    """Return the preprocess and the stride of the network that pictures are for; None for what nobody has said.

    Raises `ValueError` for a model that is neither a row nor a file that can be read.
    """
    if model is None and size is None:
        return None, None
    card = card_of(model) if model is not None else None
    arch = card.architecture if card is not None else architecture(model) if model is not None else None
    stride = STRIDE if arch is None else max(level.stride for level in levels(plan(arch)).values())
    if card is not None:
        preprocess = card.preprocess
    else:
        side = (arch.size, arch.size) if arch is not None else IMAGENET.size
        preprocess = replace(IMAGENET, profile="srgb").at_size(side)
    return (preprocess if size is None else preprocess.at_size(size)), stride
