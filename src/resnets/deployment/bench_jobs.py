"""Bench jobs: which engines and precisions there are to be measured on a model and its exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from resnets.deployment.bench_int8 import quantized
from resnets.deployment.bench_process import Job
from resnets.deployment.bench_rows import Row
from resnets.deployment.labelled import Labelled
from resnets.runtime.artefact import ENGINES as RUNS
from resnets.runtime.artefact import is_artefact, read_artefact
from resnets.runtime.engine import Precision
from resnets.spec.card import Card
from resnets.spec.resolve import plan
from resnets.weights.modelfile import Model

PRECISIONS: Mapping[str, tuple[Precision, ...]] = MappingProxyType(
    {
        "torch": ("fp32", "bf16"),
        "compiled": ("fp32", "bf16"),
        "openvino": ("fp32", "bf16", "int8"),
        "onnx": ("fp32", "int8"),
    }
)
"""Engine -> what it computes in."""

Name = tuple[str, Precision, str | None]
"""Engine, precision and artefact of a row."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What is to be measured."""

    path: str | Path
    model: Model
    artefacts: Sequence[str | Path]
    threads: int
    batch_size: int
    engines: tuple[str, ...]
    precisions: tuple[Precision, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """What comes out beside the logits (`levels_of`)."""
        return levels_of(self.model.card)

    def all(self, labelled: Labelled | None, folder: Path) -> tuple[dict[Name, Job], dict[Name, Row]]:
        """Return jobs by name, and a row for each, those that cannot run with their reason."""
        jobs: dict[Name, Job] = {}
        rows: dict[Name, Row] = {}
        given = [*([self.path] if is_artefact(self.path) else []), *self.artefacts]
        int8 = {(engine, "int8") for each in given for engine, _ in self._of(each)}
        for engine, precision in () if is_artefact(self.path) else self._wanted(PRECISIONS):
            name: Name = (engine, precision, None)
            if precision != "int8":
                jobs[name] = self._job(self.path, engine, precision)
            elif (engine, precision) not in int8:
                try:
                    path = quantized(self.model, labelled, engine, folder, self.levels)
                    jobs[name] = replace(self._job(path, engine, precision), is_artefact=True)
                except (ValueError, OSError, RuntimeError) as error:
                    rows[name] = Row(engine=engine, precision=precision, reason=str(error))
                    continue
            else:
                continue
            rows[name] = Row(engine=engine, precision=precision)
        for each in given:
            for engine, precision in self._of(each):
                name = (engine, precision, Path(each).name)
                jobs[name] = replace(self._job(each, engine, precision), is_artefact=True)
                rows[name] = Row(engine=engine, precision=precision, artefact=Path(each).name)
        return jobs, rows

    def _of(self, path: str | Path) -> Iterator[tuple[str, Precision]]:
        artefact = read_artefact(path)
        if artefact.card != self.model.card:
            raise ValueError(f"{path} is no export of {self.path}: its card is another")
        yield from self._wanted(dict.fromkeys(RUNS[artefact.kind], (artefact.precision,)))

    def _wanted(self, table: Mapping[str, tuple[Precision, ...]]) -> Iterator[tuple[str, Precision]]:
        for engine, known in table.items():
            for precision in known:
                if engine in (self.engines or (engine,)) and precision in (self.precisions or (precision,)):
                    yield engine, precision

    def _job(self, path: str | Path, engine: str, precision: Precision) -> Job:
        return Job(
            path=str(path),
            engine=engine,
            precision=precision,
            threads=self.threads,
            batch_size=self.batch_size,
            levels=self.levels,
        )


def levels_of(card: Card) -> tuple[str, ...]:
    """Return what an engine gives beside logits: nothing, or where there is no head the last map."""
    row = card.architecture
    return () if row.classes_out is not None else (plan(row).stages[-1].level,)
