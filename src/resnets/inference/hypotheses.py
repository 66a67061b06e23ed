"""Hypotheses: what a checkpoint may be, where its file does not say, or says what is often untrue of such files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from resnets.spec.preprocess import IMAGENET, Colour, Preprocess
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.identify import Identity, identify
from resnets.weights.provenance import channels_changed


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """A fact that names imply and that files under those names are known to break."""

    fact: str
    implied: Any
    instead: Any
    source: str


DOUBTS = (
    Doubt(
        fact="stride_on",
        implied="3x3",
        instead="1x1",
        source="torchvision's names around the authors' Caffe weights: jwyang/faster-rcnn.pytorch, "
        "resnet101_caffe.pth; mmdetection, open-mmlab://detectron2/resnet50_caffe (style='caffe')",
    ),
    Doubt(
        fact="stride_on",
        implied="1x1",
        instead="3x3",
        source="Detectron's names around torchvision's weights: detectron2, tools/convert-torchvision-to-d2.py",
    ),
    Doubt(
        fact="pool_padding",
        implied="symmetric",
        instead="ceil",
        source="jwyang/faster-rcnn.pytorch, lib/model/faster_rcnn/resnet.py: padding=0, ceil_mode=True",
    ),
    Doubt(
        fact="pool_padding",
        implied="same",
        instead="symmetric",
        source="Matterport's names around Keras' ResNet50 of 2016 without its top",
    ),
)
"""Implied facts that are tried the other way too; colours and their order always are."""

MOST_DEPARTURES = 3
"""Facts in which a network that is tried may differ from the likely one: with many unknown, all pairs and triples."""

SMALL = 64
"""Pixels: a network for pictures up to this side was trained on CIFAR or the like, a larger one on photographs."""

LARGEST_SEEN = 288
"""Pixels: a network for larger pictures than this is probed at ImageNet's 224, which its norms hardly notice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A network that a file may hold. `facts` are those in question; `told` makes `load` build it."""

    identity: Identity
    facts: Mapping[str, Any]
    told: Mapping[str, Any]
    against: tuple[str, ...]  # facts that go against what the names imply


@dataclass(frozen=True, kw_only=True, slots=True)
class Convention:
    """A way from pixels to numbers. `told` makes `load` use it: the name of a row, or a preprocess without one."""

    name: str
    preprocess: Preprocess
    told: str | Preprocess
    against: bool  # whether it goes against what the names imply


def builds(identity: Identity) -> list[Build]:
    """Return the networks that a file may hold, the likely one first."""
    return list(_builds(identity, {}, {}, (), MOST_DEPARTURES))


def _builds(
    identity: Identity, facts: dict[str, Any], told: dict[str, Any], against: tuple[str, ...], departures: int
) -> Iterator[Build]:
    question = next(((n, v) for n in identity.facts if n not in facts and (v := _values(identity, n))), None)
    if question is None:
        yield Build(identity=identity, facts=facts, told=told, against=against)
        return
    name, values = question
    fact = identity.facts[name]
    for value in values:
        is_likely = value == fact.value
        if not is_likely and not departures:
            continue
        if is_likely and fact.how == "implied":
            yield from _builds(identity, facts | {name: value}, told, against, departures)
            continue
        other = _again(identity, told | {name: value})
        if other is not None:
            broken = (*against, name) if fact.how == "implied" else against
            yield from _builds(other, facts | {name: value}, told | {name: value}, broken, departures - (not is_likely))


def _values(identity: Identity, name: str) -> tuple[Any, ...]:
    """What a fact may be, the likely value first; nothing where it is not in question."""
    fact = identity.facts[name]
    if fact.how == "unknown":
        return (fact.value, *(value for value in fact.alternatives if value != fact.value))
    if fact.how == "implied":
        instead = [doubt.instead for doubt in DOUBTS if (doubt.fact, doubt.implied) == (name, fact.value)]
        return (fact.value, *instead) if instead else ()
    return ()


