"""A disk that refuses for a while: what a run has to write waits, in order, and no checkpoint knows of more."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from resnets.training import checkpoint
from resnets.training.pending import Pending
from resnets.training.run import RunFolder
from resnets.training.state import Seen, State
from resnets.training.watch import Watch
from tests import tiny
from tests.torture import nursery
from tests.torture.disk import Disk, failing

QUICK: dict[str, Any] = {"recipe_name": "digits", "epochs": 4, "batch_size": 8, "workers": 0}
LONG: dict[str, Any] = {**QUICK, "held_out": 10, "patience": 9}


class FullFrom(Watch):
    """Fills the disk after a step, and frees it after another one."""

    def __init__(self, disk: Disk, first: int, last: int) -> None:
        super().__init__(checkpoint_every=0.0)
        self.disk, self.first, self.last = disk, first, last
        self.newest: list[int | None] = []

    def step(self, state: State, seen: Seen) -> None:
        self.disk.at = 0 if self.first < state.step <= self.last else None
        super().step(state, seen)
        saved = checkpoint.read(self._folder.state)
        self.newest.append(None if saved is None else saved.progress.step)


def line(step: int) -> dict[str, Any]:
    return {"step": step, "epoch": float(step), "loss": 1.0, "accuracy": 0.5}


def test_lines_that_were_refused_are_written_in_order_and_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    pending = Pending(folder)
    pending.add_line(line(1))
    pending.write()
    with Disk(tmp_path, 0, failing(errno.ENOSPC), lasting=100).watched():
        for step in (2, 3):
            pending.add_line(line(step))
            with pytest.raises(OSError, match="No space left"):
                pending.write()
    assert folder.lines() == [line(1)]
    pending.add_line(line(4))
    pending.write()
    pending.write()
    assert folder.lines() == [line(1), line(2), line(3), line(4)]


def test_half_a_line_that_could_not_be_taken_back_is_gone_with_the_next(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append(line(1))
    with Disk(tmp_path, 1, failing(errno.EIO), lasting=100).watched() as disk, pytest.raises(OSError):
        folder.append(line(2))
    assert disk.steps[0] == "open metrics.jsonl"
    assert folder.metrics.read_bytes().count(b"\n") == 1
    assert not folder.metrics.read_bytes().endswith(b"\n")  # the disk refused that too
    folder.append(line(3))
    assert folder.lines() == [line(1), line(3)]


def test_a_whole_line_that_could_not_be_taken_back_is_not_there_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.append(line(1))

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(os, "fsync", refuse)
        patched.setattr(os, "truncate", refuse)
        folder.append(line(2))
    assert folder.lines() == [line(1), line(2)]  # written, though nobody knows whether it is on the disk
    folder.append(line(2))
    folder.append(line(3))
    assert folder.lines() == [line(1), line(2), line(3)]


def test_a_disk_that_is_full_for_an_epoch_costs_a_run_nothing(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", watch=Watch(), **LONG)
    said: list[str] = []
    disk = Disk(tmp_path / "run", None, failing(errno.ENOSPC), lasting=float("inf"))
    watch = FullFrom(disk, 7, 14)
    with disk.watched(), nursery.hurried():
        tiny.run(tiny.data_set(50), tmp_path / "run", watch=watch, say=said.append, **LONG)
    nursery.assert_same_end(tmp_path / "whole", tmp_path / "run", "full for a while")
    assert watch.newest == [*range(1, 8), *[7] * 7, *range(15, 21)]
    told = [text for text in said if "written" in text]
    assert told[0].startswith("no checkpoint could be written at step 8 ([Errno 28] No space left on device")
    assert sum("its lines wait in memory" in text for text in told) == 1
    assert told[-1] == "the run's folder can be written again, and nothing that waited is lost"


def test_a_disk_that_stays_full_ends_the_run_with_an_error_and_it_can_be_resumed(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", watch=Watch(), **LONG)
    disk = Disk(tmp_path / "run", None, failing(errno.ENOSPC), lasting=float("inf"))
    with disk.watched(), nursery.hurried(), pytest.raises(OSError, match="No space left"):
        tiny.run(tiny.data_set(50), tmp_path / "run", watch=FullFrom(disk, 7, 999), **LONG)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    nursery.training.train(tiny.data_set(50), resume=tmp_path / "run", device="cpu", workers=0)
    nursery.assert_same_end(tmp_path / "whole", tmp_path / "run", "full to the end")
