"""Kills: a run that is killed again and again ends in the same bytes as one that was left alone."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resnets

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(Path(resnets.__file__).parents[1]), str(ROOT)]),
}
START = (
    *("--model", "resnet20_cifar", "--set", "blocks=1,1,1", "--set", "widths=4,8,16", "--set", "stem_width=4"),
    *("--epochs", "12", "--eval-every", "0.7", "--precision", "fp32"),
)
MOST_KILLS = 4


def start(*request: str) -> subprocess.Popen[str]:
    """Start `resnets train digits` in a process of its own."""
    code = "from resnets.cli import main; main()"
    words = [sys.executable, "-c", code, "train", *request]
    return subprocess.Popen(
        words, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def start_or_resume(out: Path) -> subprocess.Popen[str]:
    """What a user types: the same again until there is a run, and --resume from then on."""
    if (out / "recipe.json").exists():
        return start("--resume", str(out))
    return start("digits", *START, "--threads", "1", "--out", str(out))


def finish(process: subprocess.Popen[str], story: str) -> None:
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, f"{story}\n{errors}"


def metrics(out: Path) -> list[dict[str, Any]]:
    """The lines of a run, but for the seconds it took."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "waiting")} for line in lines]


def assert_same_end(whole: Path, killed: Path, story: str) -> None:
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes(), story
    assert metrics(whole) == metrics(killed), story
    assert (whole / "recipe.json").read_bytes() == (killed / "recipe.json").read_bytes(), story
    names = [{path.relative_to(out).as_posix() for path in out.rglob("*")} for out in (whole, killed)]
    assert names[0] <= names[1], story
    # Killed after the last checkpoint was written and before the oldest was removed, a run keeps one more.
    more = names[1] - names[0]
    assert len(more) <= 1 and all(re.fullmatch(r"state/step-\d{9}\.safetensors", name) for name in more), (
        f"{story}: a killed run leaves {more}"
    )


def test_a_run_killed_at_random_moments_ends_in_the_same_bytes(
    tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    process = start_or_resume(whole)
    while process.poll() is None and not (whole / "recipe.json").exists():
        time.sleep(0.005)
    training = time.monotonic()
    finish(process, "left alone")
    ended = time.monotonic()
    chance = random.Random(f"{seed} kills")
    stories, landed = 0, 0
    while not stories or time.monotonic() < ended + seconds(0.25) - (ended - began):
        out, kills = tmp_path / f"killed{stories}", []
        for number in range(chance.randint(1, MOST_KILLS)):
            process = start_or_resume(out)
            # The first time now and then while everything is imported; else once there is a run to kill.
            if early := chance.random() < (0.3 if number == 0 else 0.1):
                delay = chance.uniform(0, ended - began)
            else:
                delay = chance.uniform(0, ended - training)
                resumed = time.time_ns()
                while process.poll() is None and not _is_training(out, resumed):
                    time.sleep(0.002)
            time.sleep(delay)
            process.kill()
            process.communicate()
            if process.returncode == 0:  # it was faster
                break
            assert process.returncode == -signal.SIGKILL, f"seed {seed}, story {stories}: {kills}"
            kills.append(f"{delay:.3f} s after {'the start' if early else 'the training began'}")
        story = f"seed {seed}, story {stories}: killed {', then '.join(kills) or 'too late'}"
        landed += len(kills)
        finish(start_or_resume(out), story)
        assert_same_end(whole, out, story)
        stories += 1
    print(f"{stories} runs, {landed} kills at random moments")


def _is_training(out: Path, since: int) -> bool:
    """A new run writes its recipe first; a resumed one rewrites its metrics first."""
    return any(
        path.exists() and path.stat().st_mtime_ns >= since - 10_000_000
        for path in (out / "recipe.json", out / "metrics.jsonl")
    )


def test_a_run_killed_at_any_step_on_its_folder_ends_in_the_same_bytes(
    tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    words = [sys.executable, "-m", "tests.torture.nursery", str(tmp_path), str(seed), str(seconds(0.15))]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stderr}"
    told = json.loads(done.stdout)
    for story in told["stories"]:
        at = ", then ".join(f"{told['steps'][kill]} (step {kill})" for kill in story["kills"])
        assert_same_end(tmp_path / "whole", tmp_path / story["run"], f"seed {seed}: killed before {at}")
    kills = [kill for story in told["stories"] for kill in story["kills"]]
    assert kills
    print(f"{len(told['stories'])} runs, {len(kills)} kills at {len({*kills})} of {len(told['steps'])} steps")
