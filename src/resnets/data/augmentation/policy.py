"""Policy: operations on a picture, drawn from a list: TrivialAugment Wide and RandAugment.

The lists, their magnitudes and what each operation does are torchvision's (transforms.v2.TrivialAugmentWide
and RandAugment); the chance is ours, and the exact mean of `jitter.contrast`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resnets.data.augmentation.distributions import pick
from resnets.data.augmentation.jitter import contrast
from resnets.data.augmentation.rows import BINS, MOST_OPERATIONS, Augmentation, Policy
from resnets.spec.preprocess import Interpolation

DRAWS_EACH = 4
"""Numbers for one operation: which, its magnitude, its sign, and whether it is done."""

DRAWS = DRAWS_EACH * MOST_OPERATIONS


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """From the weakest to the strongest: `BINS` numbers in equal steps."""

    weakest: float
    strongest: float
    signed: bool = False  # either way, at even odds
    whole: bool = False  # rounded
    of: Literal["width", "height"] | None = None  # shares of a side, in pixels


def _either_way(strongest: float, of: Literal["width", "height"] | None = None) -> Magnitudes:
    return Magnitudes(0.0, strongest, signed=True, of=of)


POLICIES: Mapping[Policy, Mapping[str, Magnitudes | None]] = MappingProxyType(
    {
        "trivial": {
            "Identity": None,
            "ShearX": _either_way(0.99),
            "ShearY": _either_way(0.99),
            "TranslateX": _either_way(32.0),
            "TranslateY": _either_way(32.0),
            "Rotate": _either_way(135.0),
            "Brightness": _either_way(0.99),
            "Color": _either_way(0.99),
            "Contrast": _either_way(0.99),
            "Sharpness": _either_way(0.99),
            "Posterize": Magnitudes(8, 2, whole=True),
            "Solarize": Magnitudes(1.0, 0.0),
            "AutoContrast": None,
            "Equalize": None,
        },
        "rand": {
            "Identity": None,
            "ShearX": _either_way(0.3),
            "ShearY": _either_way(0.3),
            "TranslateX": _either_way(150 / 331, of="width"),
            "TranslateY": _either_way(150 / 331, of="height"),
            "Rotate": _either_way(30.0),
            "Brightness": _either_way(0.9),
            "Color": _either_way(0.9),
            "Contrast": _either_way(0.9),
            "Sharpness": _either_way(0.9),
            "Posterize": Magnitudes(8, 4, whole=True),
            "Solarize": Magnitudes(1.0, 0.0),
            "AutoContrast": None,
            "Equalize": None,
        },
    }
)
"""The operations of each policy, any as likely as the other, and their magnitudes; None for one that has none."""


@functools.lru_cache(maxsize=256)
def magnitudes(name: str, policy: Policy, height: int, width: int) -> tuple[float, ...]:
    """Return the magnitudes of an operation on pictures of a size: `BINS` numbers, or none."""
    steps = POLICIES[policy][name]
    if steps is None:
        return ()
    side = {"width": width, "height": height, None: 1}[steps.of]
    values = torch.linspace(steps.weakest, steps.strongest * side, BINS)
    return tuple((values.round() if steps.whole else values).tolist())


def chosen(row: Augmentation, height: int, width: int, draws: Sequence[float]) -> list[tuple[str, float]]:
    """Return which operations are done to a picture, in order, each with its magnitude; `DRAWS` numbers in [0, 1).

    An operation without magnitudes has 0.
    """
    assert row.policy is not None
    names = tuple(POLICIES[row.policy])
    trivial = row.policy == "trivial"  # one operation, always done, at any magnitude
    operations = []
    for start in range(0, DRAWS_EACH * (1 if trivial else row.operations), DRAWS_EACH):
        which, strength, sign, done = draws[start : start + DRAWS_EACH]
        if not trivial and done >= row.operation_probability:
            continue
        name = names[pick(which, len(names))]
        magnitude, steps = 0.0, POLICIES[row.policy][name]
        if steps is not None:
            values = magnitudes(name, row.policy, height, width)
            magnitude = values[pick(strength, BINS) if trivial else row.magnitude]
            magnitude = -magnitude if steps.signed and sign < 0.5 else magnitude
        operations.append((name, magnitude))
    return operations


def _sheared(f: Any, x: Tensor, shear: list[float], mode: Any) -> Tensor:
    # A shear by s moves each row by s times its distance from the top, as in AutoAugment's own code.
    degrees = [math.degrees(math.atan(value)) for value in shear]
    sheared: Tensor = f.affine(x, 0.0, [0, 0], 1.0, degrees, interpolation=mode, center=[0, 0])
    return sheared


def _moved(f: Any, x: Tensor, pixels: list[int], mode: Any) -> Tensor:
    moved: Tensor = f.affine(x, 0.0, pixels, 1.0, [0.0, 0.0], interpolation=mode)
    return moved


OPERATIONS: Mapping[str, Callable[[Any, Tensor, float, Any], Tensor]] = MappingProxyType(
    {
        "Identity": lambda f, x, magnitude, mode: x,
        "ShearX": lambda f, x, magnitude, mode: _sheared(f, x, [magnitude, 0.0], mode),
        "ShearY": lambda f, x, magnitude, mode: _sheared(f, x, [0.0, magnitude], mode),
        "TranslateX": lambda f, x, magnitude, mode: _moved(f, x, [int(magnitude), 0], mode),
        "TranslateY": lambda f, x, magnitude, mode: _moved(f, x, [0, int(magnitude)], mode),
        "Rotate": lambda f, x, magnitude, mode: f.rotate(x, magnitude, interpolation=mode),
        "Brightness": lambda f, x, magnitude, mode: f.adjust_brightness(x, 1 + magnitude),
        "Color": lambda f, x, magnitude, mode: f.adjust_saturation(x, 1 + magnitude),
        "Contrast": lambda f, x, magnitude, mode: contrast(x, 1 + magnitude),
        "Sharpness": lambda f, x, magnitude, mode: f.adjust_sharpness(x, 1 + magnitude),
        "Posterize": lambda f, x, magnitude, mode: f.posterize(x, int(magnitude)),
        "Solarize": lambda f, x, magnitude, mode: f.solarize(x, 255 * magnitude),
        "AutoContrast": lambda f, x, magnitude, mode: f.autocontrast(x),
        "Equalize": lambda f, x, magnitude, mode: f.equalize(x),
    }
)
"""What each operation does to a uint8 picture (1 or 3, H, W), by torchvision's functions f."""


def operate(picture: Tensor, name: str, magnitude: float, interpolation: Interpolation) -> Tensor:
    """Return a uint8 picture (1 or 3, H, W) after one operation; what comes in from outside is black.

    Pixels between pixels are bilinear, or nearest where the preprocess says so: torchvision has no bicubic here.
    """
    from torchvision.transforms.v2 import InterpolationMode, functional

    mode = InterpolationMode.NEAREST if interpolation == "nearest" else InterpolationMode.BILINEAR
    return OPERATIONS[name](functional, picture, magnitude, mode)


def follow(batch: Tensor, row: Augmentation, interpolation: Interpolation, draws: npt.NDArray[np.float64]) -> Tensor:
    """Return a (N, 1 or 3, H, W) uint8 batch with the operations of the row's policy done; `draws` is (N, `DRAWS`)."""
    changed = torch.empty_like(batch, memory_format=torch.contiguous_format)
    for place, numbers in enumerate(draws.tolist()):
        picture = batch[place]
        for name, magnitude in chosen(row, batch.shape[2], batch.shape[3], numbers):
            picture = operate(picture, name, magnitude, interpolation)
        changed[place] = picture
    return changed
