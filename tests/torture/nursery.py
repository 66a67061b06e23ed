"""Runs that are killed at chosen steps, each in a child of one process that has imported everything already.

`python -m tests.torture.nursery FOLDER SEED SECONDS` prints what it did as one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from resnets.page.plot import curves
from resnets.training.train import train
from tests import tiny
from tests.torture.disk import Disk, die

SHORT: dict[str, Any] = {"recipe_name": "digits", "epochs": 3, "batch_size": 8, "eval_every": 0.7}


def attempt(out: Path, at: int | None) -> None:
    """Start or resume the run, as a user would; die at step `at` of what it asks of its folder."""
    with Disk(out, at, die).watched() as disk:
        data = tiny.data_set()
        if (out / "recipe.json").exists():
            train(data, out=out, device="cpu", resume=True)
        else:
            tiny.run(data, out, **SHORT)
    (out.parent / f"{out.name}.steps").write_text(json.dumps(disk.steps))


def in_child(out: Path, at: int | None) -> bool:
    """Make an attempt in a child; say whether it was killed, and raise if it failed in any other way."""
    child = os.fork()
    if child == 0:
        try:
            attempt(out, at)
            os._exit(0)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"an attempt in {out} that should die at step {at} exited with {code}")
    return code != 0


def main(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
    """Kill runs at every step, in an order of chance, and while their resuming, until the time is over."""
    curves([{"epoch": 1, "loss": 1, "accuracy": 1}], folder / "warm.png")  # matplotlib reads its fonts once
    in_child(folder / "whole", None)
    steps = json.loads((folder / "whole.steps").read_text())
    chance = random.Random(f"{seed} nursery")
    end = time.monotonic() + seconds
    stories: list[dict[str, Any]] = []
    while not stories or time.monotonic() < end:
        for first in chance.sample(range(len(steps)), len(steps)):
            out = folder / f"run{len(stories)}"
            story: dict[str, Any] = {"run": out.name, "kills": []}
            at: int | None = first
            while in_child(out, at):
                story["kills"].append(at)
                at = chance.randrange(len(steps)) if chance.random() < 0.5 else None
            stories.append(story)
            if time.monotonic() > end:
                break
    return {"steps": steps, "stories": stories}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
