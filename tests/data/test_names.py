"""Names: texts in two arrays that workers share, whatever the texts are."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data import names as module
from resnets.data.names import Names
from resnets.data.shared import LEAST_BYTES, SharedArray

TEXTS = ["a", "", "cat/1.jpg", "猫/ñ.png", "\udcff.jpg", "a\nb", "x" * 5000]


def test_names_are_the_texts_they_were_made_of() -> None:
    names = Names(TEXTS)
    assert list(names) == TEXTS
    assert len(names) == len(TEXTS)
    assert [names[index] for index in range(-len(TEXTS), 0)] == TEXTS
    assert list(names[1:-1:2]) == TEXTS[1:-1:2]
    assert Names() == Names([]) != names
    assert names == Names(iter(TEXTS))
    assert pickle.loads(pickle.dumps(names)) == names
    assert names.is_whole


@pytest.mark.parametrize("index", [7, -8])
def test_a_name_that_is_not_there_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        Names(TEXTS)[index]


@pytest.mark.parametrize("at_once", [1, 3, 1 << 14])
def test_names_are_taken_in_any_order_and_more_than_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    for indices in ([], [3], [6, 0, 0, 5, 4, 1], list(range(7))[::-1]):
        taken = Names(TEXTS).take(np.array(indices, np.int64))
        assert list(taken) == [TEXTS[index] for index in indices]
        assert taken == Names(TEXTS[index] for index in indices)


BROKEN = [([1, 0], False), ([0, 3], False), ([-1, 1], False), ([], False), ([[0, 1]], False), ([0, 1, 2], True)]


@pytest.mark.parametrize(("ends", "whole"), BROKEN, ids=str)
def test_places_from_a_file_are_checked(ends: Any, whole: bool) -> None:
    assert Names.of_arrays(np.zeros(2, np.uint8), np.array(ends, np.int64)).is_whole is whole


def looked_at(names: Names, small: SharedArray, said: Any) -> None:
    where = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "resnets-shared" in line]
    said.put((names[12_345], len(names), names.arrays[0].flags.writeable, bool(where), small.array.tolist()))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux")
def test_a_process_that_is_started_afresh_maps_the_names_and_copies_nothing() -> None:
    names, small = Names(f"cat/{n}.jpg" for n in range(100_000)), SharedArray(np.arange(3))
    context = multiprocessing.get_context("forkserver")
    said = context.SimpleQueue()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):  # the second finds what was moved for the first
        worker = context.Process(target=looked_at, args=(names, small, said))
        worker.start()
        assert said.get() == ("cat/12345.jpg", 100_000, False, True, [0, 1, 2])
        worker.join()
        worker.close()
    assert names[99_999] == "cat/99999.jpg"  # and we look there too
    assert pickle.loads(pickle.dumps(names)) == names
    del names, worker
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 4  # of the forkserver, which stays
    assert "resnets-shared" not in Path("/proc/self/maps").read_text()


def test_a_small_array_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.context.get_spawning_popen", lambda: object())
    rebuild, (array,) = SharedArray(np.zeros(LEAST_BYTES - 1, np.uint8)).__reduce__()
    assert rebuild is SharedArray
    assert array.nbytes == LEAST_BYTES - 1
