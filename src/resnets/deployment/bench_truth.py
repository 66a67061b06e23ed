"""Bench truth: what the network as it stands says, which every engine is held against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from resnets.data.samples import sample_batch
from resnets.deployment.bench_jobs import levels_of
from resnets.deployment.bench_process import Worker
from resnets.deployment.bench_rows import Row
from resnets.deployment.labelled import Labelled
from resnets.evaluation.answers import Answers
from resnets.evaluation.judge import judge
from resnets.inference.choose import difference
from resnets.inference.engined import EngineNetwork
from resnets.inference.engines import PlainEngine
from resnets.runtime.engine import LOGITS, Outputs, Pictures
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.modelfile import Model


@dataclass(frozen=True, slots=True)
class Truth:
    """What the network as it stands says of a few photographs, and of labelled pictures; None where it is not here."""

    card: Card
    pictures: Pictures
    outputs: Outputs | None
    labelled: Labelled | None
    answers: Answers | None
    is_model: bool

    @classmethod
    def of(cls, model: Model, labelled: Labelled | None, *, has_int8: bool) -> Truth:
        card, is_model = model.card, not isinstance(model.network, EngineNetwork)
        pictures = photographs(card.preprocess)
        outputs = None
        if is_model:
            outputs = PlainEngine(model, "cpu", levels_of(card)).run(pictures)
        if labelled is not None and has_int8 and is_model:
            labelled = replace(labelled, apart=True)
        answers = None if labelled is None else labelled.answers(model)
        return cls(card, pictures, outputs, labelled, answers, is_model)

    def judged(self, row: Row, worker: Worker) -> Row:
        """Return a row with what its engine's answers are worth."""
        if self.outputs is not None:
            found = worker.run(self.pictures)
            common = {name: found[name] for name in self.outputs if name in found}
            row = replace(row, difference=difference(common, {name: self.outputs[name] for name in common}))
            if LOGITS in common:
                row = replace(
                    row, changed=self._changed(common[LOGITS], self.outputs[LOGITS]), pictures=len(self.pictures)
                )
        if self.answers is not None and self.labelled is not None:
            how = {name: getattr(self.labelled, name) for name in self.labelled.__slots__}
            answers = replace(self.answers, logits=worker.answer(how))
            report = judge(answers, self.card.calibration.get("temperature"))
            row = replace(row, accuracy=report.intervals[report.headline[0]], pictures=len(answers))
            if self.is_model:
                row = replace(row, changed=self._changed(answers.logits, self.answers.logits))
        return row

    @property
    def measure(self) -> str | None:
        """What accuracy is called."""
        return None if self.answers is None else judge(self.answers).headline[0]

    def _changed(self, one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> int:
        """Pictures that are answered otherwise: another first class, or where there may be several other ones."""
        if self.card.task == "classes":
            return int(((one > 0) != (other > 0)).any(1).sum())
        return int((one.argmax(1) != other.argmax(1)).sum())


def photographs(preprocess: Preprocess) -> Pictures:
    """Return cuts of two photographs as an engine takes them, (16, C, H, W) uint8."""
    import torch

    numbers = sample_batch(preprocess).double()
    mean, std = (
        torch.tensor(each, dtype=torch.float64).view(1, -1, 1, 1) for each in (preprocess.mean, preprocess.std)
    )
    pixels = ((numbers * std + mean) * 255).round().clamp(0, 255)
    if preprocess.colour == "bgr":
        pixels = pixels.flip(1)
    return np.ascontiguousarray(pixels.to(torch.uint8).numpy())
