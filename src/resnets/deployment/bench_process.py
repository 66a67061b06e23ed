"""Bench process: one engine in a process of its own, measured step by step as its parent asks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resnets.runtime.engine import Outputs, Pictures, Precision
from resnets.runtime.roofline import SIDE

LOAD_LIMIT = 600.0
"""Seconds after which loading, compiling included, is given up."""


class Failed(RuntimeError):
    """A step of one engine that could not be done, and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a process measures: an engine on a model, or the artefact at `path`; `side` is the roofline's."""

    path: str
    engine: str
    precision: Precision
    threads: int
    batch_size: int
    levels: tuple[str, ...] = ()
    is_artefact: bool = False
    side: int = SIDE


@dataclass(frozen=True, slots=True)
class Loaded:
    """What making an engine took: seconds, and bytes of memory, one batch run included."""

    seconds: float
    memory: int | None


@dataclass(frozen=True, slots=True)
class Round:
    """One round: seconds of each run of one picture, pictures a second in batches, and the `Roofline` then."""

    latencies: tuple[float, ...]
    rate: float
    peak: float


class Worker(Protocol):
    """Whoever measures a job; each step raises `Failed` where it cannot be done."""

    def load(self) -> Loaded: ...

    def run(self, pictures: Pictures) -> Outputs: ...

    def round(self, seconds: float) -> Round: ...

    def answer(self, how: Mapping[str, Any]) -> npt.NDArray[np.float32]: ...

    def close(self) -> None: ...


class Process:
    """A worker in a process of its own, which ends with `close` or with this process, whatever it is doing."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")  # a copy of this process would have its memory too
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, job), daemon=True)
        self._process.start()
        theirs.close()

    def load(self) -> Loaded:
        """Make the engine."""
        return Loaded(*self._ask("load", limit=LOAD_LIMIT))

    def run(self, pictures: Pictures) -> Outputs:
        """Return what the engine says of a batch."""
        outputs: Outputs = self._ask("run", pictures, limit=LOAD_LIMIT)
        return outputs

    def round(self, seconds: float) -> Round:
        """Measure for about so many seconds."""
        return Round(*self._ask("round", seconds, limit=LOAD_LIMIT + 10 * seconds))

    def answer(self, how: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        """Return the plain logits of labelled pictures, as `labelled.answers` gives them; however long that takes."""
        logits: npt.NDArray[np.float32] = self._ask("answer", dict(how), limit=None)
        return logits

    def close(self) -> None:
        """End it."""
        self._ours.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self, what: str, *given: Any, limit: float | None) -> Any:
        try:
            self._ours.send((what, given))
            if not self._ours.poll(limit):
                self._process.kill()
                self._process.join()
                raise Failed(f"it took longer than {limit:.0f} seconds to {what}")
            is_done, value = self._ours.recv()
        except (EOFError, OSError):
            self._process.join(5)
            raise Failed(f"its process ended with {self._process.exitcode}, most often for want of memory") from None
        if not is_done:
            raise Failed(value)
        return value


def serve(connection: Connection, job: Job) -> None:
    """Do what is asked through a connection until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    os.dup2(2, 1)  # the parent's standard output is its own: what libraries print is no result
    bench = _Bench(job)
    while True:
        try:
            what, given = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = True, STEPS[what](bench, *given)
        except Exception as error:  # an engine's own errors have no common kind
            lines = str(error).strip().splitlines()
            answer = False, (lines[0] if lines else type(error).__name__)[:300]
        connection.send(answer)


class _Bench:
    """The engine of a job, and a second one for single pictures where that is another."""

    def __init__(self, job: Job) -> None:
        import torch

        import resnets.inference.engines  # noqa: F401  # before memory is looked at

        self.job = job
        torch.set_num_threads(job.threads)
        self.single: Any = None

    def load(self) -> tuple[float, int | None]:
        before = _resident()
        start = time.perf_counter()
        self._open()
        self.engine = self._make(self.job.batch_size, "throughput")
        seconds = time.perf_counter() - start
        noise = np.random.default_rng(0).integers(0, 256, (self.job.batch_size, *self.engine.shape), dtype=np.uint8)
        self.batch: Pictures = noise
        list(self.engine.stream([noise, noise]))
        after = _resident()
        return seconds, None if before is None or after is None else max(0, after - before)

    def run(self, pictures: Pictures) -> Outputs:
        return dict(self.engine.run(pictures))

    def round(self, seconds: float) -> tuple[tuple[float, ...], float, float]:
        from resnets.inference.timing import batches_of, latencies, rate
        from resnets.runtime.roofline import Roofline

        picture = self.batch[:1]
        if self.single is None:
            apart = self.job.engine in ("compiled", "openvino")
            self.single = self._make(1, "latency") if apart else self.engine
            self.single.run(picture)
            self.roofline = Roofline(self.job.precision, self.job.threads, self.job.side)
            self.batches = batches_of(self.engine, self.batch, seconds / 2, time.perf_counter)
        found = tuple(latencies(self.single, picture, seconds / 2, time.perf_counter))
        return found, rate(self.engine, self.batch, self.batches, time.perf_counter), self.roofline.measure()

    def answer(self, how: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        from resnets.deployment.labelled import Labelled
        from resnets.inference.engined import EngineNetwork
        from resnets.weights.modelfile import Model

        return Labelled(**how).answers(Model(EngineNetwork(self.card, self.engine), self.card)).logits

    def _open(self) -> None:
        from resnets.inference.models import open_model
        from resnets.runtime.artefact import read_artefact

        self.opened: Any = read_artefact(self.job.path) if self.job.is_artefact else open_model(self.job.path)
        self.card = self.opened.card

    def _make(self, batch_size: int, mode: Any) -> Any:
        from resnets.inference.engines import make_engine

        job = self.job
        if job.is_artefact:
            return self.opened.engine(job.engine, mode=mode, threads=job.threads, batch_size=batch_size)
        how: dict[str, Any] = {"threads": job.threads, "batch_size": batch_size, "levels": job.levels, "mode": mode}
        return make_engine(self.opened, job.engine, job.precision, device="cpu", **how)


STEPS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {each.__name__: each for each in (_Bench.load, _Bench.run, _Bench.round, _Bench.answer)}
)


def _resident() -> int | None:
    """Bytes of this process in memory; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None
