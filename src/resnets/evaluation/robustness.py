"""Robustness: how a model does on pictures that are noisy, blurred, in bad weather or badly stored.

Hendrycks and Dietterich 2019, Benchmarking neural network robustness to common corruptions and perturbations
(arXiv:1903.12261): fifteen corruptions in five severities, of the picture as the network is shown it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from resnets.data.dataset import DataSet, require_classes
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.evaluation.answers import Answers
from resnets.evaluation.classes import How
from resnets.evaluation.corruptions import CORRUPTIONS, SEVERITIES, Corrupted, check_corruptions
from resnets.evaluation.evaluate import answer
from resnets.evaluation.intervals import Interval, share_interval
from resnets.evaluation.judge import all_right
from resnets.evaluation.sides import Split, gather_for, side
from resnets.inference.models import open_model
from resnets.weights.modelfile import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class RobustnessReport:
    """Top-1 on clean pictures and on corrupted ones, and errors as the paper weighs them.

    `corrupted[name][k]` is the top-1 under a corruption at `severities[k]`. `reference` is the same of another model,
    the measure of how hard a corruption is: the paper's is AlexNet.
    """

    pictures: int
    severities: tuple[int, ...]
    clean: Interval
    corrupted: Mapping[str, tuple[Interval, ...]]
    reference: RobustnessReport | None = None
    seed: int = 0
    skipped: tuple[tuple[str, str], ...] = ()  # (picture, reason)
    notes: tuple[str, ...] = ()

    @property
    def top1(self) -> float:
        """Top-1 on corrupted pictures: the mean over corruptions and severities."""
        return 1 - self.mean_error

    @property
    def mean_error(self) -> float:
        """Top-1 error on corrupted pictures, the mean over corruptions and severities: no reference is asked."""
        return float(np.mean([_errors(shares) for shares in self.corrupted.values()]))

    @property
    def corruption_errors(self) -> dict[str, float | None]:
        """CE of each corruption: the errors of all severities, over those of the reference.

        None where the reference makes no error, or there is none.
        """
        return {name: self._ratio(name, relative=False) for name in self.corrupted}

    @property
    def relative_errors(self) -> dict[str, float | None]:
        """Relative CE of each corruption: by how much errors grow from clean pictures on, over the reference's growth.

        None where the reference's errors do not grow, or there is none.
        """
        return {name: self._ratio(name, relative=True) for name in self.corrupted}

    @property
    def mce(self) -> float | None:
        """MCE: the mean of the CEs; 1 is as good as the reference. None where one of them is None."""
        return _mean(self.corruption_errors)

    @property
    def relative_mce(self) -> float | None:
        """Relative mCE: the mean of the relative CEs; None where one of them is None."""
        return _mean(self.relative_errors)

    def sentence(self) -> str:
        """Return what was found, in one line."""
        found = (
            f"top-1 {self.clean.value:.2%} on {self.pictures:,} clean pictures and {self.top1:.2%} on corrupted ones "
            f"({len(self.corrupted)} corruptions in {len(self.severities)} severities)"
        )
        if self.reference is None:
            return found
        return f"{found}; mCE {_percent(self.mce)}, relative mCE {_percent(self.relative_mce)} of the reference"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "pictures": self.pictures,
            "severities": list(self.severities),
            "seed": self.seed,
            "clean": self.clean.to_dict(),
            "corrupted": {name: [share.to_dict() for share in shares] for name, shares in self.corrupted.items()},
            "top1_corrupted": self.top1,
            "mean_error": self.mean_error,
            "ce": self.corruption_errors,
            "relative_ce": self.relative_errors,
            "mce": self.mce,
            "relative_mce": self.relative_mce,
            "reference": None if self.reference is None else self.reference.to_dict(),
            "notes": list(self.notes),
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }

    def _ratio(self, name: str, *, relative: bool) -> float | None:
        if self.reference is None:
            return None
        mine, theirs = (
            sum(_errors(report.corrupted[name])) - relative * len(report.severities) * (1 - report.clean.value)
            for report in (self, self.reference)
        )
        # A growth of nothing comes out as the rounding of a sum; errors are counted in pictures, which is far more.
        return mine / theirs if theirs > 1e-9 else None


def robustness(
    model: Model | str | Path,
    data: object,
    reference: Model | str | Path | None = None,
    *,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    severities: Sequence[int] = SEVERITIES,
    limit: int | None = None,
    split: Split = "test",
    seed: int = 0,
    batch_size: int = 256,
    device: str = "auto",
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    workers: int | None = None,
    classes: How = "exact",
) -> RobustnessReport:
    """Ask a model about labelled pictures, clean and under each corruption at each severity.

    Pictures are decoded, resized and cut by the model's own preprocess, then corrupted at the size that it is shown,
    and then made numbers of. What chance there is in a corruption is a function of the seed, the picture, the
    corruption and the severity. `reference` is asked about the same pictures, prepared by its preprocess. `limit` takes
    so many pictures, evenly spaced. Everything else is as for `answer`.

    Raises `ValueError` as `answer` does, for a corruption or severity that there is not, for models of several classes
    for each picture, of bands or of less than 32x32 pixels, and where the corrupting library is not installed.
    """
    check_corruptions(corruptions, severities)
    model = model if isinstance(model, Model) else open_model(model)
    other = reference if isinstance(reference, Model) or reference is None else open_model(reference)
    dataset = gather_for(model.card, data, split, reading, manifest)
    if model.card.task != "class" or (other is not None and other.card.task != "class"):
        raise ValueError("robustness is counted in top-1 errors, and this model gives a picture several classes")
    require_classes(dataset)
    source = _limited(side(dataset, split), limit)
    split = "test" if split == "test" else "train"  # where those that are meant lie from here on
    how: dict[str, Any] = {
        "split": split,
        "batch_size": batch_size,
        "device": device,
        "workers": workers,
        "classes": classes,
    }
    dataset = _with(dataset, split, source)
    asked = source, dataset, tuple(corruptions), tuple(severities), seed, how
    found = _asked(model, *asked)
    return found if other is None else replace(found, reference=_asked(other, *asked))


def _asked(
    model: Model,
    source: Source,
    dataset: DataSet,
    corruptions: tuple[str, ...],
    severities: tuple[int, ...],
    seed: int,
    how: Any,
) -> RobustnessReport:
    preprocess = model.card.preprocess
    # Corrupted pictures are of the network's size already, and are neither resized nor cut again.
    shown = replace(preprocess, fit="squash", resize=None, decoding="exact")
    sized = replace(model, card=replace(model.card, preprocess=shown))

    def top1(name: str, severity: int) -> Interval:
        corrupted = Corrupted.of(source, preprocess, name, severity, seed)
        return _share(answer(sized, _with(dataset, how["split"], corrupted), **how))

    Corrupted.of(source, preprocess, corruptions[0], severities[0], seed)  # refused before anything is computed
    clean = answer(model, dataset, **how)
    return RobustnessReport(
        pictures=len(clean),
        severities=severities,
        clean=_share(clean),
        corrupted={name: tuple(top1(name, severity) for severity in severities) for name in corruptions},
        seed=seed,
        skipped=clean.skipped,
        notes=clean.notes,
    )


def _limited(source: Source, limit: int | None) -> Source:
    if limit is None:
        return source
    if limit < 1:
        raise ValueError(f"limit={limit} is not possible; allowed: 1 or more pictures, or None for all")
    return source.take(np.unique(np.linspace(0, len(source) - 1, min(limit, len(source))).round().astype(np.int64)))


def _with(dataset: DataSet, split: Split, source: Source) -> DataSet:
    return replace(dataset, test=source) if split == "test" else replace(dataset, train=source)


def _share(answers: Answers) -> Interval:
    right = all_right(answers)
    return share_interval(int(right.sum()), len(right))


def _errors(shares: Sequence[Interval]) -> list[float]:
    return [1 - share.value for share in shares]


def _mean(errors: Mapping[str, float | None]) -> float | None:
    known = [error for error in errors.values() if error is not None]
    return float(np.mean(known)) if len(known) == len(errors) else None


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
