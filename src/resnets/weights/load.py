"""Load: any file of the family as a `Model`, whole, or a refusal that says what would work."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Literal

from resnets.net.adapt import same_names, with_classes, with_in_channels, with_small_stem
from resnets.net.initialise import initialise
from resnets.net.network import ResNet
from resnets.spec.card import Card
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights import modelfile
from resnets.weights.class_lists import class_names
from resnets.weights.hub.known import local
from resnets.weights.identify import Identity, identify
from resnets.weights.modelfile import Model
from resnets.weights.numbers import numbers
from resnets.weights.provenance import channels_changed
from resnets.weights.refusals import refuse_other_network, refuse_problems, refuse_unknown


def load(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    in_channels: int | None = None,
    stem: Literal["cifar"] | None = None,
    network: str | None = None,
    part: str | None = None,
    told: Mapping[str, Any] | None = None,
    allow_partial: bool = False,
) -> Model:
    """Read a model file, or any checkpoint of the family, in evaluation mode on the CPU.

    `classes`, `in_channels` and `stem` adapt it: a new head that keeps the rows of classes with the same name; the
    first convolution, mean and std by the rule of `net.adapt`; a 3x3 stem for small pictures. `network` is what you
    take the file for (a row such as "resnet50"), refused if it is another. `part` chooses among several
    networks in one file. `told` states facts that the file does not: fields of an `Architecture`, `preprocess` (a name
    of `dialects.preprocessing` or a `Preprocess`), `classes` (names of its logits). Every tensor must match, or
    with `allow_partial` the rest is drawn anew and a warning gives the coverage.

    Raises `FileNotFoundError`, or `ValueError` saying what the file is, what was asked, which tensors matter and
    what to type.
    """
    path = local(path)
    model = modelfile.load(path) if modelfile.is_model_file(path) else None
    if model is None:
        identity = _as_asked(identify(path, part=part, told=told), network, part, told)
        model = _from(identity, network, allow_partial)
    elif told or part:
        raise ValueError(f"{path} is a model file: its card states every fact, and none can be told otherwise")
    elif network is not None and network != model.card.architecture.name:
        _check_row(network)
        raise ValueError(f"{path} is {model.card.architecture.name}, and {network} was asked; leave the name out")
    return _adapted(model, classes, in_channels, stem)


def _as_asked(identity: Identity, network: str | None, part: str | None, told: Mapping[str, Any] | None) -> Identity:
    """The same file, what it leaves open filled from the row that it is taken for."""
    unknown = identity.found.deduction.unknown
    if network is None or not unknown:
        return identity
    _check_row(network)
    row = {name: getattr(VARIANTS[network], name) for name in unknown}
    return identify(identity.path, part=part, told=row | dict(told or {}))


def _from(identity: Identity, network: str | None, allow_partial: bool) -> Model:
    if network is not None:
        _check_row(network)
        refuse_other_network(identity, network)
    if identity.problems and not (allow_partial and len(identity.parts) == 1 and identity.architecture):
        refuse_problems(identity)
    if identity.unknown:
        refuse_unknown(identity)
    arch = identity.architecture
    assert arch is not None
    tensors = numbers(identity)
    shapes = plan(arch).tensors()
    built = ResNet(arch)
    origin: dict[str, Any] = {"checkpoint": _origin(identity)}
    if len(tensors) < len(shapes):
        initialise(built)
        read = [name for name in tensors if name in identity.match.keys]
        covered = sum(prod(shapes[name]) for name in read) / sum(map(prod, shapes.values()))
        origin["coverage"] = covered
        warnings.warn(
            f"{identity.path}: {len(read)} of {len(shapes)} tensors, {covered:.1%} of the numbers, came from the "
            "file; the rest is freshly drawn",
            stacklevel=4,
        )
    broken = [identity.match.keys.get(name, name) for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ValueError(
            f"{identity.path} holds numbers that are not finite in {len(broken)} tensors ({', '.join(broken[:3])}); "
            "such a training has diverged: take an earlier checkpoint"
        )
    missing, unexpected = built.load_state_dict(tensors, strict=False)
    assert not unexpected, unexpected
    assert len(missing) == len(shapes) - len(tensors), missing
    names = class_names(identity.classes.value, arch.num_classes) if arch.classes_out is not None else ()
    card = Card(architecture=arch, classes=names, preprocess=identity.preprocess.value, origin=origin)
    return Model(built.eval(), card)


def _origin(identity: Identity) -> dict[str, Any]:
    """Where the numbers came from, without a path or a clock: equal files make equal cards."""
    files = [identity.path] if identity.path.is_file() else sorted(identity.path.iterdir())
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            with file.open("rb") as opened:
                while piece := opened.read(1 << 20):
                    digest.update(piece)
    return {
        "sha256": digest.hexdigest(),
        "container": identity.contents.container,
        "dialect": identity.match.dialect.name,
        "licence": identity.licence.value,
        "not_read": {name: fact.how for name, fact in sorted(identity.facts.items()) if fact.how != "read"}
        | {"preprocess": identity.preprocess.how, "classes": identity.classes.how},
    }


def _adapted(model: Model, classes: Sequence[str] | None, in_channels: int | None, stem: str | None) -> Model:
    """The named adaptations, each noted in the card."""
    network, card = model.network, model.card
    notes: list[str] = []
    if classes is not None and tuple(classes) != card.classes:
        names = tuple(classes)
        if len(set(names)) != len(names):
            raise ValueError("classes must differ; a name stands more than once")
        keep = same_names(card.classes, names)
        network = with_classes(network, len(names), keep=keep)
        notes.append(f"a head for {len(names)} classes, {len(keep)} of them kept by name")
        card = replace(card, architecture=network.architecture, classes=names, calibration={})
    if in_channels is not None and in_channels != network.architecture.in_channels:
        if in_channels < 1:
            raise ValueError(f"in_channels={in_channels} is not possible; allowed: a whole number from 1")
        network = with_in_channels(network, in_channels)
        notes.append(f"the first convolution from {model.network.architecture.in_channels} to {in_channels} channels")
        card = replace(
            card, architecture=network.architecture, preprocess=channels_changed(card.preprocess, in_channels)
        )
    if stem is not None and stem != network.architecture.stem:
        if stem != "cifar":
            raise ValueError(f"stem={stem!r} is not possible; allowed: 'cifar', the small 3x3 stem")
        network = with_small_stem(network)
        notes.append("the 7x7 stem cut to 3x3")
        card = replace(card, architecture=network.architecture)
    if not notes:
        return model
    return Model(network.eval(), replace(card, origin=card.origin | {"adapted": notes}))


def _check_row(network: str) -> None:
    if network not in VARIANTS:
        architecture(network)  # raises, with the nearest names
