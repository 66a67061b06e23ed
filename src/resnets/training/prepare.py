"""From a request to what a run needs: the network for this data, its preprocessing, the resolved recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from resnets.data.augmentation.rows import check_row
from resnets.data.dataset import DataSet, require_classes
from resnets.data.loader import Loader
from resnets.data.measure import suited_preprocess
from resnets.data.reading import Reading
from resnets.data.source import ArraySource, Source
from resnets.data.splits.split import split
from resnets.data.workers import Kind
from resnets.net.adapt import same_names, with_classes
from resnets.net.depth import stochastic_depth
from resnets.net.freeze import freeze
from resnets.net.network import ResNet, build
from resnets.net.world import World
from resnets.spec.levels import check_input
from resnets.spec.preprocess import Preprocess
from resnets.training.choose import is_trained
from resnets.training.precision import fastest
from resnets.training.recipe import NEED_HELD_OUT, Recipe
from resnets.training.request import Request
from resnets.training.schedule import side
from resnets.weights.load import load

Say = Callable[[str], None]
"""Takes one sentence for the person who is watching."""


HELD_OUT = "held out"
"""What the pictures to validate on are called where they are none of the test's."""

MEASURED = 32
"""Pictures in the batch on which precisions are compared; more would take longer and say the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a run trains on, with what, and how."""

    train: Source
    validation: Source | None
    validation_name: str
    preprocess: Preprocess
    network: ResNet
    origin: str  # name of the row it began from, or sha256 of the model file: never a path
    classes: tuple[str, ...]
    fresh_head: bool  # drawn for this run, and knows nothing yet
    several: bool  # a picture may have several classes


def prepare(dataset: DataSet, asked: Request, *, say: Say) -> Parts:
    """Choose pictures, preprocessing and network; every choice that was not asked for is said aloud.

    Raises `ValueError` where the parts of the request do not fit each other or the pictures.
    """
    start, recipe, differences = asked.model, asked.recipe, asked.facts
    pixels = asked.pixels
    if asked.reading.formats != Reading().formats:
        pixels = {"formats": asked.reading.formats, **pixels}
    require_classes(dataset, several=True)
    if dataset.task == "classes" and recipe.imbalance in ("sampler", "logits"):
        raise ValueError(
            f"imbalance={recipe.imbalance!r} is for one class for each picture, and a picture of {dataset.name} may "
            "have several; allowed: ignore, weights"
        )
    if dataset.task == "classes" and recipe.coverage is not None:
        raise ValueError(
            f"coverage={recipe.coverage:g} is for one class for each picture, and a picture of {dataset.name} may have "
            "several, each of which is answered by itself"
        )
    train, validation, name = pictures(dataset, recipe)
    for field, reason in NEED_HELD_OUT.items():
        if getattr(recipe, field) is not None and name != HELD_OUT:
            raise ValueError(
                f"{field}={getattr(recipe, field):g} needs pictures held out ({reason}), and {recipe.held_out:g} of "
                f"{len(train):,} is less than one for each of {len(dataset.classes)} classes; give a larger --held-out"
            )
    seeded = torch.Generator().manual_seed(recipe.seed)
    origin, fresh_head = start, True
    if is_trained(start):
        network, preprocess, fresh_head = _from_file(start, dataset, differences, seeded, say)
        with open(start, "rb") as file:
            origin = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    else:
        preprocess = suited_preprocess(dataset, asked.reading, differences.get("in_channels"))
        if "in_channels" not in differences:
            differences = {**differences, "in_channels": preprocess.channels}
        facts = {"num_classes": len(dataset.classes)} | differences
        if facts["num_classes"] != len(dataset.classes):
            raise ValueError(
                f"num_classes={facts['num_classes']}, and {dataset.name} has {len(dataset.classes)} classes"
            )
        network = build(start, zero_gamma=recipe.zero_gamma, seed=recipe.seed, **facts)
    if asked.size is not None:
        preprocess = preprocess.at_size(asked.size)
    if pixels.get("fit", "crop") != "crop" and "resize" not in pixels:
        pixels = {**pixels, "resize": None}
    preprocess = Preprocess.from_dict({**preprocess.to_dict(), **pixels})
    if preprocess.channels != network.architecture.in_channels:
        raise ValueError(
            f"{start} takes {network.architecture.in_channels} channels and the pictures have "
            f"{preprocess.channels}; leave in_channels out, or give in_channels={preprocess.channels}"
        )
    check_row(recipe.augment(), preprocess)
    for done in (0.0, 1.0):
        check_input(network.plan, side(recipe, done, preprocess.size))
    check_input(network.plan, preprocess.size)
    if network.architecture.head == "none":
        raise ValueError(f"{start} has no head to train a classifier with; add --set head=linear")
    if recipe.freeze:
        freeze(network, recipe.freeze)
        if start == origin and recipe.thaw is None:
            say(f"{start} is untrained, and nothing up to {recipe.freeze} will ever learn: start from --model FILE")
    if recipe.stochastic_depth:
        stochastic_depth(network, recipe.stochastic_depth)
    network.recompute = recipe.recompute
    return Parts(
        train=train,
        validation=validation,
        validation_name=name,
        preprocess=preprocess,
        network=network,
        origin=origin,
        classes=dataset.classes,
        fresh_head=fresh_head,
        several=dataset.task == "classes",
    )


