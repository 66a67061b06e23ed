"""What two models state differently in their cards, and what that means to who has both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from resnets.spec.card import Card

PARTS = ("architecture", "preprocess", "classes", "calibration", "recipe")
"""Of a card: what two models may state differently."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "stride_on": "1x1 is v1, as in the paper; 3x3 is v1.5, as torchvision builds it, with more MACs",
        "stride_in": "last is Keras's ResNet v2",
        "shortcut": "what crosses a change of shape: options A, B and C of the paper; none is a plain network",
        "projects": "which blocks have a convolution on their shortcut",
        "order": "pre is v2: norm and ReLU before each convolution",
        "padding": "same is TensorFlow's: 0 before and 1 behind where symmetric pads 1 and 1",
        "pool_padding": "where the first pool looks; ceil is Caffe's",
        "pool_fill": "what the first pool meets at the border",
        "conv_bias": "which convolutions have a bias; a norm behind one takes it out again",
        "norm_eps": "changes answers where a channel varies little",
        "head_pooling": "flatten makes the head depend on the size of the picture",
        "size": "what the network is shown, and so its cost",
        "resize": "with the size, how much of a picture the crop leaves",
        "interpolation": "changes every pixel a little",
        "antialias": "without it small pictures are rougher",
        "colour": "another order of channels",
        "mean": "the scale of what enters the network",
        "std": "the scale of what enters the network",
        "temperature": "what logits are divided by; probabilities change, and no answer does",
        "unknown_below": "a less probable answer is given as unknown",
        "coverage": "the share of pictures that were to get an answer",
        "decoding": "fast is within a stated bound of exact, and not the same to the bit",
    }
)
"""What a difference in a fact means to who has both models."""

TASKS = "class: a picture has one class; classes: it may have several"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that two models state differently, and what that means."""

    name: str
    one: Any
    other: Any
    means: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {"fact": self.name, "one": self.one, "other": self.other, "means": self.means}


def stated(one: Card, other: Card) -> dict[str, tuple[Fact, ...]]:
    """Return for each of `PARTS` what two cards state differently."""
    return {
        "architecture": _parted(one.architecture.to_dict(), other.architecture.to_dict()),
        "preprocess": _parted(one.preprocess.to_dict(), other.preprocess.to_dict()),
        "classes": _class_lists(one, other),
        "calibration": _parted(one.calibration, other.calibration),
        "recipe": _recipes(one.origin.get("recipe"), other.origin.get("recipe")),
    }


def only(one: Card, other: Card) -> tuple[list[str], list[str]]:
    """Return the classes that only the one has, and those that only the other has."""
    here, there = set(one.classes), set(other.classes)
    return [name for name in one.classes if name not in there], [name for name in other.classes if name not in here]


def _parted(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Fact, ...]:
    names = dict.fromkeys([*one, *other])
    return tuple(
        Fact(name, one.get(name), other.get(name), MEANINGS.get(name, ""))
        for name in names
        if one.get(name) != other.get(name)
    )


def _recipes(one: object, other: object) -> tuple[Fact, ...]:
    if isinstance(one, dict) and isinstance(other, dict):
        return _parted(one, other)
    if not isinstance(one, dict) and not isinstance(other, dict):
        return ()
    here, there = (its.get("name", "stated") if isinstance(its, dict) else None for its in (one, other))
    return (Fact("recipe", here, there, "one of the two does not say how it was trained"),)


def _class_lists(one: Card, other: Card) -> tuple[Fact, ...]:
    facts = [Fact("task", one.task, other.task, TASKS)] if one.task != other.task else []
    if set(one.classes) != set(other.classes):
        facts.append(Fact("classes", *only(one, other), "what each has and the other lacks"))
    elif one.classes != other.classes:
        facts.append(Fact("order", list(one.classes), list(other.classes), "the same classes: commands go by name"))
    return tuple(facts)
