"""Resuming: a run that was stopped anywhere ends as if it had never been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from resnets.training import finish
from resnets.training import train as training
from resnets.training.checkpoint import checkpoints
from resnets.training.state import Seen, State
from resnets.training.watch import Watch
from tests import tiny

QUICK: dict[str, Any] = {"recipe_name": "digits", "epochs": 4, "batch_size": 16}


class Stopped(BaseException):
    """The plug is pulled."""


class StopAfter(Watch):
    """Stops at a step, or when an epoch's checkpoint has been written; `every` step may have one too."""

    def __init__(self, *, step: int = -1, epoch: int = -1, every: bool = False) -> None:
        super().__init__(checkpoint_every=0.0 if every else 3600.0)
        self.at_step, self.at_epoch = step, epoch

    def step(self, state: State, seen: Seen) -> None:
        super().step(state, seen)
        if state.step == self.at_step:
            raise Stopped

    def epoch(self, state: State) -> None:
        super().epoch(state)
        if state.progress.epoch == self.at_epoch:
            raise Stopped


def metrics(out: Path) -> list[dict[str, Any]]:
    """The lines of a run, but for the seconds it took."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "waiting")} for line in lines]


def stop(out: Path, watch: Watch, **request: Any) -> None:
    with pytest.raises(Stopped):
        tiny.run(tiny.data_set(50), out, watch=watch, **QUICK | request)
    assert not (out / "model.safetensors").exists()


def resume(out: Path, **request: Any) -> None:
    torch.manual_seed(99)  # another process
    training.train(tiny.data_set(50), resume=out, device="cpu", **request)


def assert_same_end(one: Path, other: Path) -> None:
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert metrics(one) == metrics(other)


@pytest.mark.parametrize(
    "watch",
    [StopAfter(epoch=2), StopAfter(step=6), StopAfter(step=6, every=True), StopAfter(step=1), StopAfter(epoch=4)],
    ids=["between epochs", "within an epoch", "after a step", "before the first checkpoint", "after the last epoch"],
)  # fmt: skip
def test_a_stopped_run_ends_in_the_same_bytes_and_the_same_metrics(watch: Watch, tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", **QUICK)
    stop(tmp_path / "stopped", watch)
    resume(tmp_path / "stopped")
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize(
    "request_",
    [
        {"eval_every": 1.5},
        {"eval_every": 0.4, "held_out": 10},
        {"optimizer": "adamw", "nesterov": False, "lr": 0.01},
        {"facts": tiny.SMALL | {"head": "mlp", "head_width": 8}},
        {"freeze": "C2"},
        {"precision": "bf16"},
    ],
    ids=lambda request_: "-".join(request_),
)
def test_whatever_the_recipe_a_stopped_run_ends_in_the_same_bytes(request_: dict[str, Any], tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", **QUICK | request_)
    stop(tmp_path / "stopped", StopAfter(step=8), **request_)
    resume(tmp_path / "stopped")
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_a_run_may_be_stopped_again_and_again(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", **QUICK)
    stop(tmp_path / "stopped", StopAfter(step=4))
    for step in (5, 8, 11):
        with pytest.raises(Stopped):
            resume(tmp_path / "stopped", watch=StopAfter(step=step))
    resume(tmp_path / "stopped")
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", **QUICK)
    stop(tmp_path / "stopped", StopAfter(epoch=3))
    newest = checkpoints(tmp_path / "stopped" / "state")[-1]
    newest.write_bytes(newest.read_bytes()[:-50])
    resume(tmp_path / "stopped")
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_without_any_whole_checkpoint_the_run_starts_again(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", **QUICK)
    stop(tmp_path / "stopped", StopAfter(epoch=3))
    for path in checkpoints(tmp_path / "stopped" / "state"):
        path.write_bytes(b"")
    resume(tmp_path / "stopped")
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_a_run_that_was_stopped_while_it_saved_its_model_writes_no_line_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "whole", **QUICK)

    def stopped(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(finish, "save", stopped)
        stop(tmp_path / "stopped", Watch())
    resume(tmp_path / "stopped")
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(50), tmp_path / "run", **QUICK)
    before = (tmp_path / "run" / "model.safetensors").read_bytes(), metrics(tmp_path / "run")
    resume(tmp_path / "run")
    assert ((tmp_path / "run" / "model.safetensors").read_bytes(), metrics(tmp_path / "run")) == before


def test_there_must_be_a_run_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no run to resume \(no recipe\.json\); start one with DATA --out"):
        resume(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_other_pictures_are_refused_on_resume(tmp_path: Path) -> None:
    stop(tmp_path, StopAfter(epoch=1))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"was started on other pictures \(noise, sha256 .*give the same data"):
        training.train(tiny.data_set(51), resume=tmp_path, device="cpu")
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "other", [{"epochs": 9}, {"recipe_name": "mnist"}, {"size": (16, 16)}, {"facts": {"stem": "deep"}}]
)
def test_a_resumed_run_takes_no_other_numbers(other: dict[str, Any], tmp_path: Path) -> None:
    stop(tmp_path, StopAfter(epoch=1))
    with pytest.raises(ValueError, match="goes on with its own recipe"):
        resume(tmp_path, **other)


def test_a_resumed_run_says_where_it_goes_on_and_what_it_passes_over(tmp_path: Path) -> None:
    stop(tmp_path, StopAfter(epoch=3))
    older, newest = checkpoints(tmp_path / "state")
    newest.write_bytes(newest.read_bytes()[:-50])
    said: list[str] = []
    resume(tmp_path, say=said.append)
    assert f"{newest} is damaged, and passed over" in said
    assert f"going on from step {int(older.stem[5:])} of 16" in said


@pytest.mark.parametrize(
    "change", [{"optimizer": "adam"}, {"lr": 0.01}, {"epochs": 9}], ids=["optimizer", "rate", "length"]
)
def test_a_request_that_was_changed_since_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    stop(tmp_path, StopAfter(epoch=2))
    facts = json.loads((tmp_path / "recipe.json").read_text())
    facts["recipe"] |= change
    (tmp_path / "recipe.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=r"recipe\.json is not what the checkpoints beside it were made with"):
        resume(tmp_path)


def test_a_damaged_line_of_metrics_costs_no_other(tmp_path: Path) -> None:
    stop(tmp_path, StopAfter(epoch=3))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    (tmp_path / "metrics.jsonl").write_text("\n".join([lines[0], lines[1][:20], *lines[2:]]) + "\n")
    resume(tmp_path)
    assert [line["epoch"] for line in metrics(tmp_path) if "epoch" in line] == [1, 3, 4]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")
def test_a_process_killed_at_any_moment_ends_in_the_same_bytes(tmp_path: Path) -> None:
    request = ["digits", "--model", tiny.ROW, "--set", "blocks=1,1", "--epochs", "8", "--precision", "fp32"]
    words = [sys.executable, "-c", "from resnets.cli import main; main()", "train", *request, "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for out, killed in (("whole", False), ("killed", True)):
        with subprocess.Popen(
            [*words, "--out", str(tmp_path / out)], env=environment, stdout=subprocess.DEVNULL
        ) as process:
            while killed and process.poll() is None and len(list((tmp_path / out).glob("state/step-*"))) < 2:
                time.sleep(0.01)
            if killed:
                process.kill()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    again = [*words[:3], "train", "--resume", str(tmp_path / "killed")]
    subprocess.run(again, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")