def _again(identity: Identity, told: Mapping[str, Any]) -> Identity | None:
    """The same file with other facts told, or None where it cannot be that."""
    before = {name: fact.value for name, fact in identity.facts.items() if fact.how == "told"}
    if identity.preprocess.how == "told":
        before["preprocess"] = identity.preprocess.value
    try:
        other = identify(identity.path, part=identity.match.prefix or None, told=before | dict(told))
    except ValueError:
        return None
    return other if not other.problems and other.match.dialect == identity.match.dialect else None


def conventions(identity: Identity) -> list[Convention]:
    """Return the ways from pixels to numbers under which a network may have been trained, the likely one first.

    Every row of `PREPROCESSES` that fits its kind of picture, and each with its colours in the other order. Rows
    whose means and deviations nearly agree are one. Size and crop are the likely preprocess's: they are not
    ranked. Raises `ValueError` for a network that takes neither colour nor grey.
    """
    fact, channels = identity.preprocess, identity.architecture.in_channels if identity.architecture else 3
    if channels not in (1, 3):
        raise ValueError(f"{identity.path} takes {channels} channels; pictures give 1 or 3, and no probe is possible")
    likely: Preprocess = fact.value
    allowed = _rows(fact.alternatives or identity.match.dialect.preprocess)
    usual = fact.alternatives if fact.how == "unknown" else ()
    first = next((name for name, row in allowed.items() if alike(row, likely)), "as stated")
    found = [Convention(name=first, preprocess=channels_changed(likely, channels), told=likely, against=False)]
    if fact.how in ("told", "read"):
        return found
    if first in PREPROCESSES:
        found = [replace(found[0], told=first)]
    for name, row in (allowed | _rows(PREPROCESSES)).items():
        _add(found, name, row, likely, channels, against=name not in usual)
    if channels == 3:
        for convention in tuple(found):
            turned = _turned(convention.preprocess)
            _add(found, f"{convention.name} in {turned.colour}", turned, likely, channels, against=True)
    return found


def _rows(names: Any) -> dict[str, Preprocess]:
    return {name: PREPROCESSES[name].preprocess for name in names}


def _add(
    found: list[Convention], name: str, row: Preprocess, likely: Preprocess, channels: int, *, against: bool
) -> None:
    small = max(likely.size) <= SMALL
    if max(row.size) <= SMALL and not small:
        return  # CIFAR's means are no photographs'
    preprocess = channels_changed(coloured(likely, row), channels)
    if any(alike(preprocess, other.preprocess) for other in found):
        return
    named = name in PREPROCESSES and (row.size == likely.size or (not small and row.size == IMAGENET.size))
    told = name if named else preprocess
    found.append(Convention(name=name, preprocess=preprocess, told=told, against=against))


def coloured(geometry: Preprocess, colours: Preprocess) -> Preprocess:
    """Return a preprocess with the size and crop of one and the numbers of another."""
    return replace(geometry, colour=colours.colour, mean=colours.mean, std=colours.std)


def _turned(preprocess: Preprocess) -> Preprocess:
    """The same colours in the other order, each still with its own mean and deviation."""
    other: Colour = "rgb" if preprocess.colour == "bgr" else "bgr"
    return replace(preprocess, colour=other, mean=preprocess.mean[::-1], std=preprocess.std[::-1])


def alike(one: Preprocess, other: Preprocess) -> bool:
    """Say whether two preprocesses make nearly the same numbers: means within 1/255, deviations within 2 %."""
    if one.colour != other.colour:
        return False
    means = zip(_each(one.mean), _each(other.mean), strict=True)
    stds = zip(_each(one.std), _each(other.std), strict=True)
    return all(abs(a - b) < 1 / 255 for a, b in means) and all(0.98 < a / b < 1 / 0.98 for a, b in stds)


def _each(values: tuple[float, ...]) -> tuple[float, ...]:
    return values * 3 if len(values) == 1 else values
