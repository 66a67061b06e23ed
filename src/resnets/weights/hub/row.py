"""A row of the catalogue: one published weight set, where it lies, what it is, and what its publisher says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from resnets.spec.preprocess import Preprocess

NON_COMMERCIAL = frozenset({"CC-BY-NC-4.0"})
"""Licences of the catalogue that forbid commercial use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """How a publisher prepares ImageNet's 50,000 validation images, and the accuracies it states, in percent.

    None is an accuracy that is not stated.
    """

    preprocess: Preprocess
    top1: float | None = None
    top5: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One published weight set.

    `path` is a file below the hub's endpoint (torchvision) or a repository "owner/name" (hf). `tested` begins
    with what the publisher's own code does by default. `sha256` is of the weights' file: all 64 hex digits, or
    the first ones where only those are published, or None; `mebibytes` its size as published, or None.
    """

    name: str  # as it is asked for: "torchvision:ResNet50_Weights.IMAGENET1K_V2", "hf:timm/resnet50.a1_in1k"
    hub: str  # a key of resnets.weights.hub.endpoint.HUBS
    path: str
    architecture: str  # a row of resnets.spec.variants.VARIANTS
    dialect: str  # how its tensors are named: torchvision, timm, transformers
    tested: tuple[Tested, ...]
    licence: str  # as its publisher states it
    source: str
    differences: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # from the row named
    sha256: str | None = None
    mebibytes: float | None = None

    @property
    def preprocess(self) -> Preprocess:
        """How the publisher's code prepares an image by default."""
        return self.tested[0].preprocess

    @property
    def commercial(self) -> bool:
        """False where the licence of the weights forbids commercial use; ImageNet's own terms are another matter."""
        return self.licence not in NON_COMMERCIAL

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values."""
        tested = [{"preprocess": t.preprocess.to_dict(), "top1": t.top1, "top5": t.top5} for t in self.tested]
        return {
            "name": self.name,
            "hub": self.hub,
            "path": self.path,
            "architecture": self.architecture,
            "differences": dict(self.differences),
            "dialect": self.dialect,
            "tested": tested,
            "licence": self.licence,
            "commercial": self.commercial,
            "source": self.source,
            "sha256": self.sha256,
            "mebibytes": self.mebibytes,
        }
