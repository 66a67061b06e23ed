"""Origins: marks that the makers of weights leave beside them, and what each mark implies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resnets.weights.dialects.match import Match

Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A maker: how to know one of its files, and the facts of the architecture that follow."""

    name: str
    dialects: tuple[str, ...]
    mark: str  # the mark in words
    bears: Callable[[Match, Facts], bool]
    implies: Mapping[str, Any] = field(default_factory=dict)
    preprocess: str | None = None
    classes: str | None = None
    licence: str | None = None


ORIGINS = (
    Origin(
        name="akamaster/pytorch_resnet_cifar10",
        dialects=("cifar",),
        mark="`state_dict` and `best_prec1` alone, and a head called `linear`",
        bears=lambda match, facts: set(facts) == {"best_prec1"} and "linear" in match.words(),
        implies={"shortcut": "zero_pad", "zero_pad_side": "both"},  # option A, planes // 4 channels on each side
        preprocess="cifar-imagenet",
        classes="cifar10",
        licence="BSD-2-Clause",
    ),
    Origin(
        name="kuangliu/pytorch-cifar",
        dialects=("cifar",),
        mark="`net`, `acc` and `epoch`, and a head called `linear`",
        bears=lambda match, facts: (
            {"acc", "epoch"} <= set(facts) and match.prefix.startswith("net.") and "linear" in match.words()
        ),
        preprocess="cifar10",
        classes="cifar10",
        licence="MIT",
    ),
    Origin(
        name="OpenMMLab, style='caffe'",
        dialects=("torchvision",),
        mark="`style='caffe'` in the configuration that it carries",
        bears=lambda match, facts: "style='caffe'" in str(facts.get("meta.config", "")),
        implies={"stride_on": "1x1"},
        preprocess="detectron",
    ),
    Origin(
        name="detectron2's conversion of torchvision's weights",
        dialects=("detectron2",),
        mark='`__author__` is "torchvision"',
        bears=lambda match, facts: facts.get("__author__") == "torchvision",
        implies={"stride_on": "3x3"},
        preprocess="imagenet",
    ),
    Origin(
        name="Detectron's ResNet, MODEL.RESNETS.STRIDE_1X1",
        dialects=("detectron",),
        mark="no groups: Detectron's ResNets stride on the 1x1, its ResNeXts on the 3x3",
        bears=lambda match, facts: not _grouped(match),
        implies={"stride_on": "1x1"},
        preprocess="caffe",
    ),
    Origin(
        name="Detectron's ResNeXt, MODEL.RESNETS.STRIDE_1X1",
        dialects=("detectron", "detectron2"),
        mark="groups: Detectron's and detectron2's ResNeXts stride on the 3x3",
        bears=lambda match, facts: _grouped(match),
        implies={"stride_on": "3x3"},
        preprocess="detectron",
    ),
)
"""The first whose mark a file bears is its origin."""


def origin_of(match: Match, facts: Facts) -> Origin | None:
    """Return the maker whose mark a file bears, or None."""
    return next((row for row in ORIGINS if match.dialect.name in row.dialects and row.bears(match, facts)), None)


def _grouped(match: Match) -> bool:
    first, second = (match.shapes.get(f"stages.0.0.branch.conv{n}.weight", ()) for n in (1, 2))
    return len(second) == 4 and len(first) == 4 and second[1] != first[0]
