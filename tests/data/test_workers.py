"""Workers: results in order, a few ahead and no more, and an end that is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from resnets.data import workers as subject
from resnets.data.errors import DataError
from resnets.data.making import Made, Order
from resnets.data.workers import check_machine, made
from resnets.files import machine


class Counting:
    """A maker that only counts; order number `fault` fails, and the first is slow."""

    def __init__(self, fault: int = -1) -> None:
        self.fault, self.begun = fault, list[int]()

    def make(self, order: Order) -> Made:
        self.begun.append(order.epoch)
        if order.epoch == 0:
            time.sleep(0.05)
        if order.epoch == self.fault:
            raise OSError("the disk is gone")
        return Made(None, order.indices, ())


class Killed(Counting):
    """A maker whose process ends as the system's memory guard ends it."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, order: Order) -> Made:
        if order.epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return Made(None, order.indices, ())


def results(maker: Counting, count: int, workers: int, kind: Any = "threads") -> Iterator[Made]:
    orders = [Order(number, np.array([number])) for number in range(count)]
    return made(maker, orders, workers, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 1, 3, 50])
def test_results_come_in_order_however_many_work(workers: int) -> None:
    assert [int(result.places[0]) for result in results(Counting(), 20, workers)] == list(range(20))
    assert list(results(Counting(), 0, workers)) == []


def test_without_workers_nothing_is_made_before_it_is_asked_for() -> None:
    maker = Counting()
    stream = results(maker, 5, 0)
    assert maker.begun == []
    next(stream)
    assert maker.begun == [0]


def test_threads_work_ahead_but_not_far() -> None:
    maker = Counting()
    with closing(results(maker, 500, 2)) as stream:  # type: ignore[type-var]
        for asked in range(1, 20):
            next(stream)
            deadline = time.monotonic() + 5
            while len(maker.begun) < asked + 3 and time.monotonic() < deadline:
                time.sleep(0.001)
            assert asked + 3 <= len(maker.begun) <= asked + 4
    assert len(maker.begun) < 30


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    maker, before = Counting(fault=3), threading.active_count()
    stream = results(maker, 500, 2)
    assert [int(next(stream).places[0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert threading.active_count() == before
    assert len(maker.begun) < 15


def test_processes_never_begin_as_copies_of_one_with_threads() -> None:
    assert subject._context().get_start_method() in ("forkserver", "spawn")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")
def test_a_process_that_was_killed_is_told_with_what_to_do() -> None:
    stream = results(Killed(), 4, 1, "processes")
    with pytest.raises(RuntimeError, match=r"DataLoader worker .*memory limit: use fewer --workers, a smaller"):
        list(stream)


@pytest.mark.parametrize(
    ("memory", "files", "sentence"),
    [
        (5000, 80, None),
        (None, None, None),
        (4999, 80, "2 processes hand batches over in /dev/shm"),
        (5000, 79, "2 processes need about 80 open files, and this shell allows 79"),
    ],
)
def test_what_processes_need_is_counted(
    memory: int | None, files: int | None, sentence: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five batches of 1000 bytes for two workers, two ahead for each and one in use; eight files for each and 64."""
    monkeypatch.setattr(machine, "shared_memory", lambda: memory)
    monkeypatch.setattr(machine, "open_files", lambda: files)
    if sentence is None:
        check_machine(2, 1000)
        return
    with pytest.raises(DataError, match=sentence):
        check_machine(2, 1000)
