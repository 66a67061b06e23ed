"""Timing: how many pictures a second an engine makes, and how long one picture takes, in rounds of bounded length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from math import ceil

from resnets.runtime.engine import Engine, Pictures

Clock = Callable[[], float]
"""Seconds since some moment, such as `time.perf_counter`."""

OVERLAPPING = ("openvino",)
"""Engines that have several batches under way on the processor; fewer than it has threads would leave some idle."""

MOST_BATCHES = 512
"""Of one round: the smallest networks take microseconds."""

MOST_RUNS = 2_000
"""Of one picture, in one round."""


def batches_of(engine: Engine, batch: Pictures, seconds: float, clock: Clock) -> int:
    """Return how many batches make a round of about so many seconds, after a run that does not count.

    At least as many as the engine has under way at once, which in large networks may take longer.
    """
    engine.run(batch)  # what is made ready at the first run is no part of the pace
    start = clock()
    engine.run(batch)
    taken = clock() - start
    least = engine.threads if engine.name in OVERLAPPING else 1
    return max(least, min(MOST_BATCHES, ceil(seconds / taken))) if taken > 0 else MOST_BATCHES


def rate(engine: Engine, batch: Pictures, batches: int, clock: Clock) -> float:
    """Return the pictures a second of one round of so many batches."""
    start = clock()
    done = sum(1 for _ in engine.stream(repeat(batch, batches)))
    taken = clock() - start
    assert done == batches, f"engine {engine.name} gave {done} answers to {batches} batches"
    return done * len(batch) / max(taken, 1e-9)


def latencies(engine: Engine, picture: Pictures, seconds: float, clock: Clock) -> Iterator[float]:
    """Yield the seconds that each run of one picture takes, for about so many seconds; at least one."""
    start = before = clock()
    for _ in range(MOST_RUNS):
        engine.run(picture)
        now = clock()
        yield now - before
        if now - start >= seconds:
            return
        before = clock()
