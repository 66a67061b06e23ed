"""Identity in words: one paragraph, and a table of its facts with how each is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.weights.dialects.deduce import Fact
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.identify import Identity
from resnets.weights.refusals import called

GENERATIONS = {
    ("pre", "bottleneck"): "pre-activation (v2)",
    ("pre", "basic"): "pre-activation (v2)",
    ("post", "basic"): "post-activation",
}
STRIDES = {"1x1": "v1, stride on the first 1x1", "3x3": "v1.5, stride on the 3x3"}


def paragraph(identity: Identity) -> str:
    """Return what the file is as one paragraph of sentences."""
    arch = identity.architecture
    sentences = [f"{identity.path.name} ({identity.contents.container}):"]
    if arch is None:
        sentences.append(f"Names like those of {identity.match.dialect.title}, and no network that is known.")
    else:
        generation = GENERATIONS.get((arch.order, arch.block)) or STRIDES[arch.stride_on]
        stem = {"imagenet": "7x7 stem", "deep": "stem of three 3x3", "cifar": "3x3 stem without a pool"}[arch.stem]
        head = f"{arch.num_classes} classes" if arch.classes_out else "no head"
        sentences.append(
            f"{called(arch, identity.unknown)}, {generation}: blocks {', '.join(map(str, arch.blocks))}, {stem}, "
            f"{arch.in_channels} input "
            f"channels, {head}, {identity.parameters:,} parameters."
        )
    under = f", under {identity.match.prefix!r}" if identity.match.prefix else ""
    sentences.append(f"Its names are those of {identity.match.dialect.title}{under}.")
    if identity.row:
        tested = identity.row.tested[0]
        accuracy = f", {tested.top1:g} % top-1 as published" if tested.top1 is not None else ""
        sentences.append(f"It is {identity.row.name}{accuracy}.")
    if identity.origin:
        sentences.append(f"Origin: {identity.origin.name} ({identity.origin.mark}).")
    sentences.append(_pixels(identity.preprocess))
    sentences.append(_names(identity.classes))
    sentences.append(_licence(identity.licence))
    if identity.match.aside:
        parts = ", ".join(f"{part} ({count} tensors)" for part, count in identity.match.aside.items())
        sentences.append(f"Set aside: {parts}.")
    sentences += [f"{note[0].upper()}{note[1:]}." for note in identity.found.notes]
    if identity.contents.not_run:
        named = ", ".join(identity.contents.not_run[:5])
        sentences.append(f"It names code that was not run: {named}.")
    if identity.problems:
        sentences.append(f"It cannot be loaded as it is: {'; '.join(identity.problems)}.")
    elif identity.unknown:
        sentences.append(f"Unknown, and the numbers depend on it: {', '.join(identity.unknown)}; see below.")
    return " ".join(sentences)


def card_paragraph(path: Path, card: Card) -> str:
    """Return what a model file of ours says of itself."""
    arch = card.architecture
    classes = f"{len(card.classes)} classes ({', '.join(card.classes[:3])}, ...)" if card.classes else "no head"
    classes += ", any number of them for a picture" if card.task == "classes" else ""
    calibrated = ", ".join(f"{name} {number:g}" for name, number in card.calibration.items())
    origin = ", ".join(f"{name}: {value}" for name, value in sorted(card.origin.items()) if isinstance(value, str))
    return (
        f"{path.name}: a model file of resnets. {arch.name}, {arch.in_channels} input channels, {classes}. Pixels: "
        f"{_brief(card.preprocess)}. Calibration: {calibrated or 'none'}. Origin: {origin or 'not stated'}. Every "
        "fact is read from its card."
    )


def fact_lines(identity: Identity) -> list[tuple[str, str, str, str]]:
    """Return (fact, value, how it is known, why) for every fact, the unknown first."""
    facts: dict[str, Fact] = {
        **identity.facts,
        "preprocess": identity.preprocess,
        "classes": identity.classes,
        "licence": identity.licence,
    }
    order = ("unknown", "told", "implied", "read")
    listed = sorted(facts.items(), key=lambda item: order.index(item[1].how))
    return [(name, _value(name, fact), fact.how, fact.why) for name, fact in listed]


def _value(name: str, fact: Fact) -> str:
    if fact.how == "unknown" and fact.alternatives:
        return " | ".join(map(str, fact.alternatives))
    if isinstance(fact.value, Preprocess):
        return _row_name(fact.value)
    if name == "classes" and isinstance(fact.value, tuple):
        return f"{len(fact.value)} names: {', '.join(fact.value[:3])}, ..."
    if isinstance(fact.value, tuple):
        return ", ".join(map(str, fact.value)) or "none"
    return str(fact.value)


def _row_name(preprocess: Preprocess) -> str:
    known = [name for name, row in PREPROCESSES.items() if row.preprocess == preprocess]
    return known[0] if known else _brief(preprocess)


def _brief(preprocess: Preprocess) -> str:
    numbers: Any = lambda values: ", ".join(f"{value:.4g}" for value in values)  # noqa: E731
    return (
        f"{preprocess.colour}, {preprocess.size[0]}x{preprocess.size[1]}, mean {numbers(preprocess.mean)}, "
        f"std {numbers(preprocess.std)}"
    )


def _pixels(fact: Fact) -> str:
    if fact.how == "unknown":
        return f"How pixels become numbers is not in the file: {' or '.join(map(str, fact.alternatives))}."
    return f"Pixels: {_brief(fact.value)} ({fact.how}: {fact.why})."


def _names(fact: Fact) -> str:
    if isinstance(fact.value, tuple):
        return f"Class names: {len(fact.value)} ({fact.how}: {fact.why})."
    if fact.value:
        return f"Class names: those of {fact.value} ({fact.how}: {fact.why})."
    return f"Class names: none ({fact.why})."


def _licence(fact: Fact) -> str:
    return f"Licence: {fact.value} ({fact.how}: {fact.why})." if fact.value else f"Licence: unknown ({fact.why})."
