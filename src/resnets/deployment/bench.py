"""Bench: every engine and precision here on one model: how fast, how much memory, and how true to the model."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from resnets.deployment.bench_jobs import PRECISIONS, Jobs, Name
from resnets.deployment.bench_process import Failed, Job, Process, Worker
from resnets.deployment.bench_rows import Bench, Row
from resnets.deployment.bench_truth import Truth
from resnets.deployment.labelled import Labelled
from resnets.inference.models import open_model
from resnets.inference.speeds import Memory, Speed, speed_key
from resnets.runtime.engine import Precision
from resnets.runtime.threads import usable_threads
from resnets.spec.resolve import plan
from resnets.spec.trace import macs
from resnets.weights.modelfile import Model

ROUNDS = 5
SECONDS = 5.0
"""Of measuring each engine, half of it one picture at a time, where one round does not take longer."""


def bench(
    model: str | Path,
    *,
    artefacts: Sequence[str | Path] = (),
    labelled: Labelled | None = None,
    engines: Sequence[str] = (),
    precisions: Sequence[Precision] = (),
    batch_size: int = 16,
    threads: int | None = None,
    seconds: float = SECONDS,
    memory: Memory | None = None,
    start: Callable[[Job], Worker] = Process,
) -> Bench:
    """Measure a model, or an artefact, on every engine and precision here, each in a process of its own.

    `artefacts` are exports of it that are measured beside it. int8 is theirs, or where `labelled` pictures are given
    made of the model with ranges from some of them. Empty `engines` and `precisions` are all. Rounds alternate between
    engines, so that what else the machine does meets all of them. What cannot run is a row with its reason. Speeds are
    kept in a `memory` for `auto`. Raises `ValueError` for a model or data that do not fit, and for numbers too small.
    """
    for what, given, allowed in (
        ("--engine", engines, tuple(PRECISIONS)),
        ("--precision", precisions, get_args(Precision)),
    ):
        for one in given:
            if one not in allowed:
                raise ValueError(f"{what} {one} is not possible; allowed: {', '.join(allowed)}")
    if batch_size < 1 or not 0 < seconds < float("inf"):
        raise ValueError(f"batch_size={batch_size} and seconds={seconds} are not possible; allowed: above 0")
    opened, count = open_model(model), usable_threads(threads)
    with tempfile.TemporaryDirectory(prefix="resnets-bench-") as folder, contextlib.ExitStack() as stack:
        made = Jobs(model, opened, artefacts, count, batch_size, tuple(engines), tuple(precisions))
        jobs, rows = made.all(labelled, Path(folder))
        truth = Truth.of(opened, labelled, has_int8=any(job.precision == "int8" for job in jobs.values()))
        measured = _measure(jobs, rows, truth, seconds, start, stack)
    _remember(memory, opened, made, jobs, measured)
    return Bench(
        model=Path(model).name,
        batch_size=batch_size,
        threads=count,
        macs=macs(plan(opened.card.architecture), opened.card.preprocess.size),
        rows=tuple(measured[name] for name in measured),
        measure=truth.measure,
    )


def _measure(
    jobs: Mapping[Name, Job],
    rows: Mapping[Name, Row],
    truth: Truth,
    seconds: float,
    start: Callable[[Job], Worker],
    stack: contextlib.ExitStack,
) -> dict[Name, Row]:
    """Let a worker for each job do its steps, one at a time, the rounds of all in turn."""
    found = dict(rows)
    workers: dict[Name, Worker] = {}

    def step(name: Name, what: Callable[[Row, Worker], Row]) -> None:
        try:
            found[name] = what(found[name], workers[name])
        except Failed as failed:
            found[name] = replace(rows[name], reason=str(failed))
            workers.pop(name).close()

    for name, job in jobs.items():
        workers[name] = start(job)
        stack.callback(workers[name].close)
        step(name, _loaded)
    for number in range(ROUNDS):
        for name in list(workers)[:: -1 if number % 2 else 1]:
            step(name, lambda row, worker: _with_round(row, worker, seconds / ROUNDS))
    for name in list(workers):
        step(name, truth.judged)
    return found


def _loaded(row: Row, worker: Worker) -> Row:
    loaded = worker.load()
    return replace(row, load=loaded.seconds, memory=loaded.memory)


def _with_round(row: Row, worker: Worker, seconds: float) -> Row:
    one = worker.round(seconds)
    return replace(
        row,
        rates=(*row.rates, one.rate),
        latencies=(*row.latencies, *one.latencies),
        peaks=(*row.peaks, one.peak),
    )


def _remember(
    memory: Memory | None, model: Model, made: Jobs, jobs: Mapping[Name, Job], rows: Mapping[Name, Row]
) -> None:
    """Keep the speeds of the model's own engines, which `auto` chooses among."""
    if memory is None:
        return
    for precision in ("fp32", "bf16"):
        speeds = {
            name[0]: Speed(rows[name].rate or 0.0, rows[name].load or 0.0)
            for name, job in jobs.items()
            if name[1] == precision and not job.is_artefact and rows[name].rate
        }
        memory.keep(speed_key(model.card, precision, made.levels, made.batch_size, made.threads), speeds)
