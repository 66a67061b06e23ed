"""Memory of paths: a million paths cost their bytes, once, however many workers there are and however they start.

A list of strings costs each forked worker a copy as soon as it counts references, and each worker started afresh a
copy at once; of a million paths of 80 characters four workers would hold half a gigabyte.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.packing import picture

WORKERS, BATCHES, LIMIT = 4, 20, 200 << 20

PROGRAM = r"""
import gc, json, multiprocessing, os, sys
from pathlib import Path

import numpy as np

from resnets.data.loader import Loader
from resnets.data.sources.members import PLACE, PLAIN, Archives, MemberSource
from resnets.data.names import Names
from resnets.data.shared import SharedArray
from resnets.data.source import FileSource
from resnets.spec.preprocess import Preprocess

WORKERS, BATCHES = %d, %d


def path(folder, number):
    # Each bit of the number is one way to say nothing.
    bits = "".join("./" if number >> bit & 1 else "//" for bit in range(20))
    return (folder + "/" + bits).ljust(74, "/") + "1.jpeg"


def files(folder, count):
    names = Names(path(folder, number) for number in range(count))
    assert {len(names[0]), len(names[count - 1])} == {80} and names[0] != names[1]
    return FileSource(names, np.arange(count) %% 10)


def members(folder, count):
    data = Path(folder, "1.jpeg")
    facts = data.stat()
    places = np.zeros(count, PLACE)
    places["packed"] = places["size"] = facts.st_size
    places["method"] = PLAIN
    archives = Archives([str(data)], [(facts.st_size, facts.st_mtime_ns)])
    names = Names(path(folder, number) for number in range(count))
    return MemberSource(archives, SharedArray(places), names, np.arange(count) %% 10)


def family():
    # Ourselves, and every process that we have started, or one of them.
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def pss(processes, fields=("Pss:",)):
    total = 0
    for process in processes:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith(fields))
    return total


class Pictures:
    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return len(self.source.raw(index)), self.source.name(index)


def forked(source):
    from torch.utils.data import DataLoader

    drawn = np.random.default_rng(0).integers(0, len(source), (200, 32)).tolist()
    context = multiprocessing.get_context("fork")
    return iter(DataLoader(Pictures(source), batch_sampler=drawn, num_workers=WORKERS, multiprocessing_context=context))


def ours(source):
    preprocess = Preprocess(size=(8, 8), fit="squash")
    loader = Loader(source, preprocess, batch_size=32, shuffle=True, workers=WORKERS, kind="processes")
    return loader.epoch(0)


if __name__ == "__main__":
    make, load, folder, count = globals()[sys.argv[1]], globals()[sys.argv[2]], sys.argv[3], int(sys.argv[4])
    batches = load(make(folder, count))
    for _ in range(BATCHES):
        next(batches)
    gc.collect()
    processes = family()
    assert len(processes) > WORKERS, processes
    own = pss(processes, ("Pss_Anon:", "Pss_Shmem:"))
    print(json.dumps({"pss": pss(processes), "own": own, "processes": len(processes)}))
    batches.close() if hasattr(batches, "close") else batches._shutdown_workers()
"""


def summed(tmp_path: Path, source: str, loader: str, count: int, what: str = "pss") -> int:
    """PSS of a process and its workers, in bytes, while they load; "own": of it what is in no file."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM % (WORKERS, BATCHES), encoding="utf-8")
    (tmp_path / "1.jpeg").write_bytes(picture(7, "JPEG"))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    # A short way to the picture, whatever the temporary folder is called.
    words = [sys.executable, str(program), source, loader, ".", str(count)]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)[what])


NEEDS_PSS = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="the kernel tells no proportional set size"
)


@NEEDS_PSS
def test_a_million_paths_cost_our_workers_little_more_whatever_else_runs(tmp_path: Path) -> None:
    """Without the libraries' files, whose share changes with every other process that has them open."""
    few, many = (summed(tmp_path, "files", "ours", count, "own") for count in (1_000, 1_000_000))
    print(f"{few / 2**20:,.0f} MiB for a thousand, {(many - few) / 2**20:+,.0f} MiB for a million")
    assert many - few < LIMIT


@pytest.mark.slow
@NEEDS_PSS
@pytest.mark.parametrize(("source", "loader"), [("files", "forked"), ("files", "ours"), ("members", "ours")])
def test_a_million_paths_cost_four_workers_little_more_than_a_thousand(
    tmp_path: Path, source: str, loader: str
) -> None:
    few, many = (summed(tmp_path, source, loader, count) for count in (1_000, 1_000_000))
    print(f"{source}, {loader}: {few / 2**20:,.0f} MiB for a thousand, {(many - few) / 2**20:+,.0f} MiB for a million")
    assert many - few < LIMIT
