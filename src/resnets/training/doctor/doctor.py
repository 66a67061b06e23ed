"""The doctor: when it looks at a run, at what, and what it has already said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from resnets.net.network import ResNet
from resnets.training.doctor.answers import (
    activation_before_loss,
    class_never_predicted,
    first_loss,
    stuck_loss,
)
from resnets.training.doctor.finding import Finding
from resnets.training.doctor.learning import data_bound, frozen_learns, frozen_moves, frozen_part, nothing_learns
from resnets.training.doctor.look import Confusion, Diagnosis, Look, Losses, Snapshot, snapshot
from resnets.training.doctor.norms import (
    bad_statistics,
    no_batch_statistics,
    parted_answers,
    small_parts,
    statistics_at_rest,
)
from resnets.training.doctor.probe import Probe, habit, norms, probe
from resnets.training.doctor.thresholds import FEWEST, MUCH_WORSE, WASHED_OUT
from resnets.training.recipe import Recipe

Rule = Callable[[Look], Iterator[Diagnosis]]

IN_A_STEP: tuple[Rule, ...] = (
    activation_before_loss,
    first_loss,
    no_batch_statistics,
    small_parts,
    statistics_at_rest,
    bad_statistics,
    frozen_learns,
    frozen_moves,
    nothing_learns,
    parted_answers,
)
"""What is looked for after steps 1, 2, 4, 8 ... of those the doctor sees."""

AFTER_AN_EPOCH: tuple[Rule, ...] = (
    bad_statistics,
    frozen_moves,
    parted_answers,
    stuck_loss,
    class_never_predicted,
    data_bound,
)
"""What is looked for after an epoch."""

IN_A_NETWORK: tuple[Rule, ...] = (activation_before_loss, statistics_at_rest, bad_statistics, parted_answers)
"""What needs no run: a network and some pictures."""

_FIRST = 8  # steps whose mean loss is where a run began


class Doctor:
    """Watches one run of one network, in the process that speaks; changes no tensor, mode or generator.

    It looks after the steps 1, 2, 4, 8 ... it sees and after each epoch. A look is a sum over every parameter;
    from step 64 on, at most once in 64 steps and at the end, also two forward passes over at most 64 pictures.
    What it found is said once in a run, and again when it became twice as bad.
    """

    def __init__(
        self, network: ResNet, recipe: Recipe, classes: tuple[str, ...], *, fresh_head: bool, several: bool = False
    ) -> None:
        self._facts: dict[str, Any] = {
            "recipe": recipe,
            "classes": classes,
            "fresh_head": fresh_head,
            "several": several,
        }
        self._inside = frozen_part(network, recipe.freeze) if recipe.freeze else ()
        self._modes = dict.fromkeys(norms(network), True)  # of the norms, in training
        self._said: dict[tuple[str, str], float] = {}
        self._first: Snapshot | None = None
        self._before: Snapshot | None = None
        self._confusion: Confusion | None = None
        self._seen = self._probed = self._epochs = 0
        self._began: list[float] = []
        self._latest: list[float] = []

    def step(
        self, step: int, seconds: float, network: nn.Module, images: Tensor, labels: Tensor, logits: Tensor, loss: float
    ) -> tuple[Finding, ...]:
        """Look at a run after training step `step` (from 1), and return what is newly found.

        `images` (N, C, H, W) are one part of the batch as the network got them, `labels` (N, ...) theirs, `logits`
        (N, num_classes) what it answered; `loss` is the mean of the whole batch; `seconds` have passed in training.
        """
        self._seen += 1
        if len(self._began) < _FIRST:
            self._began.append(loss)
        self._latest.append(loss)
        if self._seen & (self._seen - 1):
            return ()
        self._modes = {name: norm.training for name, norm in norms(network).items()}
        look = self._look(
            network, step, images, labels=labels, logits=logits.detach(), loss=loss, seconds=seconds, asks=self._due()
        )
        return self._new(IN_A_STEP, look)

    def epoch(
        self,
        step: int,
        done: float,
        network: nn.Module,
        images: Tensor,
        confusion: Confusion | None,
        waited: float,
        seconds: float,
    ) -> tuple[Finding, ...]:
        """Look at a run after an epoch, and return what is newly found.

        `done` is the share of the run that is behind us, `images` the last part of a batch, `confusion[t][p]` counts
        the validation's pictures of class t that were answered p. Of this epoch's `seconds`, `waited` were for
        pictures.
        """
        self._epochs += 1
        look = self._look(
            network,
            step,
            images,
            done=done,
            confusion=confusion,
            confusion_before=self._confusion,
            waited=waited,
            seconds=seconds,
            asks=self._due() or done >= 1,
        )
        self._confusion = confusion or self._confusion
        self._latest = []
        return self._new(AFTER_AN_EPOCH, look)

    def _due(self) -> bool:
        """Say whether the statistics had time to settle, and the last probe is long enough ago to cost little."""
        return self._seen - self._probed >= WASHED_OUT.value

    def _look(self, network: nn.Module, step: int, images: Tensor, *, asks: bool, **seen: Any) -> Look:
        found = norms(network)
        # After an epoch the network may have been evaluated: its modes are remembered, its switches are looked at.
        habits = {name: habit(norm, training=self._modes.get(name, True)) for name, norm in found.items()}
        now = snapshot(network, found, habits, step)
        asked: Probe | None = None
        if asks and len(images) >= FEWEST.value:
            self._probed = self._seen
            with suppress(torch.OutOfMemoryError, MemoryError):  # the run is worth more than a look at it
                asked = probe(network, images, habits)
        look = Look(
            network=network,
            norms=found,
            habits=habits,
            step=step,
            seen=self._seen,
            left_alone=frozenset(
                name for name, norm in found.items() if name.startswith(self._inside) and not norm.weight.requires_grad
            ),
            images=images,
            losses=Losses(first=_mean(self._began), latest=_mean(self._latest)),
            probe=asked,
            first=self._first,
            before=self._before,
            now=now,
            epochs=self._epochs,
            **self._facts,
            **seen,
        )
        self._first, self._before = self._first or now, now
        return look

    def _new(self, rules: tuple[Rule, ...], look: Look) -> tuple[Finding, ...]:
        new = []
        for rule in rules:
            for diagnosis in rule(look):
                key = diagnosis.finding.rule, diagnosis.cause
                if key not in self._said or diagnosis.badness >= MUCH_WORSE.value * self._said[key]:
                    self._said[key] = diagnosis.badness
                    new.append(diagnosis.finding)
        return tuple(new)


def examine(network: nn.Module, images: Tensor, labels: Tensor | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with a network as it is, by what it answers to pictures (N, C, H, W) and by its norms.

    For any network with torch's batch norms that answers with logits (N, num_classes); N of 8 or more says most. The
    pictures should be such as it was trained on, prepared in the same way. With `labels` (N,) the sentences say how
    many are right. Nothing in the network changes. Raises `ValueError` for answers that are no logits.
    """
    found = norms(network)
    habits = {name: habit(norm, training=True) for name, norm in found.items()}
    asked = probe(network, images, habits)
    look = Look(
        network=network, norms=found, habits=habits, images=images, labels=labels, logits=asked.running, probe=asked
    )
    return tuple(diagnosis.finding for rule in IN_A_NETWORK for diagnosis in rule(look))


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)
