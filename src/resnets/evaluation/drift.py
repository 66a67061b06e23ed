"""Drift: what fast decoding changes in a model's answers, measured on pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from resnets.data.dataset import DataSet, require_classes
from resnets.data.loader import Loader
from resnets.data.source import Source
from resnets.evaluation.classes import match_classes
from resnets.evaluation.evaluate import check_task
from resnets.net.device import find_device
from resnets.spec.preprocess import Decoding
from resnets.weights.modelfile import Model

TOLERANCE = 0.002
"""Share of pictures by which top-1 may fall before fast decoding falls short: 0.2 points."""

BOUND = 0.01
"""Share of pictures by which top-1 may fall at most, as far as so many pictures can tell: 1 point."""

CERTAIN = 0.05
"""Chance of being wrong that each verdict may have."""

Verdict = Literal["within", "beyond", "undecided"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """The same model on the same pictures, decoded exactly and fast."""

    pictures: int
    exact_right: int
    fast_right: int
    lost: int  # right on exact decoding and wrong on fast
    won: int  # the other way round
    changed: int  # first answers that differ

    @property
    def verdict(self) -> Verdict:
        """Return whether top-1 falls by no more than `TOLERANCE`, and for sure by no more than `BOUND`.

        Beyond: it falls by more, and a sign test on the answers lost and won agrees. Else the pictures are too few.
        """
        from scipy.stats import binomtest

        falls = (self.exact_right - self.fast_right) / self.pictures
        # At most so many are lost (Clopper and Pearson, one-sided); what was won is not counted on to be won again.
        most = binomtest(self.lost, self.pictures).proportion_ci(1 - 2 * CERTAIN, method="exact").high
        if falls <= TOLERANCE and most <= BOUND:
            return "within"
        if falls > TOLERANCE and binomtest(self.lost, self.lost + self.won, alternative="greater").pvalue < CERTAIN:
            return "beyond"
        return "undecided"

    def sentence(self) -> str:
        """Return what was found, in one line."""
        exact, fast = self.exact_right / self.pictures, self.fast_right / self.pictures
        points = f"{100 * TOLERANCE:g} points"
        told = {
            "within": f"within {points}",
            "beyond": f"beyond {points}: decode exactly",
            "undecided": f"so few pictures cannot tell {points}; give more",
        }
        return (
            f"top-1 {exact:.2%} on exact and {fast:.2%} on fast decoding; {self.changed:,} of {self.pictures:,} "
            f"answers changed: {told[self.verdict]}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, the shares and the verdict as JSON-able values."""
        return {
            "pictures": self.pictures,
            "top1_exact": self.exact_right / self.pictures,
            "top1_fast": self.fast_right / self.pictures,
            "lost": self.lost,
            "won": self.won,
            "changed": self.changed,
            "tolerance": TOLERANCE,
            "bound": BOUND,
            "verdict": self.verdict,
        }


def drift(model: Model, dataset: DataSet, *, batch_size: int = 64, device: str = "auto") -> Drift:
    """Compare a model's answers on the test pictures (else the training ones) decoded exactly and fast.

    Raises `ValueError` where the classes of data and model differ, or their tasks do, or no picture can be decoded.
    """
    require_classes(dataset)
    check_task(model.card, dataset)
    source = dataset.test if dataset.test is not None else dataset.train
    if source is None:
        raise ValueError(f"{dataset.name} holds no pictures to compare on")
    places = match_classes(model.card.classes, dataset.classes).places[source.labels]
    exact, fast = (_answers(model, source, how, batch_size, device) for how in ("exact", "fast"))
    seen = exact >= 0
    if not seen.any():
        raise ValueError(f"no picture of {dataset.name} could be decoded")
    before, after = (exact == places)[seen], (fast == places)[seen]
    return Drift(
        pictures=int(seen.sum()),
        exact_right=int(before.sum()),
        fast_right=int(after.sum()),
        lost=int((before & ~after).sum()),
        won=int((after & ~before).sum()),
        changed=int((exact != fast)[seen].sum()),
    )


@torch.no_grad()
def _answers(model: Model, source: Source, decoding: Decoding, batch_size: int, device: str) -> npt.NDArray[np.int64]:
    """The first answer for each picture; -1 where it could not be decoded."""
    target = find_device(device)
    network = model.network.to(target).eval()
    policy = replace(model.card.preprocess, decoding=decoding)
    answers = np.full(len(source), -1, np.int64)
    for batch in Loader(source, policy, batch_size=batch_size, drop_single=False, device=target).epoch(0):
        answers[batch.indices.numpy()] = network(batch.images).argmax(1).cpu().numpy()
    return answers
