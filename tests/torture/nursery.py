"""Runs that are killed again and again, each in children of one process that has imported everything already.

`python -m tests.torture.nursery FOLDER SEED KILLS SECONDS [CONFIGURATION ...]` kills at least so often, for at least
so long, and prints what it did as one line of JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from resnets.data.open import open_data
from resnets.files import atomic
from resnets.training import finish as finish_module
from resnets.training import train as training
from resnets.training import watch
from resnets.training.checkpoint import KEPT, checkpoints, read
from resnets.training.optimizer import optimizer
from resnets.training.recipes import recipe
from resnets.training.watch import Watch
from resnets.weights.load import load
from resnets.weights.modelfile import save
from tests import tiny
from tests.torture.disk import Disk, die
from tests.torture.processes import Family

MOST_KILLS = 4
"""In the life of one run."""

LONGEST_S = 120.0
"""A life that takes longer hangs."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A way to train, whose result no kill may change."""

    request: dict[str, Any]
    files: bool = False  # pictures in files, which are decoded, small; else in memory
    workers: int = 0
    kind: str = "threads"
    processes: int = 1  # that share each batch


TINY: dict[str, Any] = {"recipe_name": "digits", "epochs": 2, "batch_size": 8, "eval_every": 0.7}
MIXED: dict[str, Any] = {
    **TINY,
    "accumulate": 2,
    "ema": 0.9,
    "augmentation": "rand",
    "augmenting": (("mixup", 0.2), ("cutmix", 1.0)),
    "label_smoothing": 0.1,
    "clip": 1.0,
}
SHORTENED: dict[str, Any] = {
    **TINY,
    "facts": tiny.SMALL | {"head": "mlp", "head_width": 8},
    "stochastic_depth": 0.3,
    "recompute": True,
}

CONFIGURATIONS: dict[str, Configuration] = {
    "plain": Configuration(request=TINY),
    "accumulated, mixed, averaged": Configuration(request=MIXED),
    "dropout, stochastic depth, recomputed": Configuration(request=SHORTENED),
    "lamb and bce": Configuration(
        request={**TINY, "optimizer": "lamb", "nesterov": False, "loss": "bce", "bce_threshold": 0.2, "lr": 0.01}
    ),
    "adamw, frozen, then thawed": Configuration(
        request={**TINY, "optimizer": "adamw", "nesterov": False, "lr": 0.01, "freeze": "C2", "thaw": 0.5}
    ),
    "files, threads": Configuration(request={**TINY, "size": 16, "augmentation": "photos"}, files=True, workers=2),
    "files, worker processes": Configuration(request={**TINY, "size": 16}, files=True, workers=1, kind="processes"),
    "sampler and repeats": Configuration(
        request={**TINY, "imbalance": "sampler", "repeats": 3, "augmentation": "trivial"}
    ),
    "stopped early": Configuration(request={**TINY, "epochs": 9, "held_out": 10, "patience": 2, "eval_every": 0.5}),
    "recalibrated, growing": Configuration(
        request={**TINY, "recalibrate": 3, "size_first": 0.5, "grow_from": 0.2, "grow_to": 0.8}
    ),
    "fp16": Configuration(request={**TINY, "precision": "fp16"}),
    "two processes": Configuration(request=TINY, processes=2),
    "two processes, everything": Configuration(
        request={**MIXED, "sync_norms": True, "recalibrate": 2, "held_out": 10, "patience": 3}, processes=2
    ),
    "two processes, files": Configuration(
        request={**SHORTENED, "size": 16, "ema": 0.9}, files=True, workers=1, processes=2
    ),
}


@dataclass(frozen=True, kw_only=True)
class Kill:
    """When a process of a life is killed: at a moment, at a step on the folder, or at one while finishing."""

    kind: str
    at: float
    victim: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.at:.3f} of process {self.victim}"


NEVER = Kill(kind="never", at=0)


def live(name: str, folder: Path, out: Path, every: float, kill: Kill = NEVER) -> bool:
    """Start or resume a run, as a user would, and kill it; say whether the kill came in time.

    Raises `RuntimeError` for a run that failed in any other way.
    """
    count = CONFIGURATIONS[name].processes
    family = Family(count, lambda rank: _attempt(name, folder, out, every, kill if kill.victim == rank else NEVER))
    if kill.kind == "moment":
        family.kill(kill.victim, after=kill.at)
    codes = family.wait(LONGEST_S)
    if codes[kill.victim] == -signal.SIGKILL and kill is not NEVER:
        return True
    if any(codes):
        raise RuntimeError(f"{name}: a life in {out} that was to be killed at {kill} ended with {codes}")
    return False


def _attempt(name: str, folder: Path, out: Path, every: float, kill: Kill) -> None:
    configuration = CONFIGURATIONS[name]
    disk = Disk(out, int(kill.at) if kill.kind == "step" else None, die)

    def finishing(*arguments: Any, **named: Any) -> Any:
        if kill.kind == "finishing":
            if kill.at < 0:
                die()
            disk.at = len(disk.steps) + int(kill.at)
        return finish(*arguments, **named)

    finish = training.finish
    means: dict[str, Any] = {"workers": configuration.workers, "kind": configuration.kind}
    means["watch"] = Watch(checkpoint_every=every)
    with disk.watched(), hurried(), mock.patch.object(training, "finish", finishing):
        data: Any = str(folder / "pictures") if configuration.files else tiny.data_set()
        if (out / "recipe.json").exists():
            training.train(None if configuration.files else data, resume=out, device="cpu", **means)
        else:
            tiny.run(data, out, **configuration.request, **means)
    if os.environ.get("RANK", "0") == "0":
        (out.parent / f"{out.name}.steps").write_text(json.dumps(disk.steps))