def resolve_precision(parts: Parts, recipe: Recipe, world: World, say: Say) -> Recipe:
    """Return the recipe with `precision` decided: measured on a part of a batch where it says auto."""
    if recipe.precision != "auto":
        return recipe
    height, width = parts.preprocess.size
    device, share = world.device, recipe.batch_size // recipe.accumulate // world.size
    batch = torch.zeros(max(2, min(share, MEASURED)), parts.preprocess.channels, height, width)
    chosen = fastest(parts.network.to(device), batch)
    say(f"precision {chosen}: the faster of fp32 and bf16 for this network on this {device.type}; --precision fixes it")
    return replace(recipe, precision=chosen)


def pictures(dataset: DataSet, recipe: Recipe) -> tuple[Source, Source | None, str]:
    """Return the pictures to train on, those to validate on, and what the latter are called.

    Where a share is to be held out of so few pictures that not every class would have one in it, none is.
    """
    if dataset.train is None:
        raise ValueError(f"{dataset.name} has no training pictures")
    if not recipe.held_out or recipe.held_out * len(dataset.train) < len(dataset.classes) * (recipe.held_out < 1):
        return dataset.train, dataset.test, "test"
    try:
        held = recipe.held_out if recipe.held_out < 1 else int(recipe.held_out)
        return *split(dataset.train, held, recipe.seed), HELD_OUT
    except ValueError as error:
        raise ValueError(
            f"--held-out {recipe.held_out:g} does not fit the {len(dataset.train):,} training pictures of "
            f"{dataset.name}: {error}"
        ) from None


def loader(parts: Parts, recipe: Recipe, world: World, *, workers: int | None = None, kind: Kind = "threads") -> Loader:
    """Return the training pictures as batches: shuffled, augmented, never a batch of one."""
    return Loader(
        parts.train,
        replace(parts.preprocess, decoding=recipe.decoding),
        batch_size=recipe.batch_size,
        augmentation=recipe.augment(),
        seed=recipe.seed,
        shuffle=True,
        repeats=recipe.repeats,
        balanced=recipe.imbalance == "sampler",
        workers=workers,
        kind=kind,
        rank=world.rank,
        world=world.size,
        device=world.device,
    )


def _from_file(
    start: str, dataset: DataSet, differences: dict[str, Any], generator: torch.Generator, say: Say
) -> tuple[ResNet, Preprocess, bool]:
    fixed = sorted(differences.keys() - {"in_channels", "stem"})
    if fixed:
        raise ValueError(
            f"{start} is a trained network; {', '.join(fixed)} cannot be changed in it, only in_channels and stem=cifar"
        )
    model = load(start, **differences)
    for note in model.card.origin.get("adapted", ()):
        say(f"{start}: {note}")
    channels = model.network.architecture.in_channels
    if isinstance(dataset.train, ArraySource) and dataset.train.channels > channels:
        raise ValueError(
            f"{start} takes {channels} channel and the pictures of {dataset.name} have {dataset.train.channels}: it "
            f"would not see their colour. Add --set in_channels={dataset.train.channels}, or start from a row instead, "
            f"such as --model {model.network.architecture.name}"
        )
    if model.card.classes == dataset.classes:
        return model.network, model.card.preprocess, False
    keep = same_names(model.card.classes, dataset.classes)
    kept = f", {len(keep)} of them kept by name" if keep else ""
    say(
        f"{start} has another list of {len(model.card.classes)} classes: a new head for {len(dataset.classes)} is "
        f"drawn{kept}"
    )
    network = with_classes(model.network, len(dataset.classes), keep=keep, generator=generator)
    return network, model.card.preprocess, True
