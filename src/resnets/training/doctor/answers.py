"""Rules about what comes out: activations before the loss, the loss, and the classes that are answered."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.training.doctor.finding import Finding
from resnets.training.doctor.look import Diagnosis, Look
from resnets.training.doctor.thresholds import (
    BY_CHANCE,
    ENOUGH_LOGITS,
    ENOUGH_STEPS,
    HALF,
    LEARNT,
    LOSS_BESIDE,
    OF_A_CLASS,
    RARE,
    ROW_SUM,
    SPREAD,
    STUCK,
    ZEROS,
)

_NAMED = 3  # classes that get a finding each; more are one finding


def activation_before_loss(look: Look) -> Iterator[Diagnosis]:
    """Find that the loss is given probabilities, or anything else but logits."""
    if look.logits is None or len(look.logits) < 2 or look.logits.shape[1] < 2:
        return
    what = activation(look.logits.float())
    if what:
        says = (
            f"the loss is given what comes out of a {what}, not logits: it takes the softmax itself, so a network that "
            f"is sure and right still pays, and learns slowly. Take the {what} off the end of the network"
        )
        yield Diagnosis(Finding(rule="activation-before-loss", says=says, step=look.step))


def activation(logits: Tensor) -> str:
    """Return which activation these rows (N, num_classes) have been through; "" for logits."""
    least, enough = float(logits.min()), logits.numel() >= ENOUGH_LOGITS.value
    if least >= 0 and bool(((logits.sum(1) - 1).abs() < ROW_SUM.value).all()):
        return "softmax"
    if float(logits.max()) <= 0 and bool(((logits.exp().sum(1) - 1).abs() < ROW_SUM.value).all()):
        return "log-softmax"
    if enough and least > 0 and float(logits.max()) <= 1:
        return "sigmoid"
    if enough and least == 0 and float(logits.max()) > 0 and float((logits == 0).float().mean()) >= ZEROS.value:
        return "ReLU"
    return ""


def first_loss(look: Look) -> Iterator[Diagnosis]:
    """Find that a freshly drawn head does not begin by knowing nothing: log(classes) nats, or log 2 for each class.

    What logits of that size cost anyone who knows nothing is allowed for, as deep networks without zero-gamma
    begin with large ones.
    """
    recipe, logits, labels = look.recipe, look.logits, look.labels
    if not look.fresh_head or look.step > 1 or recipe is None or logits is None or labels is None or not len(logits):
        return
    logits = logits.float()
    classes, deviation = logits.shape[1], float(logits.std())
    bce = recipe.loss == "bce" or look.several
    nothing = log(2) if bce else log(classes)
    known = "log 2" if bce else f"log({classes})"
    of_logits = _binary(logits, labels) if bce else float((logits.logsumexp(1) - logits.mean(1)).mean())
    if of_logits - nothing > SPREAD.value:
        says = (
            f"the first loss is {look.loss:.3g}, where knowing nothing costs {known} = {nothing:.3g}: the logits "
            f"scatter by {deviation:.3g} before anything is learnt. Normalise the pictures, draw the head with smaller "
            "weights, or start each block as the identity (--set zero_gamma=true)"
        )
        yield Diagnosis(Finding(rule="first-loss", says=says, step=look.step))
        return
    beside = look.loss - of_logits
    room = LOSS_BESIDE.value + 2 * deviation
    weighted = recipe.imbalance == "weights"  # the few pictures of a batch may weigh any much
    if not weighted and (beside > room or (beside < -room and recipe.imbalance != "logits")):
        says = (
            f"the first loss is {look.loss:.3g}, where knowing nothing costs {known} = {nothing:.3g} and these logits "
            f"{of_logits:.3g}. Look at how it is made: the mean over pictures and not their sum, labels from 0 to "
            f"{classes - 1}, logits and not probabilities"
        )
        yield Diagnosis(Finding(rule="first-loss", says=says, step=look.step))


def stuck_loss(look: Look) -> Iterator[Diagnosis]:
    """Find that half of the run taught nothing."""
    recipe = look.recipe
    if not look.fresh_head or recipe is None or look.several or recipe.loss != "cross_entropy":
        return
    if look.done < HALF.value or look.seen < ENOUGH_STEPS.value or recipe.imbalance != "ignore":
        return
    nothing = log(max(len(look.classes), 2))
    if look.losses.latest >= STUCK.value * min(nothing, look.losses.first):
        says = (
            f"the loss did not fall: {look.losses.first:.3g} in the first steps, {look.losses.latest:.3g} now, and "
            f"knowing nothing costs log({len(look.classes)}) = {nothing:.3g}. See that labels belong to their pictures "
            f"(resnets check DATA), then try another --lr, such as {recipe.lr / 10:.2g}"
        )
        yield Diagnosis(Finding(rule="stuck-loss", says=says, step=look.step))


def class_never_predicted(look: Look) -> Iterator[Diagnosis]:
    """Find classes that are there in validation and that no picture is ever taken for.

    A class of n pictures is missed by chance alone with probability (1 - a)^n, where a is the mean share of right
    answers of a class. What is less likely than a thousandth (over all classes) is a finding: twice in a row in the
    second half of a run, or at its end. Where the other classes are not answered well either the run is merely
    unfinished, unless the class is a rare one: those are what a run forgets.
    """
    if look.confusion is None or look.done < HALF.value or look.several:
        return
    absent = _absent(look.confusion)
    if look.done < 1:
        absent = (
            {}
            if look.confusion_before is None
            else {k: absent[k] for k in absent.keys() & _absent(look.confusion_before)}
        )
    names = {k: look.classes[k] if k < len(look.classes) else str(k) for k in sorted(absent)}
    advice = (
        "Look at its pictures (resnets check DATA); if it is rare, weigh it (--imbalance weights, sampler or logits); "
        "if the loss still falls, train longer"
    )
    if len(names) > _NAMED:
        shown = ", ".join(list(names.values())[:_NAMED])
        says = f"{len(names)} of {len(look.confusion)} classes are never answered in validation: {shown} ... {advice}"
        yield Diagnosis(Finding(rule="class-never-predicted", says=says, step=look.step), len(names), "many")
        return
    for k, name in names.items():
        says = f"no picture is ever taken for {name!r}, though validation has {absent[k]} of it. {advice}"
        yield Diagnosis(Finding(rule="class-never-predicted", says=says, step=look.step), cause=name)


def _absent(confusion: tuple[tuple[int, ...], ...]) -> dict[int, int]:
    """Number of each class that is never answered, though it should be -> its pictures."""
    table = torch.tensor(confusion, dtype=torch.float64)
    there, answered = table.sum(1), table.sum(0) > 0
    right = table.diagonal() / there.clamp(min=1)
    if not bool((there > 0).any()):
        return {}
    others = right[answered & (there > 0)]
    learnt = len(others) >= len(there) / 2 and float(others.mean()) >= LEARNT.value
    missed = 1 - min(float(right[there > 0].mean()), 0.95)
    rare = RARE.value * float(there.mean())
    found = {}
    for k, count in enumerate(there.int().tolist()):
        by_chance = missed**count * len(there) >= BY_CHANCE.value
        if not answered[k] and count >= OF_A_CLASS.value and not by_chance and (learnt or count < rare):
            found[k] = count
    return found


def _binary(logits: Tensor, labels: Tensor) -> float:
    shown = labels if labels.ndim == 2 else F.one_hot(labels.long(), logits.shape[1])
    return float(F.binary_cross_entropy_with_logits(logits, shown.to(logits)))
