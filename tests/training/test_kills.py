"""Kills, in short: what `make torture` does at length to every configuration (tests/torture/test_kills.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.processes import ENVIRONMENT, ROOT

CONFIGURATIONS = ("plain", "accumulated, mixed, averaged", "stopped early", "two processes")
KILLS = 12


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")
def test_runs_that_are_killed_anywhere_end_in_the_same_bytes(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.torture.nursery", str(tmp_path), "0", str(KILLS), "0", *CONFIGURATIONS]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.keys() == {*CONFIGURATIONS}
    assert sum(sum(what["kills"].values()) for what in told.values()) >= KILLS
