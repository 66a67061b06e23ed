"""An engine works with the threads that are paid for, and leaves torch's number as it found it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from resnets.runtime import threads
from resnets.runtime.threads import torch_threads, usable_threads

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(("quota", "expected"), [("100000", 1), ("150000", 2), ("30000", 1), ("max", ALLOWED)])
def test_a_quota_limits_the_threads_rounded_up(tmp_path: Path, quota: str, expected: int) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text(f"{quota} 100000\n")
    assert usable_threads(root=tmp_path) == min(expected, ALLOWED)


@pytest.mark.parametrize(("quota", "expected"), [("100000 100000", 1), ("250000 100000", 3), ("max 100000", 64)])
def test_a_container_on_a_large_host_never_takes_the_hosts_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text(quota)
    assert usable_threads(root=tmp_path) == expected


def test_a_number_wanted_is_obeyed() -> None:
    assert usable_threads(ALLOWED + 3) == ALLOWED + 3


@pytest.mark.parametrize("wanted", [0, -1])
def test_no_thread_at_all_is_refused(wanted: int) -> None:
    with pytest.raises(ValueError, match=f"threads={wanted} is not possible; allowed: 1 or more"):
        usable_threads(wanted)


def test_torch_has_its_own_number_back_after_an_error_too() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(before + 2):
        assert torch.get_num_threads() == before + 2
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_number_is_asked_of_the_machine_only_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda root: 7)
    assert (usable_threads(), usable_threads(2)) == (7, 2)
