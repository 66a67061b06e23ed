"""Memory: a step that does not fit is taken in smaller parts, which changes no gradient, or says what to do."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from resnets.data.loader import Batch, Loader
from resnets.net.freeze import batch_norm_mode
from resnets.net.network import ResNet
from resnets.net.world import World
from resnets.spec.preprocess import Preprocess
from resnets.training import checkpoint, loop
from resnets.training.loop import train_step
from resnets.training.memory import OutOfMemory, parts
from resnets.training.optimizer import optimizer
from resnets.training.recipes import recipe
from resnets.training.state import State
from resnets.training.train import train
from resnets.training.watch import Watch
from tests import tiny

ERRORS: dict[str, BaseException] = {
    "of a device": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "of a CPU": RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
    "of Windows": RuntimeError("[enforce fail at alloc_cpu.cpp:75] . DefaultCPUAllocator: not enough memory"),
    "of Python": MemoryError(),
}

QUICK: dict[str, Any] = {"recipe_name": "digits", "epochs": 2, "batch_size": 8, "workers": 0}


def small(monkeypatch: pytest.MonkeyPatch, most: int, error: BaseException = ERRORS["of a CPU"]) -> list[int]:
    """A machine on which at most so many pictures at once can be learnt from; the sizes that were tried."""
    tried: list[int] = []
    forward = ResNet.forward

    def limited(self: ResNet, x: Tensor) -> Tensor:
        if self.training:
            tried.append(len(x))
            if len(x) > most:
                forward(self, x)  # half of the work is done by then
                raise error
        return forward(self, x)

    monkeypatch.setattr(ResNet, "forward", limited)
    return tried


def state_of(network: ResNet, world: World | None = None) -> State:
    batch_norm_mode(network, batch_statistics=False, update_statistics=False)  # a picture does not see the others
    row = recipe("digits", precision="fp32")
    return State(
        network=network,
        optimizer=optimizer(network, row),
        recipe=row,
        device=torch.device("cpu"),
        total=10,
        world=world or World(),
    )


def batch_of(count: int) -> Batch:
    loader = Loader(tiny.array(count), Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,)), batch_size=count)
    return next(loader.epoch(0))


@pytest.mark.parametrize(
    ("count", "accumulate", "sizes"),
    [
        (8, 1, [8]),
        (8, 2, [4, 4]),
        (8, 3, [2, 3, 3]),
        (7, 2, [3, 4]),
        (5, 4, [2, 3]),
        (3, 2, [3]),
        (1, 4, [1]),
        (0, 2, [0]),
    ],
)
def test_parts_cover_a_batch_and_none_is_a_single_picture(count: int, accumulate: int, sizes: list[int]) -> None:
    cuts = parts(count, accumulate)
    assert [stop - start for start, stop in cuts] == sizes
    assert [start for start, _ in cuts] == [0, *(stop for _, stop in cuts[:-1])]


def test_of_several_processes_that_with_the_fewest_pictures_decides_the_number_of_parts() -> None:
    assert [len(parts(count, 4, 6)) for count in (8, 6)] == [3, 3]
    assert [len(parts(count, 4, 0)) for count in (2, 0)] == [1, 1]


@pytest.mark.parametrize(
    ("most", "sizes"), [(6, [12, 6, 6]), (5, [12, 6, 3, 3, 3, 3]), (3, [12, 6, 3, 3, 3, 3])], ids=["6", "5", "3"]
)
@pytest.mark.parametrize("error", ERRORS)
def test_a_step_that_does_not_fit_is_taken_in_parts_with_the_same_gradients(
    error: str, most: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = state_of(tiny.network())
    train_step(whole, batch_of(12))
    state = state_of(tiny.network())
    tried = small(monkeypatch, most, ERRORS[error])
    loop._step(state, batch_of(12))
    assert tried == sizes
    assert state.progress.accumulate == 12 // sizes[-1]
    assert state.progress.loss == pytest.approx(whole.progress.loss, rel=1e-6)
    assert (state.step, state.progress.seen, state.progress.right) == (1, 12, whole.progress.right)
    for ours, theirs in zip(state.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_number_of_parts_is_said_kept_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    small(monkeypatch, 5)
    tiny.run(tiny.data_set(), tmp_path / "run", say=said.append, **QUICK)
    assert [text for text in said if "memory" in text] == ["memory ran out: a batch is now learnt in 2 parts"]
    saved = checkpoint.read(tmp_path / "run" / "state")
    assert saved is not None
    assert saved.progress.accumulate == 2

    newest = checkpoint.checkpoints(tmp_path / "run" / "state")[-1]
    newest.unlink()  # the run goes on from the end of its first epoch
    tried = small(monkeypatch, 8)  # the memory is free again
    train(tiny.data_set(), resume=tmp_path / "run", device="cpu", workers=0, watch=Watch(doctor=False))
    assert set(tried) == {4}


def test_a_step_that_fits_in_no_parts_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(tiny.network())
    small(monkeypatch, 1)
    expected = (
        r"a step of 12 pictures in parts of 3 does not fit into memory; try a smaller --size or --batch-size, or "
        r"--set recompute=true"
    )
    with pytest.raises(OutOfMemory, match=expected) as raised:
        loop._step(state, batch_of(12))
    assert raised.value.__cause__ is ERRORS["of a CPU"]
    assert state.step == 0


def test_in_a_world_it_is_asked_for_and_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ERRORS["of a CPU"]

    def out_of_memory(*_: object) -> None:
        raise error

    monkeypatch.setattr(loop, "train_step", out_of_memory)
    state = state_of(tiny.network(), World(0, 2))
    with pytest.raises(OutOfMemory, match=r"a step of 12 pictures in parts of 12 .* try --set accumulate=2, a smaller"):
        loop._step(state, batch_of(12))
    assert state.progress.accumulate == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        NotImplementedError("Could not run 'aten::x' with arguments from the 'Y' backend"),
        RuntimeError("Connection closed by peer [127.0.0.1]:36757"),
        ValueError("out of memory, says somebody else"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_error_passes_through_unchanged(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(tiny.network())
    tried = small(monkeypatch, 1, error)
    with pytest.raises(type(error)) as raised:
        loop._step(state, batch_of(12))
    assert raised.value is error
    assert tried == [12]
    assert state.progress.accumulate == 1


def test_what_a_failed_step_held_is_freed_before_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    forward = ResNet.forward

    def limited(self: ResNet, x: Tensor) -> Tensor:
        alive.append(sum(reference() is not None for reference in held))
        y = forward(self, x)
        if len(x) > 6:
            held.append(weakref.ref(y))
            raise RuntimeError(str(ERRORS["of a CPU"]))
        return y

    state = state_of(tiny.network())
    monkeypatch.setattr(ResNet, "forward", limited)
    loop._step(state, batch_of(12))
    assert (len(held), alive) == (1, [0, 0, 0])
