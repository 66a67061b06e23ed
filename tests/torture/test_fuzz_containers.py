"""Containers by the clock: damaged files are read or refused with a `FileError`, in bounded time and memory."""

from __future__ import annotations

import importlib.util
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
from tests.torture.container_targets import CONTAINERS, NEEDS_H5PY

ROOT = Path(__file__).parents[2]
SHARE = 0.2 / len(CONTAINERS)


def report(name: str, seed: int, number: int, wrong: str) -> str:
    """What went wrong in a case, and how to see it again; its bytes are saved beside other temporary files."""
    target = CONTAINERS[name]
    examples = target.examples()
    is_example = number < len(examples)
    case = examples[number] if is_example else target.make(examples, random.Random(f"{seed} {name} {number}"))
    with tempfile.NamedTemporaryFile(prefix=f"resnets-container-{number}-", delete=False) as file:
        file.write(case)
    again = f"python -m tests.torture.container_targets '{name}' {file.name}"
    return f"{name}, TORTURE_SEED={seed}, case {number}; its bytes: {file.name}; again: {again}\n{wrong}"


@pytest.mark.parametrize("name", CONTAINERS)
def test_damaged_containers_are_read_or_refused_as_declared(
    name: str, tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    if name in NEEDS_H5PY and importlib.util.find_spec("h5py") is None:
        pytest.skip("h5py is not installed; the extra [keras] brings it")
    note = tmp_path / "case"
    words = [sys.executable, "-m", "tests.torture.container_targets", name, str(seed), str(seconds(SHARE)), str(note)]
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
