"""Kills: a run that is killed again and again ends in the same bytes as one that was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests import tiny
from tests.torture.nursery import CONFIGURATIONS, assert_same_end
from tests.torture.processes import COMMAND, ENVIRONMENT, ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL") or not hasattr(os, "fork"), reason="this system cannot kill a process at once"
)

START = (
    *("--model", "resnet20_cifar", "--set", "blocks=1,1,1", "--set", "widths=4,8,16", "--set", "stem_width=4"),
    *("--epochs", "12", "--eval-every", "0.7", "--precision", "fp32", "--ema", "0.9"),
)
MOST_KILLS = 4
GONE_S = 60.0
LEAST_KILLS = 200
"""In the nursery, over all its configurations."""


def test_runs_of_every_configuration_killed_anywhere_end_in_the_same_bytes(
    tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    """At random moments, at steps on the folder and while finishing; one process of two, or the only one."""
    words = [sys.executable, "-m", "tests.torture.nursery", str(tmp_path)]
    words += [str(seed), str(LEAST_KILLS), str(seconds(0.15))]
    printed, errors = tmp_path / "printed", tmp_path / "errors"  # files: a worker left behind would keep a pipe open
    with printed.open("wb") as output, errors.open("wb") as faults:
        done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, stdout=output, stderr=faults, check=False)
    assert done.returncode == 0, f"seed {seed}\n{errors.read_text()}"
    told = json.loads(printed.read_text())
    kills = {name: sum(what["kills"].values()) for name, what in told.items()}
    assert kills.keys() == CONFIGURATIONS.keys()
    assert sum(kills.values()) >= LEAST_KILLS
    assert min(kills.values()) >= LEAST_KILLS // len(CONFIGURATIONS)
    stories = sum(what["stories"] for what in told.values())
    print(f"\n{sum(kills.values())} kills in {stories} runs of {len(told)} configurations")
    for name, what in told.items():
        print(f"{name}: {what['stories']} runs, kills: {what['kills']}")


def start(out: Path, checkpoint_every: float) -> subprocess.Popen[str]:
    """What a user types: the same again until there is a run, and --resume from then on."""
    new = ["digits", *START, "--threads", "1", "--out", str(out)]
    words = ["--resume", str(out)] if (out / "recipe.json").exists() else new
    return subprocess.Popen(
        [sys.executable, *COMMAND, "train", *words, "--checkpoint-every", str(checkpoint_every)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], story: str) -> None:
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, f"{story}\n{errors}"


def test_a_command_killed_at_random_moments_ends_in_the_same_bytes(
    tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    process = start(whole, 1)
    while process.poll() is None and not (whole / "recipe.json").exists():
        time.sleep(0.005)
    training = time.monotonic()
    finish(process, "left alone")
    ended = time.monotonic()
    chance = random.Random(f"{seed} kills")
    stories, landed = 0, 0
    while not stories or time.monotonic() < ended + seconds(0.15) - (ended - began):
        out, kills = tmp_path / f"killed{stories}", []
        for number in range(chance.randint(1, MOST_KILLS)):
            process = start(out, chance.choice((0, 0.3, 10)))
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
        finish(start(out, 1), story)
        assert_same_end(whole, out, story)
        stories += 1
    print(f"\n{stories} runs, {landed} kills of a command at random moments")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in Linux's /proc")
def test_a_command_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    pictures, mark = tiny.write_pictures(tmp_path / "pictures", each=40), f"RESNETS_MARK={uuid4().hex}"
    request = ["train", str(pictures), *START, "--size", "16", "--out", str(tmp_path / "run"), "--threads", "1"]
    request += ["--workers", "2", "--worker-kind", "processes", "--no-check", "--set", "iterations=100000"]
    process = subprocess.Popen(
        [sys.executable, *COMMAND, *request],
        cwd=ROOT,
        env=ENVIRONMENT | dict([mark.split("=")]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    end = time.monotonic() + GONE_S
    while len(_marked(mark)) < 4 and time.monotonic() < end:  # itself, a server of forks, two workers
        time.sleep(0.01)
    process.kill()
    process.wait()
    while (left := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    for one in left:
        os.kill(one, signal.SIGKILL)
    assert not left


def _marked(mark: str) -> list[int]:
    """The processes that began with this in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _is_training(out: Path, since: int) -> bool:
    """A new run writes its recipe first; a resumed one rewrites its metrics first."""
    return any(
        path.exists() and path.stat().st_mtime_ns >= since - 10_000_000
        for path in (out / "recipe.json", out / "metrics.jsonl")
    )
