"""Rules about what learns and what does not, and about what the run waits for."""

from __future__ import annotations

from collections.abc import Iterator

from resnets.net.network import ResNet
from resnets.spec.levels import levels
from resnets.training.doctor.finding import Finding
from resnets.training.doctor.look import Diagnosis, Look, listed, moved
from resnets.training.doctor.thresholds import JUDGED_S, STEPS_TO_MOVE, WAITING


def frozen_moves(look: Look) -> Iterator[Diagnosis]:
    """Find parameters that have no gradient, and running statistics of norms at rest, that are other numbers now."""
    before, now = look.before, look.now
    if before is None or now is None:
        return
    weights = tuple(sorted(name for name in before.frozen & now.frozen if moved(name, before, now)))
    if weights:
        says = (
            f"{len(weights)} parameters that are frozen move: {listed(weights)}. Something else than their gradient "
            "changes them, such as the momentum or the decay of an optimizer that still holds them; make the optimizer "
            "after freezing, of the parameters that learn"
        )
        yield Diagnosis(Finding(rule="frozen-moves", says=says, layers=weights, step=look.step), len(weights))
    at_rest = {name for name in before.resting & now.resting if moved(name, before, now)}
    beside = {name for name in look.norms if _is_frozen(name, look) and moved(name, before, now)}
    statistics = tuple(sorted(at_rest | beside))
    if statistics:
        says = (
            f"the running statistics of {len(statistics)} frozen norms move: {listed(statistics)}. A norm without a "
            "gradient still follows the batch; freeze its statistics too (--freeze LEVEL does, or "
            "update_statistics=False)"
        )
        yield Diagnosis(
            Finding(rule="frozen-moves", says=says, layers=statistics, step=look.step), len(statistics), "statistics"
        )


def frozen_learns(look: Look) -> Iterator[Diagnosis]:
    """Find parameters that the recipe freezes and nobody froze; judged at the first step alone, before any thaw."""
    if look.recipe is None or look.recipe.freeze is None or look.step > 1 or not isinstance(look.network, ResNet):
        return
    if look.recipe.thaw is not None and look.recipe.thaw <= 0:
        return
    inside = frozen_part(look.network, look.recipe.freeze)
    learning = tuple(name for name, p in look.network.named_parameters() if name.startswith(inside) and p.requires_grad)
    if learning:
        says = (
            f"the recipe freezes everything up to {look.recipe.freeze}, and {len(learning)} parameters of it learn: "
            f"{listed(learning)}. Call freeze(network, {look.recipe.freeze!r}) before the optimizer is made"
        )
        yield Diagnosis(Finding(rule="frozen-learns", says=says, layers=learning, step=look.step), len(learning))


def nothing_learns(look: Look) -> Iterator[Diagnosis]:
    """Find a rate of zero, and parameters that are meant to learn and never moved."""
    if look.recipe is not None and look.recipe.lr == 0:
        says = "the learning rate is 0 for the whole run: nothing will be learnt. Give a --lr, such as 0.1 for SGD"
        yield Diagnosis(Finding(rule="nothing-learns", says=says, step=look.step), cause="rate")
        return
    first, now = look.first, look.now
    if first is None or now is None or now.step - first.step < STEPS_TO_MOVE.value:
        return
    meant = [name for name, _ in look.network.named_parameters() if name not in first.frozen | now.frozen]
    still = tuple(name for name in meant if not moved(name, first, now))
    if still:
        says = (
            f"{len(still)} of {len(meant)} parameters that are meant to learn are after {now.step - first.step} steps "
            f"what they were: {listed(still)}. See that the optimizer was made of this network's parameters, after "
            "the last change of its layers, and that the loss depends on them"
        )
        yield Diagnosis(Finding(rule="nothing-learns", says=says, layers=still, step=look.step), len(still))


def data_bound(look: Look) -> Iterator[Diagnosis]:
    """Find that an epoch waits for pictures; not the first, which also starts everything, unless it is the only one."""
    if look.seconds < JUDGED_S.value or (look.epochs < 2 and look.done < 1):
        return
    share = look.waited / look.seconds
    if share < WAITING.value:
        return
    exact = look.recipe is not None and look.recipe.decoding != "fast"
    says = (
        f"{share:.0%} of this epoch ({look.waited:.0f} of {look.seconds:.0f} s) was spent waiting for pictures. "
        f"Decode them once (resnets pack DATA, or --cache FOLDER), {'or faster (--decoding fast), ' if exact else ''}"
        "or give more --workers"
    )
    yield Diagnosis(Finding(rule="data-bound", says=says, step=look.step), share)


def frozen_part(network: ResNet, up_to: str) -> tuple[str, ...]:
    """Return how the names begin of what is frozen up to a level; all that `net.freeze.freeze` touches."""
    names = [name for name in levels(network.plan) if name != "conv1"]
    stages = tuple(f"stages.{number}." for number in range(names.index(up_to)))
    return ("stem.", *stages, *(("norm.",) if up_to == names[-1] else ()))


def _is_frozen(name: str, look: Look) -> bool:
    """Say whether a norm had no gradient both times, though its statistics are those that training updates."""
    assert look.before is not None and look.now is not None
    own = [f"{name}.weight", f"{name}.bias"]
    known = [each for each in own if each in look.now.prints]
    return bool(known) and all(each in look.before.frozen & look.now.frozen for each in known)
