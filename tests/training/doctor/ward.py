"""A ward: small runs of small networks with the doctor beside them, healthy or with something planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from resnets.data.dataset import DataSet
from resnets.data.loader import Batch, Loader
from resnets.data.source import Source
from resnets.data.sources.digits import read_digits
from resnets.net.depth import stochastic_depth
from resnets.net.freeze import freeze, thaw
from resnets.net.network import ResNet, build
from resnets.spec.preprocess import Preprocess
from resnets.training.balance import Balance
from resnets.training.doctor.doctor import Doctor
from resnets.training.doctor.finding import Finding
from resnets.training.loss import losses, targets
from resnets.training.optimizer import optimizer
from resnets.training.recipe import Recipe
from resnets.training.recipes import recipe
from resnets.training.schedule import rate, thawed

PREPROCESS = Preprocess(size=(8, 8), colour="grey", mean=(0.3,), std=(0.37,))
BATCH = 32
CLASSES = tuple("0123456789")

Hook = Callable[[ResNet, int], None]


@cache
def digits() -> DataSet:
    """The built-in digits: 1,437 pictures to train on."""
    return read_digits()


def network(seed: int = 0, **differences: Any) -> ResNet:
    """A ResNet of six convolutions in three stages, a step of which takes some milliseconds."""
    facts = {"blocks": (1, 1, 1), "stem_width": 8, "widths": (8, 16, 32), "in_channels": 1, "num_classes": 10}
    return build("resnet20_cifar", seed=seed, **facts | differences)


def batches(row: Recipe, source: Source | None = None, *, of: int = BATCH) -> Iterator[Batch]:
    """Batches of a source (the digits), augmented as the recipe says, without end."""
    source = digits().train if source is None else source
    assert source is not None
    made = Loader(source, PREPROCESS, batch_size=of, augmentation=row.augment(), seed=row.seed, shuffle=True, workers=0)
    return (batch for epoch in count() for batch in made.epoch(epoch))


@cache
def judged() -> Batch:
    """Pictures nobody learns from: 180 of the digits."""
    test = digits().test
    assert test is not None
    return next(Loader(test, PREPROCESS, batch_size=180, workers=0).epoch(0))


def confusion(patient: ResNet) -> tuple[tuple[int, ...], ...]:
    """confusion[t][p] of the pictures nobody learns from."""
    patient.eval()
    with torch.no_grad():
        answers = patient(judged().images).argmax(1)
    patient.train()
    table = torch.zeros(10, 10, dtype=torch.int64)
    table.index_put_((judged().labels, answers), torch.tensor(1), accumulate=True)
    return tuple(map(tuple, table.tolist()))


def cut(row: Recipe, **differences: Any) -> Recipe:
    """A row for batches of 32, with at most the rate that the paper of ResNets takes for 128."""
    lr = min(row.lr, 0.1)
    facts = {"batch_size": BATCH, "lr": lr, "iterations": None, "held_out": 0, "precision": "fp32"}
    return replace(row, **facts | differences)


def run(
    patient: ResNet,
    row: Recipe | None = None,
    *,
    steps: int = 72,
    epoch: int = 24,
    fresh_head: bool = True,
    source: Source | None = None,
    before: Hook = lambda network, step: None,
    after: Hook = lambda network, step: None,
    through: Callable[[Tensor], Tensor] = lambda logits: logits,
    made: Callable[[ResNet, Recipe], torch.optim.Optimizer] = optimizer,
    of: int = BATCH,
    loss_of: Callable[[float], float] = lambda loss: loss,
    waited: float = 0.0,
    seconds: float = 5.0,
    doctor: Doctor | None = None,
) -> list[Finding]:
    """Train `patient` for `steps` steps and return what the doctor said; `before` and `after` see it at each step.

    `through` is what the answers go through on their way to the loss, `loss_of` what the loss on its way to the doctor.
    """
    row = cut(recipe("digits")) if row is None else row
    if row.freeze:
        freeze(patient, row.freeze)
    if row.stochastic_depth:
        stochastic_depth(patient, row.stochastic_depth)
    doctor = doctor or Doctor(patient, row, CLASSES, fresh_head=fresh_head)
    learner, said, given = made(patient, row), [], batches(row, source, of=of)
    for step in range(1, steps + 1):
        done = (step - 0.5) / steps
        if row.thaw is not None and thawed(row, done):
            thaw(patient)
        batch = next(given)
        for group in learner.param_groups:
            group["lr"] = rate(row, done) * group.get("scale", 1.0)
        torch.manual_seed(row.seed + step)
        patient.train()
        before(patient, step)
        logits = through(patient(batch.images))
        loss = losses(logits, targets(batch), row, Balance()).mean()
        learner.zero_grad()
        loss.backward()
        learner.step()
        after(patient, step)
        said += doctor.step(
            step, float(step), patient, batch.images, batch.labels, logits.detach(), loss_of(loss.item())
        )
        if step % epoch == 0 or step == steps:
            table = confusion(patient)
            said += doctor.epoch(step, step / steps, patient, batch.images, table, waited, seconds)
    return said


def rules(said: list[Finding]) -> set[str]:
    """The rules that were broken."""
    return {finding.rule for finding in said}


def norms_of(patient: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Every batch norm, by name."""
    return {name: norm for name, norm in patient.named_modules() if isinstance(norm, nn.BatchNorm2d)}
