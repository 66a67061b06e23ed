"""Fuzzing by the clock: damaged bytes are read, or refused as declared, in bounded time and memory."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import resnets
from tests.torture.container_targets import NEEDS_H5PY
from tests.torture.every_target import EVERY
from tests.torture.fuzz import case

ROOT = Path(__file__).parents[2]
SHARE = 0.65 / len(EVERY)


def report(name: str, seed: int, number: int, wrong: str) -> str:
    """What went wrong in a case, and how to see it again; its bytes are saved beside other temporary files."""
    with tempfile.NamedTemporaryFile(prefix=f"resnets-{name}-{number}-", delete=False) as file:
        file.write(case(name, seed, number, EVERY[name].examples()))
    again = f"python -m tests.torture.fuzz '{name}' {file.name}"
    return f"{name}, TORTURE_SEED={seed}, case {number}; its bytes: {file.name}; again: {again}\n{wrong}"


@pytest.mark.parametrize("name", EVERY)
def test_damaged_bytes_are_read_or_refused_as_declared(
    name: str, tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    if name in NEEDS_H5PY and importlib.util.find_spec("h5py") is None:
        pytest.skip("h5py is not installed; the extra [keras] brings it")
    note = tmp_path / "case"
    words = [sys.executable, "-m", "tests.torture.fuzz", name, str(seed), str(seconds(SHARE)), str(note)]
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
