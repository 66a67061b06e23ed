"""Memory: thousands of steps, with everything that a long run does, need no more of it than the first hundreds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.processes import ENVIRONMENT, ROOT

GROWTH = 8 << 20
"""Bytes that a run may grow by after its warm-up, over all its processes: the allocator's own unrest."""

PROGRAM = r"""
import gc, json, os, sys
from pathlib import Path

import torch

from resnets.training import watch as watching
from resnets.training.watch import Watch
from tests import tiny

torch.set_num_threads(1)
WARM, STEPS = 1500, 6000
found = []


def proportional():
    # Of this process and of those that it has started: what is shared counts once.
    pages = 0
    for process in [os.getpid(), *children(os.getpid())]:
        try:
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    pages += int(line.split()[1]) * 1024
        except OSError:
            pass
    return pages


def children(process):
    try:
        mine = [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []
    return [*mine, *(other for child in mine for other in children(child))]


class Measured(Watch):
    def step(self, state, seen):
        super().step(state, seen)
        if state.step % 250 == 0:
            gc.collect()
            found.append((state.step, proportional()))


kind, folder = sys.argv[1], Path(sys.argv[2])
request = {"recipe_name": "digits", "batch_size": 8, "ema": 0.9, "eval_every": 5.0, "accumulate": 2, "held_out": 10}
request |= {"augmentation": "cifar", "patience": 10**6, "checkpoint_every": 0.2}
every = request.pop("checkpoint_every")
if kind == "memory":
    data, means = tiny.data_set(170, 12), {"workers": 0}
else:
    steps = {"threads": STEPS, "processes": STEPS // 4}[kind]
    WARM, STEPS = WARM * steps // STEPS, steps
    data, means = str(tiny.write_pictures(folder / "pictures", each=100)), {"workers": 2, "kind": kind, "size": 16}
tiny.run(data, folder / "run", iterations=STEPS, watch=Measured(checkpoint_every=every), **request, **means)
print(json.dumps([(step, pages) for step, pages in found if step >= WARM]))
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux alone says what memory is shared")
@pytest.mark.parametrize("kind", ["memory", "threads", "processes"])
def test_memory_stays_flat_over_thousands_of_steps(kind: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, kind, str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    pages = [one for _, one in found]
    third = len(pages) // 3
    early, late = min(pages[:third]), min(pages[-third:])  # the lowest: workers come and go between epochs
    print(f"\n{kind}: {(late - early) / 2**20:+.1f} MiB from step {found[0][0]} to {found[-1][0]}, of {early >> 20}")
    assert late - early < GROWTH, [f"{step}: {one >> 20} MiB" for step, one in found]
