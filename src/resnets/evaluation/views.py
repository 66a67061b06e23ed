"""Views: what of a picture a network is shown to answer once; the mean of its answers counts (test-time augmentation).

Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks, section 4.1; He et al. 2016,
Deep residual learning for image recognition, section 3.4, "the standard 10-crop testing".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import log
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.spec.preprocess import Preprocess

Views = Literal["one", "flips", "ten-crop"]


@dataclass(frozen=True, slots=True)
class Way:
    """How to look at a picture: as what it is decoded, and which views of that a network is shown."""

    preprocess: Callable[[Preprocess], Preprocess]
    views: Callable[[Tensor, Preprocess], Iterator[Tensor]]

    def answer(self, network: nn.Module, images: Tensor, preprocess: Preprocess, *, several: bool) -> Tensor:
        """Return (N, C) on the CPU: the logits, or where there are several views those of their mean probabilities.

        The probabilities are a softmax, or where `several` classes may be in a picture a sigmoid. Their logarithms are
        summed, so that one of 1e-30 is still told from one of 1e-40.
        """
        answers: list[Tensor] = [network(view).float().cpu() for view in self.views(images, preprocess)]
        if len(answers) == 1:
            return answers[0]
        logits = torch.stack(answers).double()
        if several:
            there, absent = (F.logsigmoid(sign * logits).logsumexp(0) for sign in (1, -1))
            return (there - absent).float()
        return (logits.log_softmax(2).logsumexp(0) - log(len(answers))).float()


def _as_it_is(preprocess: Preprocess) -> Preprocess:
    return preprocess


def _whole(preprocess: Preprocess) -> Preprocess:
    """The square that ten crops are taken from: as large as the picture is resized to before it is cropped."""
    side = preprocess.resize
    if preprocess.fit != "crop" or side is None or side <= max(preprocess.size):
        raise ValueError(
            "ten crops are taken from a picture that is larger than what the network is shown, and this model resizes "
            f"to no more than its {preprocess.size[0]}x{preprocess.size[1]}; --views flips needs no larger picture"
        )
    return replace(preprocess, size=(side, side))


def _one(images: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    yield images


def _flips(images: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    yield images
    yield images.flip(3)


def _ten(images: Tensor, preprocess: Preprocess) -> Iterator[Tensor]:
    (height, width), (below, beside) = preprocess.size, images.shape[2:]
    down, right = below - height, beside - width
    for turned in _flips(images, preprocess):  # before the crops, as torchvision: an odd margin has no exact centre
        for top, left in ((0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2))):
            yield turned[:, :, top : top + height, left : left + width]


VIEWS: Mapping[str, Way] = MappingProxyType(
    {"one": Way(_as_it_is, _one), "flips": Way(_as_it_is, _flips), "ten-crop": Way(_whole, _ten)}
)
"""one: the picture as the model sees it. flips: it and its mirror image. ten-crop: the four corners and the centre of
the square that the picture is resized and cut to, and their mirror images."""
