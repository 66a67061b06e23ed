"""Verifying: the steps between two checkpoints done again, and compared bit by bit."""

from __future__ import annotations

from dataclasses import replace

import torch

from resnets.data.loader import Loader
from resnets.training import checkpoint
from resnets.training.checkpoint import Progress, Saved
from resnets.training.loop import fit
from resnets.training.parallel import share_buffers
from resnets.training.prepare import Say
from resnets.training.run import RunFolder
from resnets.training.state import Seen, State


class NotRepeated(ArithmeticError):
    """The same steps, done again on this machine, ended in other numbers."""


class _Nobody:
    def step(self, state: State, seen: Seen) -> None:
        """Look away."""

    def epoch(self, state: State) -> None:
        """Look away."""


def verify(state: State, loader: Loader, folder: RunFolder, newest: Saved, say: Say) -> None:
    """Do the steps up to the newest checkpoint again, from the one before it or from the start, and compare.

    The state is changed; it is to be brought back to `newest` afterwards. Raises `NotRepeated`, which names the
    tensors, where a number differs in any bit.
    """
    older = checkpoint.read(folder.state, before=newest.progress.step)
    if older is not None:
        checkpoint.put_back(older, state.modules, state.optimizer)
        if state.scaler is not None:
            state.scaler.load_state_dict(older.progress.scaler)
    start = Progress(accumulate=state.recipe.accumulate, request=newest.progress.request)
    state.progress = start if older is None else replace(older.progress)
    first, last = state.progress.step, newest.progress.step
    say(f"verifying: steps {first + 1} to {last} once more")
    fit(state, loader, _Nobody(), until=last)
    share_buffers(state)  # the checkpoint has the first process's
    again = checkpoint.tensors_of(state.modules, state.optimizer)
    differing = sorted(
        name
        for name in again.keys() | newest.tensors.keys()
        if name not in again or name not in newest.tensors or not _equal(again[name], newest.tensors[name])
    )
    if differing:
        raise NotRepeated(
            f"steps {first + 1} to {last}, done again, differ in {len(differing)} of {len(again)} tensors, the first "
            f"of them {', '.join(differing[:3])}; the run itself is as it was. Equal bits need a CPU, and the threads, "
            "the processes and the torch that the run began with (recipe.json says which)"
        )
    say(f"verified: {last - first} steps done again gave the same bits in all {len(again)} tensors")


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(_bits(one), _bits(other))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(-1).view(torch.uint8)
