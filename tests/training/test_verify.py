"""Verifying: the last steps done again end in the same bits, or the run is said to be none that repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnets.training import checkpoint
from resnets.training.state import Seen, State
from resnets.training.train import train
from resnets.training.verify import NotRepeated
from resnets.training.watch import Watch
from tests import tiny
from tests.torture import nursery

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    name: nursery.CONFIGURATIONS[name].request
    for name in (
        *("plain", "accumulated, mixed, averaged", "dropout, stochastic depth, recomputed", "lamb and bce"),
        *("adamw, frozen, then thawed", "sampler and repeats", "recalibrated, growing", "fp16"),
    )
}


class Stopped(BaseException):
    """The plug is pulled."""


class StopAfter(Watch):
    """Stops at a step; every step has a checkpoint."""

    def __init__(self, at: int) -> None:
        super().__init__(checkpoint_every=0.0)
        self.at = at

    def step(self, state: State, seen: Seen) -> None:
        super().step(state, seen)
        if state.step == self.at:
            raise Stopped


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with nursery.hurried():
        yield


def stopped(out: Path, at: int = 7, **request: Any) -> list[Path]:
    """A run that was stopped, and its checkpoints."""
    with pytest.raises(Stopped):
        tiny.run(tiny.data_set(), out, watch=StopAfter(at), workers=0, **nursery.TINY | request)
    return checkpoint.checkpoints(out / "state")


def resumed(out: Path, *, replay: bool = True) -> list[str]:
    """Go on with a run to its end; return what it said."""
    said: list[str] = []
    train(tiny.data_set(), resume=out, device="cpu", workers=0, replay=replay, say=said.append, watch=Watch())
    return said


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_honest_run_repeats_from_the_checkpoint_before_the_newest(name: str, tmp_path: Path) -> None:
    stopped(tmp_path / "run", **CONFIGURATIONS[name])
    said = resumed(tmp_path / "run")
    assert "verifying: steps 7 to 7 once more" in said
    assert any(text.startswith("verified: 1 steps done again gave the same bits in all") for text in said)
    tiny.run(tiny.data_set(), tmp_path / "whole", workers=0, **nursery.TINY | CONFIGURATIONS[name])
    nursery.assert_same_end(tmp_path / "whole", tmp_path / "run", name)  # a replay changes nothing


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_with_a_single_checkpoint_it_repeats_from_the_start(name: str, tmp_path: Path) -> None:
    older, _ = stopped(tmp_path, **CONFIGURATIONS[name])
    older.unlink()
    assert "verifying: steps 1 to 7 once more" in resumed(tmp_path)


class Holding(nn.Module):
    """A module whose state is exactly these tensors."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.tensors = tensors

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Tensor]:  # type: ignore[override]
        return self.tensors


def doctor(newest: Path, name: str) -> None:
    """Change one bit of a tensor of a checkpoint, and write its digest anew, so that it is whole."""
    saved = checkpoint.read(newest.parent)
    assert saved is not None
    bits = saved.tensors[name].reshape(-1).view(torch.uint8)
    bits[0] ^= 1
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in saved.tensors.items():
        part, _, rest = key.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    modules: dict[str, nn.Module] = {part: Holding(tensors) for part, tensors in parts.items()}
    checkpoint.save(newest.parent, modules, None, saved.progress)
    again = checkpoint.read(newest.parent)
    assert again is not None
    assert asdict(again.progress) == asdict(saved.progress)
    assert again.tensors.keys() == saved.tensors.keys()


@pytest.mark.parametrize(
    "name",
    [
        "network.head.linear.weight",
        "network.stem.norm1.running_var",
        "ema.stem.conv1.weight",
        "optimizer.0.momentum_buffer",
    ],
)
@pytest.mark.parametrize("from_the_start", [False, True])
def test_one_changed_bit_of_the_newest_checkpoint_is_found_and_named(
    name: str, from_the_start: bool, tmp_path: Path
) -> None:
    older, newest = stopped(tmp_path, ema=0.9)
    if from_the_start:
        older.unlink()
    doctor(newest, name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(NotRepeated, match=rf"differ in 1 of \d+ tensors, the first of them {name}; the run itself"):
        resumed(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    resumed(tmp_path, replay=False)  # whoever does not ask goes on


def test_without_a_checkpoint_there_is_nothing_to_verify_and_the_run_starts_again(tmp_path: Path) -> None:
    for path in stopped(tmp_path):
        path.unlink()
    assert any("has no whole checkpoint" in text for text in resumed(tmp_path))
