"""Answers: what a network says to labelled pictures, from which every judgement of it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from resnets.data.source import Source
from resnets.spec.card import Task

Logits = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]
Temperature = float | npt.NDArray[np.float64]
"""What logits are divided by: one number for all, or (N,) one for each picture."""

AT_ONCE = 4_096
"""Pictures whose probabilities are in memory together, where they are not asked for."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Answers:
    """What was said to N pictures, and what is true of them; row i of each array is about the same picture.

    `logits` are (N, C); `labels` are (N,) int64, or (N, C) bool where a picture may have several classes. `indices` say
    which picture of the `source` that is. `skipped` holds (picture, reason) of those that could not be read, which
    count nowhere. `notes` say how the data's classes became the model's, where they differed.

    Raises `ValueError` on construction where there is no picture, where a logit is no number, and where the arrays do
    not fit each other.
    """

    classes: tuple[str, ...]
    logits: Logits
    labels: npt.NDArray[np.int64] | npt.NDArray[np.bool_]
    indices: npt.NDArray[np.int64]
    source: Source
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.labels):
            raise ValueError("there is no picture to evaluate on")
        shapes = (len(self.labels), len(self.classes)), (len(self.labels),)
        if self.logits.shape != shapes[0] or self.indices.shape != shapes[1] or self.labels.shape not in shapes:
            raise ValueError(
                f"logits {self.logits.shape}, labels {self.labels.shape} and indices {self.indices.shape} do not fit "
                f"{len(self.classes)} classes and {len(self.labels):,} pictures"
            )
        if not np.isfinite(self.logits).all():
            raise ValueError("the network answers with numbers that are not finite; take an earlier checkpoint")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def task(self) -> Task:
        """Whether a picture has one class, or may have several."""
        return "classes" if self.labels.dtype == np.bool_ else "class"

    def name(self, row: int) -> str:
        """Return what a picture is called: its path, or "test[17]"."""
        return self.source.name(int(self.indices[row]))

    def probabilities(self, temperature: Temperature = 1.0) -> Probabilities:
        """Return (N, C): softmax of the logits over the temperature, or where there may be several a sigmoid of each.

        Raises `ValueError` for a temperature that is not above 0.
        """
        from scipy.special import expit, softmax

        scaled = self._over(temperature)
        found: Probabilities = softmax(scaled, axis=1) if self.task == "class" else expit(scaled)
        return found

    def loss(self, temperature: Temperature = 1.0) -> float:
        """Return the mean negative log-likelihood in nats: over pictures, or where there may be several over (N, C).

        It is worked out from the logits, so that an answer that is as good as impossible costs what it costs. Raises
        `ValueError` for a temperature that is not above 0.
        """
        given = np.broadcast_to(temperature, len(self))
        sums = [part._summed_loss(given[rows]) for rows, part in self.parts()]
        return sum(sums) / (self.labels.size if self.task == "classes" else len(self))

    def parts(self) -> Iterator[tuple[slice, Answers]]:
        """Yield some rows at a time: in float64 fifty thousand pictures of a thousand classes are 400 MB."""
        for first in range(0, len(self), AT_ONCE):
            rows = slice(first, first + AT_ONCE)
            yield rows, self.take(np.arange(len(self))[rows])

    def _summed_loss(self, temperature: Temperature) -> float:
        from scipy.special import logsumexp

        scaled = self._over(temperature)
        if self.task == "classes":
            return float((np.logaddexp(0, scaled) - scaled * self.labels).sum())
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(self)), self.labels]).sum())

    def _over(self, temperature: Temperature) -> Probabilities:
        if not np.all(np.asarray(temperature) > 0):
            raise ValueError(f"temperature={np.min(temperature)} is not possible; allowed: above 0")
        scaled: Probabilities = self.logits.astype(np.float64) / np.reshape(temperature, (-1, 1))
        return scaled

    def take(self, rows: npt.NDArray[np.integer | np.bool_]) -> Answers:
        """Return the answers of these rows, by their numbers or by a mask."""
        numbers = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return replace(
            self,
            logits=self.logits[numbers],
            labels=self.labels[numbers],
            indices=self.indices[numbers],
        )
