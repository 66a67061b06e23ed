"""Checkpoints: whole or passed over, and enough to go on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from resnets.net.network import ResNet
from resnets.training import checkpoint
from resnets.training.checkpoint import KEPT, Progress, checkpoints
from resnets.training.optimizer import optimizer
from resnets.training.recipes import recipe
from tests import tiny

PICTURES = torch.linspace(-1, 1, 6 * 3 * 8 * 8).reshape(6, 3, 8, 8)


def step(network: ResNet, made: torch.optim.Optimizer) -> None:
    made.zero_grad()
    network.train()(PICTURES).square().mean().backward()
    made.step()


def save(folder: Path, network: ResNet, made: torch.optim.Optimizer, reached: Progress) -> None:
    checkpoint.save(folder, {"network": network}, made, reached)


def restore(folder: Path, network: ResNet, made: torch.optim.Optimizer) -> Progress | None:
    saved = checkpoint.read(folder)
    if saved is None:
        return None
    checkpoint.put_back(saved, {"network": network}, made)
    return saved.progress


def progress(number: int) -> Progress:
    return Progress(epoch=number, step=10 * number, seconds=0.5 * number, loss=1.25, right=3, seen=7)


@pytest.mark.parametrize("rule", ["sgd", "adam", "adamw", "lamb"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_restored_run_takes_the_very_steps_it_would_have_taken(rule: str, momentum: float, tmp_path: Path) -> None:
    row = recipe("digits", optimizer=rule, momentum=momentum, nesterov=False)
    network = tiny.network()
    made = optimizer(network, row)
    step(network, made)
    save(tmp_path, network, made, progress(1))
    other = tiny.network(seed=5)
    other_made = optimizer(other, row)
    assert restore(tmp_path, other, other_made) == progress(1)
    for _ in range(2):
        step(network, made)
        step(other, other_made)
    ours, theirs = network.state_dict(), other.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_only_the_newest_stay_on_disk(tmp_path: Path) -> None:
    network = tiny.network()
    made = optimizer(network, recipe("digits"))
    for number in range(1, 5):
        save(tmp_path, network, made, progress(number))
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000030.safetensors", "step-000000040.safetensors"]
    assert len(checkpoints(tmp_path)) == KEPT
    assert len(list(tmp_path.iterdir())) == KEPT


def test_without_a_checkpoint_there_is_nothing_to_restore(tmp_path: Path) -> None:
    network = tiny.network()
    before = network.head.linear.weight.detach().clone()
    assert restore(tmp_path / "absent", network, optimizer(network, recipe("digits"))) is None
    assert torch.equal(network.head.linear.weight, before)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def without_progress(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"progress":', b'"progrexx":', 1))


def without_json(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'{\\"step', b'[\\"step', 1))


def with_other_facts(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'\\"epoch\\"', b'\\"epxxh\\"', 1))


def with_one_bit_turned(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, empty, without_progress, without_json, with_other_facts, with_one_bit_turned])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(damage: Callable[[Path], None], tmp_path: Path) -> None:
    network = tiny.network()
    made = optimizer(network, recipe("digits"))
    for number in (1, 2):
        step(network, made)
        save(tmp_path, network, made, progress(number))
    before = checkpoints(tmp_path)[-1].read_bytes()
    damage(checkpoints(tmp_path)[-1])
    assert checkpoints(tmp_path)[-1].read_bytes() != before
    other = tiny.network(seed=5)
    assert restore(tmp_path, other, optimizer(other, recipe("digits"))) == progress(1)


def test_foreign_files_beside_the_checkpoints_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".step-000000050.safetensors.1.part").write_bytes(b"half")
    assert checkpoints(tmp_path) == []
