"""Rules about batch normalisation: which statistics it uses, and whether these are worth using."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from resnets.training.doctor.finding import Finding
from resnets.training.doctor.look import Diagnosis, Look, listed, moved
from resnets.training.doctor.probe import Probe
from resnets.training.doctor.thresholds import DRIFTED, FEWEST, PARTED, SMALL_PART, WASHED_OUT

_WORST = 5  # layers that a finding of parted answers names


def parted_answers(look: Look) -> Iterator[Diagnosis]:
    """Find that the same pictures get other answers with the batch's statistics than with the running ones.

    While the rate is high the running statistics lag a little in every layer and healthy answers part for a while;
    so before the end of a run a layer must have drifted far too.
    """
    probe = look.probe
    if probe is None or len(probe.batch) < FEWEST.value or not probe.drifts:
        return
    if look.recipe is not None and look.seen < WASHED_OUT.value:
        return
    apart, over = distance(probe, several=look.several), look.recipe is not None and look.done >= 1
    if apart < PARTED.value or (probe.drifts[0].distance < DRIFTED.value and not over):
        return
    worst = probe.drifts[:_WORST]
    layers = tuple(drift.layer for drift in worst)
    details = "; ".join(
        f"{drift.layer}: means {drift.shift:.2g} deviations apart, variance {drift.ratio:.2g} times the running one"
        for drift in worst[:2]
    )
    says = (
        f"the same {len(probe.batch)} pictures are answered differently in training and in evaluation: "
        f"{apart:.0%} of the probability moves{_right(probe, look)}. The statistics differ most in {details}. "
        "Take them anew from training pictures (--set recalibrate=200), and see that nothing stops their update "
        "and that pictures are prepared alike in training and in evaluation"
    )
    yield Diagnosis(Finding(rule="parted-answers", says=says, layers=layers, step=look.step), apart)


def statistics_at_rest(look: Look) -> Iterator[Diagnosis]:
    """Find running statistics that nothing has ever moved, or that no longer move, though they are meant to."""
    meant = [name for name in look.norms if name not in look.left_alone and look.habits[name].batch]
    untouched = tuple(name for name in meant if _is_initial(look, name))
    before, now = look.before, look.now
    still: tuple[str, ...] = ()
    if before is not None and now is not None and before.step < now.step:
        still = tuple(name for name in meant if not moved(name, before, now))
    layers = untouched or still
    if not layers:
        return
    where = f"{len(layers)} of {len(look.norms)} norms ({listed(layers)})"
    what = "are still those it was built with, mean 0 and variance 1" if untouched else "do not move"
    says = (
        f"the running statistics of {where} {what}, while training normalises with those of the batch: in evaluation "
        "the network will be another one. Let training update them: train() mode, update_statistics=None, a momentum "
        "above 0 (in TensorFlow training=True, and its update operations)"
    )
    yield Diagnosis(Finding(rule="statistics-at-rest", says=says, layers=layers, step=look.step), len(layers))


def no_batch_statistics(look: Look) -> Iterator[Diagnosis]:
    """Find norms that train on their running statistics though nobody froze them."""
    layers = tuple(name for name in look.norms if name not in look.left_alone and not look.habits[name].batch)
    if not layers:
        return
    cause = "the whole network is in evaluation mode, dropout too" if not look.network.training else listed(layers)
    says = (
        f"{len(layers)} of {len(look.norms)} norms train without the statistics of the batch, and nobody froze them: "
        f"{cause}. Call train() before each step, and leave batch_statistics at None; or freeze them on purpose "
        "(--freeze LEVEL)"
    )
    yield Diagnosis(Finding(rule="no-batch-statistics", says=says, layers=layers, step=look.step), len(layers))


def small_parts(look: Look) -> Iterator[Diagnosis]:
    """Find that norms see too few pictures at once."""
    if look.images is None or look.recipe is None or look.recipe.sync_norms:
        return
    count = len(look.images)
    if not 0 < count < SMALL_PART.value or not any(habit.batch for habit in look.habits.values()):
        return
    says = (
        f"the norms see {count} pictures at a time, and statistics of so few are noise (with "
        f"{SMALL_PART.value:.0f} or more they are not). Take a larger --batch-size or a smaller --accumulate, in "
        "several processes --set sync_norms=true; or freeze the norms (--freeze LEVEL)"
    )
    yield Diagnosis(Finding(rule="small-parts", says=says, step=look.step))


def bad_statistics(look: Look) -> Iterator[Diagnosis]:
    """Find running statistics that are no numbers, or variances below zero."""
    bad = []
    for name, norm in look.norms.items():
        assert norm.running_mean is not None and norm.running_var is not None
        good = norm.running_mean.isfinite().all() & norm.running_var.isfinite().all() & (norm.running_var >= 0).all()
        bad += [] if good else [name]
    if bad:
        layers = tuple(bad)
        says = (
            f"the running statistics of {listed(layers)} are not finite, or a variance is below zero: in evaluation "
            "every answer is lost. Go back to a file from before, and train on with a lower --lr or --precision fp32"
        )
        yield Diagnosis(Finding(rule="bad-statistics", says=says, layers=layers, step=look.step), len(layers))


def distance(probe: Probe, *, several: bool) -> float:
    """Return how far apart the two answers are, in [0, 1], the mean over the pictures.

    Total variation of the two softmaxes; with several classes a picture, the class that moved most.
    """
    if several:
        return float((probe.batch.sigmoid() - probe.running.sigmoid()).abs().amax(1).mean())
    return float((probe.batch.softmax(1) - probe.running.softmax(1)).abs().sum(1).mean() / 2)


def _right(probe: Probe, look: Look) -> str:
    labels = look.labels
    if labels is None or labels.ndim != 1:
        return ""
    wanted = labels[: len(probe.batch)].to(probe.batch.device)
    batch, running = (int((logits.argmax(1) == wanted).sum()) for logits in (probe.batch, probe.running))
    return f", and {batch} are right with the batch's statistics and {running} with the running ones"


def _is_initial(look: Look, name: str) -> bool:
    if look.now is None:  # a network alone: look at the numbers
        mean, var = look.norms[name].running_mean, look.norms[name].running_var
        assert mean is not None and var is not None
        return not bool(mean.any()) and bool((var == 1).all())
    ones = look.norms[name].num_features * int(torch.tensor(1.0).view(torch.int32))
    return look.now.prints[f"{name}.running_mean"] == 0 and look.now.prints[f"{name}.running_var"] == ones
