"""Corruptions: the pictures of a source as they are under one of them, made by the library that does the corrupting."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.decoding.picture import pixels
from resnets.data.errors import BadImage
from resnets.data.source import Raw, Source
from resnets.spec.preprocess import Preprocess

Picture = npt.NDArray[np.uint8]

CORRUPTIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("gaussian_noise", "shot_noise", "impulse_noise"), "noise"),
        **dict.fromkeys(("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"), "blur"),
        **dict.fromkeys(("snow", "frost", "fog", "brightness"), "weather"),
        **dict.fromkeys(("contrast", "elastic_transform", "pixelate", "jpeg_compression"), "digital"),
    }
)
"""The fifteen, and the kind of each, in the order of the paper's Table 1."""

SEVERITIES = (1, 2, 3, 4, 5)

SMALLEST = 32
"""Pixels of a side that the library corrupts."""

SEEDED = ("impulse_noise", "glass_blur")
"""Those with generators of their own, which take a seed; the others draw from numpy's global one."""

_ALONE = Lock()  # numpy's global generator is one for all threads


@dataclass(frozen=True, eq=False, slots=True)
class Corrupted(Source):
    """The pictures of a source at the size that a network is shown, corrupted: (H, W, 3) uint8, red, green and blue."""

    inner: Source
    preprocess: Preprocess
    corruption: str
    severity: int
    seed: int
    corrupt: Callable[..., Picture]
    places: npt.NDArray[np.int64]  # of each picture in the source that was asked about, which fixes its chance
    labels: npt.NDArray[Any]
    groups: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, source: Source, preprocess: Preprocess, corruption: str, severity: int, seed: int) -> Corrupted:
        """Return the corrupted pictures of a source; raise `ValueError` where such pictures cannot be corrupted."""
        if preprocess.colour == "bands":
            raise ValueError("corruptions are for pictures in grey or in colour, and this model takes bands")
        if min(preprocess.size) < SMALLEST:
            height, width = preprocess.size
            raise ValueError(
                f"corruptions are for pictures of {SMALLEST}x{SMALLEST} pixels or more, and this model is shown "
                f"{height}x{width}"
            )
        if preprocess.colour == "grey":  # what corrupts does so in colour; grey is taken of that
            preprocess = replace(preprocess, colour="rgb")
        places = np.arange(len(source))
        return cls(source, preprocess, corruption, severity, seed, corrupter(), places, source.labels, source.groups)

    def __len__(self) -> int:
        return len(self.inner)

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width that the network is shown."""
        return self.preprocess.size

    def name(self, index: int) -> str:
        """Return what the source calls it."""
        return self.inner.name(index)

    def raw(self, index: int) -> Raw:
        """Return one picture, corrupted; raise `BadImage` where it cannot be decoded."""
        try:
            shown = pixels(self.inner.raw(index), self.preprocess)
        except BadImage as error:
            raise BadImage(self.name(index), error.reason) from error
        colour = np.broadcast_to(shown, (3, *shown.shape[1:])).transpose(1, 2, 0)
        drawn = [self.seed, int(self.places[index]), list(CORRUPTIONS).index(self.corruption), self.severity]
        chance = int(np.random.SeedSequence(drawn).generate_state(1)[0])
        own = {"seed": chance} if self.corruption in SEEDED else {}
        with _ALONE:
            before = np.random.get_state()
            np.random.seed(chance)
            try:
                return self.corrupt(
                    np.ascontiguousarray(colour), severity=self.severity, corruption_name=self.corruption, **own
                )
            finally:
                np.random.set_state(before)

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Corrupted:
        """Return these pictures, in this order, each corrupted as it is here."""
        inner = self.inner.take(indices)
        return replace(self, inner=inner, places=self.places[indices], labels=inner.labels, groups=inner.groups)


def check_corruptions(corruptions: Sequence[str], severities: Sequence[int]) -> None:
    """Raise `ValueError` for a corruption or a severity that there is not, none at all, or one that is named twice."""
    allowed: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
        "corruptions": (corruptions, tuple(CORRUPTIONS)),
        "severities": (severities, SEVERITIES),
    }
    for field, (given, known) in allowed.items():
        unknown = [str(one) for one in given if one not in known]
        if unknown or not given or len(set(given)) < len(given):
            said = ", ".join(unknown) or ", ".join(map(str, given)) or "none"
            raise ValueError(f"{field}={said} is not possible; allowed: each once of {', '.join(map(str, known))}")


def corrupter() -> Callable[..., Picture]:
    """Return the function that corrupts; raise `ValueError` where its library is not installed."""
    try:
        found: Callable[..., Picture] = importlib.import_module("imagecorruptions").corrupt
    except ImportError:
        raise ValueError(
            "corrupting pictures needs imagecorruptions; install it: pip install 'resnets[robustness]'"
        ) from None
    return found
