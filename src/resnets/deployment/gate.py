"""The gate: whether what was exported still answers as the model did, on somebody's own pictures."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np

from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import reliability
from resnets.evaluation.paired import Paired, paired

TOLERANCE = 0.002
"""Share of right answers that may be lost, as it is seen."""

LIMIT = 0.01
"""Share that may be lost at worst: the upper end of the 95 % interval of what is seen."""

SURE = 1.959964
"""Standard deviations on either side of a mean that hold 95 % of a normal distribution."""

Verdict = Literal["passes", "fails", "undecided"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """A model and what was exported of it, on the same pictures.

    `paired` has the model first: its gap is what the export loses. `changed` pictures have another first answer (where
    a picture may have several classes, other ones). `ece` is of both, the export's with the temperature it was given.
    """

    paired: Paired
    changed: int
    ece: tuple[float, float]
    tolerance: float = TOLERANCE
    limit: float = LIMIT

    @property
    def verdict(self) -> Verdict:
        """Passes: within the tolerance, and surely within the limit. Fails: surely beyond the tolerance."""
        drop = self.paired.gap
        if drop.value <= self.tolerance and drop.high <= self.limit:
            return "passes"
        return "fails" if drop.low > self.tolerance else "undecided"

    @property
    def needed(self) -> int | None:
        """About how many pictures would decide it, if they went as these; None where it is decided.

        That is where the 95 % interval (normal, but where nothing parted Wilson's) of the drop ends at the limit, or
        where the drop is beyond the tolerance, begins above it. None also where the drop is at the border itself.
        """
        if self.verdict != "undecided":
            return None
        drop, parted = self.paired.gap.value, self.paired.one_alone + self.paired.other_alone
        if not parted:
            return ceil(SURE**2 * (1 - self.limit) / self.limit)
        spread = parted / self.paired.pictures - drop**2
        room = self.limit - drop if drop <= self.tolerance else drop - self.tolerance
        return ceil(SURE**2 * spread / room**2) if room > 0 else None

    def sentence(self) -> str:
        """Return what was found, in one line."""
        drop, pictures = self.paired.gap, self.paired.pictures
        told = (
            f"{self.changed:,} of {pictures:,} answers changed; {100 * drop.value:+.2f} points lost "
            f"({100 * drop.low:+.2f} to {100 * drop.high:+.2f} at 95 %); {100 * self.tolerance:g} are allowed, and "
            f"{100 * self.limit:g} at worst; ECE {self.ece[0]:.2%} before and {self.ece[1]:.2%} after"
        )
        if self.verdict != "undecided":
            return f"{told}: it {self.verdict}"
        enough = "" if self.needed is None else f"; about {self.needed:,} pictures would decide it"
        return f"{told}: undecided{enough}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "verdict": self.verdict,
            "changed": self.changed,
            "paired": self.paired.to_dict(),
            "ece": list(self.ece),
            "tolerance": self.tolerance,
            "limit": self.limit,
            "needed": self.needed,
        }


def gate(
    model: Answers, export: Answers, temperature: float = 1.0, *, tolerance: float = TOLERANCE, limit: float = LIMIT
) -> Gate:
    """Compare what a model and its export answered to the same pictures, both as plain logits of one temperature.

    Raises `ValueError` where they have no picture in common, or for a tolerance or limit that is no share.
    """
    check_shares(tolerance, limit)
    _, mine, its = np.intersect1d(model.indices, export.indices, assume_unique=True, return_indices=True)
    one, other = model.take(mine), export.take(its)
    return Gate(
        paired=paired(one, other),
        changed=int((_said(one) != _said(other)).reshape(len(mine), -1).any(1).sum()),
        ece=(reliability(one, temperature).ece, reliability(other, temperature).ece),
        tolerance=tolerance,
        limit=limit,
    )


def check_shares(tolerance: float, limit: float) -> None:
    """Raise `ValueError` for a tolerance or limit that is no share, or a limit that is the smaller one."""
    if not 0 <= tolerance <= limit < 1:
        raise ValueError(f"tolerance {tolerance} and limit {limit} are not possible; allowed: 0 to 1, the limit larger")


def _said(answers: Answers) -> np.ndarray[Any, Any]:
    """What was answered: a class for each picture, (N,), or which classes are there, (N, C)."""
    return answers.logits > 0 if answers.task == "classes" else answers.logits.argmax(1)
