"""Calibrating: a model whose probabilities mean what they say, and which may say that it does not know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import Calibration, calibration, fit_temperature
from resnets.evaluation.evaluate import answer
from resnets.evaluation.judge import all_right
from resnets.evaluation.selective import check_coverage, threshold_at
from resnets.inference.engined import EngineNetwork
from resnets.inference.models import open_model
from resnets.spec.card import Task
from resnets.weights.modelfile import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrated:
    """A model with its calibration, and how reliable it is: `cross_fitted` is judged on pictures not fitted to."""

    model: Model
    cross_fitted: Calibration
    pictures: int
    skipped: tuple[tuple[str, str], ...] = ()  # (picture, reason)
    notes: tuple[str, ...] = ()  # how the data's classes became the model's, where they differed

    @property
    def warning(self) -> str | None:
        """What is to be said where the temperature made probabilities worse on pictures that it was not fitted to."""
        before, after = self.cross_fitted.before, self.cross_fitted.after
        if after.loss <= before.loss:
            return None
        return (
            f"the temperature does not help: on pictures it was not fitted to, the loss grew from {before.loss:.4g} to "
            f"{after.loss:.4g}. {self.pictures:,} pictures may be too few; calibrate on more, or go on with the model "
            "as it was"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as JSON-able values, without the model."""
        return {
            "calibration": self.model.card.calibration,
            "pictures": self.pictures,
            "cross_fitted": self.cross_fitted.to_dict(),
            "warning": self.warning,
            "notes": list(self.notes),
            "skipped": [{"path": path, "error": reason} for path, reason in self.skipped],
        }


def calibrate(model: Model | str | Path, data: object, *, coverage: float | None = None, **how: Any) -> Calibrated:
    """Return a model whose card has the temperature that suits these pictures, and nothing else changed in it.

    With a `coverage` in (0, 1] the card also has the probability below which an answer is "unknown", so that this share
    of such pictures gets an answer (default: the share that the model's card has, if any). The pictures should be ones
    that the model was not trained on, and it should not be judged by them again. `how` is passed to `answer`: `split`,
    `batch_size` and so on. Raises `ValueError` as `answer` does, for a coverage that is not possible, and for an
    exported artefact, before a picture is read.
    """
    if not isinstance(model, Model):
        model = open_model(model)
    check_no_artefact(model)
    if coverage is not None:  # said before a picture is read
        check_coverage(coverage)
        _check_one_class(model.card.task)
    answers = answer(model, data, **how)
    if coverage is None:
        coverage = model.card.calibration.get("coverage")
    card = replace(model.card, calibration=facts(answers, coverage))
    return Calibrated(
        model=replace(model, card=card),
        cross_fitted=calibration(answers, None),
        pictures=len(answers),
        skipped=answers.skipped,
        notes=answers.notes,
    )


def check_no_artefact(model: Model) -> None:
    """Raise `ValueError` for an exported artefact: its temperature is part of what its engine computes."""
    if isinstance(model.network, EngineNetwork):
        raise ValueError(
            "an exported artefact has its temperature inside its graph, and cannot be given another; calibrate the "
            "model file that it was made of, and export that"
        )


def facts(answers: Answers, coverage: float | None = None) -> dict[str, float]:
    """Return what a card says of calibration: "temperature", and with a coverage "unknown_below" and "coverage".

    Raises `ValueError` for a coverage where a picture may have several classes, each of which is answered by itself.
    """
    if coverage is not None:
        _check_one_class(answers.task)
    temperature = fit_temperature(answers)
    if all_right(answers).all():
        temperature = max(temperature, 1.0)  # no mistake among so many does not prove that there is none to come
    if coverage is None:
        return {"temperature": temperature}
    threshold = threshold_at(answers.probabilities(temperature), coverage)
    return {"temperature": temperature, "unknown_below": threshold, "coverage": coverage}


def _check_one_class(task: Task) -> None:
    if task == "classes":
        raise ValueError("a coverage is for models of one class for each picture; here each class has its own answer")
