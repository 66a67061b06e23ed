"""Provenance: how pixels became numbers, what the logits mean and who may use them, each with how it is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from resnets.spec.preprocess import Preprocess
from resnets.weights.containers.contents import Contents
from resnets.weights.dialects.configs import config_classes, config_preprocess
from resnets.weights.dialects.deduce import Fact
from resnets.weights.dialects.preprocessing import PREPROCESSES, from_mean_file
from resnets.weights.dialects.stated import stated_classes
from resnets.weights.find import Found
from resnets.weights.hub.row import Row

KNOWN_LISTS = {"imagenet": 1000, "cifar10": 10}
"""Class lists that a rule can imply, and their lengths."""


def preprocess_of(found: Found, row: Row | None, contents: Contents, told: Any) -> Fact:
    """Return the preprocess: told, stated beside the weights, the published row's, the maker's, the dialect's.

    Of a network that takes other channels it is the same rule for those.
    """
    fact, arch = _preprocess_of(found, row, contents, told), found.deduction.architecture
    if arch is None or arch.in_channels == fact.value.channels:
        return fact
    value = channels_changed(fact.value, arch.in_channels)
    return replace(fact, value=value, why=f"{fact.why}; for {arch.in_channels} channels")


def _preprocess_of(found: Found, row: Row | None, contents: Contents, told: Any) -> Fact:
    match, origin = found.match, found.origin
    if told is not None:
        return Fact(preprocess_named(told), "told", "by you")
    stated = config_preprocess(contents.facts)
    if stated:
        return Fact(stated[0], "read", stated[1])
    if row:
        return Fact(row.preprocess, "implied", f"it is {row.name}")
    if origin and origin.preprocess:
        source = PREPROCESSES[origin.preprocess].source
        return Fact(preprocess_named(origin.preprocess), "implied", f"{origin.name}: {source}")
    rows = match.dialect.preprocess
    if not rows:
        return Fact(preprocess_named("imagenet"), "unknown", f"{match.dialect.title} states none", tuple(PREPROCESSES))
    first = preprocess_named(rows[0])
    if all(_colours(preprocess_named(name)) == _colours(first) for name in rows):
        return Fact(first, "implied", PREPROCESSES[rows[0]].source)
    return Fact(first, "unknown", f"{match.dialect.title} has several", rows)


def channels_changed(preprocess: Preprocess, channels: int) -> Preprocess:
    """Return a preprocess for another number of channels: to one, the means' mean; to more, each in turn."""
    if channels == preprocess.channels:
        return preprocess
    if channels == 1:
        means, stds = preprocess.mean, preprocess.std
        return replace(preprocess, colour="grey", mean=(sum(means) / len(means),), std=(sum(stds) / len(stds),))
    cycled = {
        name: tuple(values[index % len(values)] for index in range(channels))
        for name, values in (("mean", preprocess.mean), ("std", preprocess.std))
    }
    return replace(preprocess, colour="rgb" if channels == 3 else "bands", **cycled)  # type: ignore[arg-type]


def preprocess_named(given: Any) -> Preprocess:
    """Return a preprocess that is given itself, by the name of a row, or as a mean file of Caffe.

    Raises `ValueError` for any other name.
    """
    if isinstance(given, Preprocess):
        return given
    if str(given).endswith(".binaryproto"):
        return from_mean_file(Path(given))
    if given not in PREPROCESSES:
        raise ValueError(
            f"no preprocessing is called {given!r}; allowed: {', '.join(PREPROCESSES)}, or a mean file of Caffe "
            "(.binaryproto)"
        )
    return PREPROCESSES[given].preprocess


def classes_of(found: Found, contents: Contents, told: Any) -> Fact:
    """Return the class names, a tuple or the name of a known list; None where nobody says them."""
    architecture = found.deduction.architecture
    count = architecture.classes_out if architecture else None
    if told is not None:
        return Fact(told if isinstance(told, str) else tuple(told), "told", "by you")
    if count is None:
        return Fact(None, "read", "it has no head")
    labels = config_classes(contents.facts)
    if labels and len(labels) == count:
        return Fact(labels, "read", "config.json")
    held, where = stated_classes(contents.facts, count)
    if held:
        return Fact(held, "read", where)
    if where:
        return Fact(None, "unknown", f"the file's {where} do not name its {count} logits one by one")
    origin = found.origin
    implied = origin.classes if origin and origin.classes else found.match.dialect.classes
    if implied and KNOWN_LISTS[implied] == count:
        who = origin.name if origin and origin.classes else found.match.dialect.title
        return Fact(implied, "implied", f"{count} logits in {who}")
    return Fact(None, "unknown", f"{count} logits without names")


def licence_of(found: Found, row: Row | None, contents: Contents) -> Fact:
    """Return the licence: stated beside the weights, or the published row's; names and marks prove none."""
    config = contents.facts.get("config")
    cfg = config.get("pretrained_cfg") if isinstance(config, dict) else None
    if isinstance(cfg, dict) and isinstance(cfg.get("license"), str):
        return Fact(cfg["license"], "read", "config.json, pretrained_cfg")
    if row:
        return Fact(row.licence, "implied", f"it is {row.name}")
    if found.origin and found.origin.licence:
        why = f"the file states none; what {found.origin.name} itself publishes is {found.origin.licence}"
        return Fact(None, "unknown", why)
    dialect = found.match.dialect
    if dialect.licence:
        why = f"the file states none; what {dialect.title} itself publishes is {dialect.licence}"
        return Fact(None, "unknown", why)
    return Fact(None, "unknown", "the file states none")


def _colours(preprocess: Preprocess) -> tuple[Any, ...]:
    return preprocess.colour, preprocess.mean, preprocess.std