@contextmanager
def hurried() -> Iterator[None]:
    """Let tiny runs write checkpoints as often as they are asked to, and no picture of their curves."""
    with mock.patch.object(watch, "SHARE", 1e9), mock.patch.object(finish_module, "curves", _write_curves):
        yield


def _write_curves(lines: list[dict[str, Any]], path: Path) -> None:
    """Write a file as the plot is written: to draw it would take longer than the run."""
    atomic.write(path, json.dumps(lines).encode())


def metrics(out: Path) -> list[dict[str, Any]]:
    """The lines of a run, but for the seconds it took."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "waiting")} for line in lines]


def assert_same_end(whole: Path, killed: Path, story: str, *, may_lack: frozenset[str] = frozenset()) -> None:
    """Two runs have ended in the same bytes; what the doctor said of each, and when, is theirs.

    `may_lack` are files that a run does without where a disk refuses them.
    """
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes(), story
    one, other = metrics(whole), metrics(killed)
    parted = [pair for pair in itertools.zip_longest(one, other) if pair[0] != pair[1]]
    assert not parted, f"{story}: {parted[:2]}"
    assert (whole / "recipe.json").read_bytes() == (killed / "recipe.json").read_bytes(), story
    names = [{path.relative_to(out).as_posix() for path in out.rglob("*")} for out in (whole, killed)]
    ours = [
        {name for name in those if not re.match(r"doctor|tensorboard|state/(best/)?step-", name)} for those in names
    ]
    assert ours[0] - may_lack <= ours[1] <= ours[0], f"{story}: {ours[0] ^ ours[1]}"
    # Killed after a checkpoint was written and before the oldest was removed, a run keeps one more.
    assert len(checkpoints(killed / "state")) <= KEPT + 1, story
    assert len(checkpoints(killed / "state" / "best")) <= KEPT + 1, story
    one, other = read(whole / "state"), read(killed / "state")
    if one and other and one.progress.step == other.progress.step:  # the last is missing where a disk refused it
        differing = [name for name, tensor in one.tensors.items() if not torch.equal(tensor, other.tensors[name])]
        assert not differing, f"{story}: {differing[:3]} differ at the last step"


class Nursery:
    """The runs of one configuration: one that is left alone, and any number that are not."""

    def __init__(self, name: str, folder: Path, chance: random.Random) -> None:
        self.name, self.folder, self.chance = name, folder, chance
        self.kills: dict[str, int] = {"moment": 0, "step": 0, "finishing": 0}
        self.stories = 0
        folder.mkdir(parents=True)
        if CONFIGURATIONS[name].files:
            tiny.write_pictures(folder / "pictures", each=20)
        began = time.monotonic()
        live(name, folder, folder / "whole", every=0.0)
        self.seconds = time.monotonic() - began
        self.steps: list[str] = json.loads((folder / "whole.steps").read_text())
        self.last_step: int = metrics(folder / "whole")[-1]["step"]

    def story(self) -> None:
        """Kill a run, and what goes on with it, up to `MOST_KILLS` times; it has to end as the one left alone did."""
        out, told = self.folder / f"run{self.stories}", []
        for kill in self._kills():
            every = self.chance.choice((0.0, 0.0, 0.05, 3600.0))
            if not live(self.name, self.folder, out, every, kill):
                break  # it was faster
            self.kills[kill.kind] += 1
            told.append(f"{kill}, checkpoints every {every} s")
        live(self.name, self.folder, out, 0.0)
        self.stories += 1
        assert_same_end(self.folder / "whole", out, f"{self.name}, {out}: {'; '.join(told) or 'no kill'}")
        shutil.rmtree(out)

    def _kills(self) -> Iterator[Kill]:
        for _ in range(self.chance.randint(1, MOST_KILLS)):
            kind = self.chance.choice(("moment", "moment", "step", "finishing"))
            if kind == "moment":
                victim = self.chance.randrange(CONFIGURATIONS[self.name].processes)
                yield Kill(kind=kind, at=self.chance.uniform(0, self.seconds), victim=victim)
            elif kind == "step":
                yield Kill(kind=kind, at=self.chance.randrange(len(self.steps)))
            else:
                yield Kill(kind=kind, at=self.chance.randrange(-1, 16))


def warm_up(folder: Path) -> None:
    """Import what is imported late."""
    with torch.no_grad():  # a backward pass would start threads, which no child would have
        network = tiny.network()
    model = tiny.model()
    save(model, folder / "warm.safetensors")
    load(folder / "warm.safetensors")
    optimizer(network, recipe("digits"))
    open_data(tiny.write_pictures(folder / "warm"))


def main(folder: Path, seed: int, least: int, seconds: float, *names: str) -> dict[str, Any]:
    """Tell stories of every configuration in turn, until there were as many kills and the time is over."""
    warm_up(folder)
    end = time.monotonic() + seconds
    chosen = names or tuple(CONFIGURATIONS)
    nurseries = [
        Nursery(name, folder / str(number), random.Random(f"{seed} {name}")) for number, name in enumerate(chosen)
    ]
    each = -(-least // len(nurseries))
    while time.monotonic() < end or any(sum(nursery.kills.values()) < each for nursery in nurseries):
        for nursery in nurseries:
            if sum(nursery.kills.values()) < each or time.monotonic() < end:
                nursery.story()
    return {
        nursery.name: {"kills": nursery.kills, "stories": nursery.stories, "last_step": nursery.last_step}
        for nursery in nurseries
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:])))
