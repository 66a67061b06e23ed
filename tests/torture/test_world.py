"""Worlds under `torchrun`: a process that is stopped, lost or killed is started again, and the run ends as if not."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture.nursery import assert_same_end, metrics
from tests.torture.processes import ENVIRONMENT, POLL_S, ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in Linux's /proc")

TRAIN = (
    *(
        "digits",
        "--model",
        "resnet20_cifar",
        "--set",
        "blocks=1,1,1",
        "--set",
        "widths=4,8,16",
        "--set",
        "stem_width=4",
    ),
    *("--epochs", "12", "--precision", "fp32", "--ema", "0.9", "--checkpoint-every", "0.3"),
    *("--threads", "1", "--device", "cpu"),
)
RESTARTS = 8
STOPPED_S = 60.0


def start(out: Path, log: Path, timeout: float = 60) -> subprocess.Popen[bytes]:
    """Start two processes as a user does."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["--max-restarts", str(RESTARTS), "-m", "resnets", "train", *TRAIN]
    with log.open("wb") as told:
        return subprocess.Popen(
            [*words, "--timeout", str(timeout), "--out", str(out)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=told,
            stderr=subprocess.STDOUT,
        )


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that train, by rank."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        named = [(child, Path(f"/proc/{child}/environ").read_bytes()) for child in children]
    except OSError:  # one has just ended
        return []
    ranks = {int(rank[1]): int(child) for child, words in named if (rank := re.search(rb"\x00RANK=(\d+)\x00", words))}
    return [ranks[rank] for rank in sorted(ranks)]


def wait_for(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    while not ready():
        assert process.poll() is None, log.read_text()
        time.sleep(POLL_S)


def lines(out: Path) -> int:
    return len((out / "metrics.jsonl").read_bytes().splitlines()) if (out / "metrics.jsonl").exists() else 0


def finish(process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        assert process.wait(timeout=900) == 0, log.read_text()
    finally:
        for worker in workers(process):
            os.kill(worker, signal.SIGKILL)
        process.kill()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run of two processes that was left alone, and the seconds it took."""
    folder = tmp_path_factory.mktemp("world")
    began = time.monotonic()
    finish(start(folder / "whole", folder / "log"), folder / "log")
    return folder / "whole", time.monotonic() - began


@pytest.mark.parametrize("timeout", [15, 300], ids=["the other gives up first", "the other waits until it is killed"])
@pytest.mark.parametrize("rank", [0, 1])
def test_one_of_two_is_stopped_for_a_minute_and_then_killed_and_the_run_finishes(
    rank: int, timeout: float, tmp_path: Path, whole: tuple[Path, float]
) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    process = start(out, log, timeout)
    wait_for(process, log, lambda: lines(out) >= 2 and len(workers(process)) == 2)
    victim = workers(process)[rank]
    os.kill(victim, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_for(process, log, lambda: time.monotonic() > stopped + STOPPED_S or victim not in workers(process))
    noticed = time.monotonic() - stopped
    if victim in workers(process):
        os.kill(victim, signal.SIGKILL)
    finish(process, log)
    assert_same_end(whole[0], out, log.read_text())
    print(f"\nprocess {rank} stopped at line 2 of {len(metrics(out))}, gone after {noticed:.0f} s; the run finished")


def test_workers_killed_again_and_again_end_in_the_same_bytes(
    tmp_path: Path, whole: tuple[Path, float], seed: int, seconds: Callable[[float], float]
) -> None:
    chance, end = random.Random(f"{seed} world"), time.monotonic() + seconds(0.1)
    stories, landed = 0, 0
    while not stories or time.monotonic() < end:
        out, log, told = tmp_path / str(stories), tmp_path / f"{stories}.log", []
        process = start(out, log)
        for _ in range(chance.randint(2, RESTARTS // 2)):
            time.sleep(chance.uniform(0, whole[1] / 2))
            if process.poll() is not None:  # it was faster
                break
            wait_for(process, log, lambda process=process: process.poll() is not None or len(workers(process)) == 2)
            victim = chance.randrange(2)
            os.kill(workers(process)[victim], signal.SIGKILL)
            told.append(victim)
        finish(process, log)
        assert_same_end(whole[0], out, f"seed {seed}, story {stories}: killed {told}\n{log.read_text()}")
        stories, landed = stories + 1, landed + len(told)
    print(f"\n{stories} runs under torchrun, {landed} kills of a process")
