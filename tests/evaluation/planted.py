"""Answers that nobody gave: logits and labels by chance, about as good and as sure as asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from resnets.data.source import ArraySource
from resnets.evaluation.answers import Answers


def answers(
    count: int = 400, classes: int = 5, *, sure: float = 1.0, skill: float = 2.0, seed: int = 0, several: bool = False
) -> Answers:
    """Answers whose logits are noise, higher by `skill` where a class is there, all of it times `sure`."""
    chance = np.random.default_rng(seed)
    if several:
        labels: Any = chance.random((count, classes)) < np.linspace(0.5, 0.1, classes)
        there = labels
    else:
        labels = chance.integers(0, classes, count)
        there = np.eye(classes, dtype=bool)[labels]
    return of(sure * (chance.normal(size=(count, classes)) + skill * there), labels)


def of(logits: Any, labels: Any, names: Sequence[str] = ()) -> Answers:
    """The answers of these logits (N, C) on these labels (N,), or (N, C) bool."""
    logits, labels = np.asarray(logits, np.float32), np.asarray(labels)
    source = ArraySource(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, "test")
    names = names or [f"class {number}" for number in range(logits.shape[1])]
    return Answers(classes=tuple(names), logits=logits, labels=labels, indices=np.arange(len(labels)), source=source)
