"""Data by the clock: damaged archives, shards and tables are read or refused, in bounded time and memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import resnets
from tests.torture.data_targets import DATA

ROOT = Path(__file__).parents[2]
SHARE = 0.1 / len(DATA)


def report(name: str, seed: int, number: int, wrong: str) -> str:
    """What went wrong in a case, and how to see it again; its bytes are saved beside other temporary files."""
    target = DATA[name]
    examples = target.examples()
    is_example = number < len(examples)
    case = examples[number] if is_example else target.make(examples, random.Random(f"{seed} {name} {number}"))
    with tempfile.NamedTemporaryFile(prefix=f"resnets-data-{number}-", delete=False) as file:
        file.write(case)
    again = f"python -m tests.torture.data_targets '{name}' {file.name}"
    return f"{name}, TORTURE_SEED={seed}, case {number}; its bytes: {file.name}; again: {again}\n{wrong}"


@pytest.mark.parametrize("name", DATA)
def test_damaged_data_are_read_or_refused_as_declared(
    name: str, tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    note = tmp_path / "case"
    words = [sys.executable, "-m", "tests.torture.data_targets", name, str(seed), str(seconds(SHARE)), str(note)]
    paths = os.pathsep.join([str(Path(resnets.__file__).parents[1]), str(ROOT)])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    at = int(note.read_text()) if note.exists() else 0
    if done.returncode:
        pytest.fail(report(name, seed, at, f"it ended with {done.returncode}:\n{done.stderr}"), pytrace=False)
    told = json.loads(done.stdout)
    if told["failures"]:
        pytest.fail("\n".join(report(name, seed, *failure) for failure in told["failures"]), pytrace=False)
    print(f"{name}: {told['cases']:,} cases, {told['refused']:,} refused")
    assert told["refused"], "nothing was refused: the fuzzing does not reach the reader"
