"""Differences: how far two networks part, level by level and answer by answer, added up over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, float64, tensor

from resnets.spec.card import Card

Maps = Mapping[str, Tensor]
"""(N, ...) by name; "logits" is the answer where there is one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two networks part at one level: the largest difference, and its share of the level's largest number."""

    level: str
    largest: float
    relative: float


@dataclass(frozen=True, slots=True)
class Change:
    """A picture that the two answer differently, and what each says."""

    picture: str
    one: str
    other: str


@dataclass(slots=True)
class Tally:
    """What adds up over batches: `ask` gives both networks' maps, `cards` are theirs, where they are models.

    `pictures`, `changed` and `probabilities` are those of `Agreement`.
    """

    ask: Callable[[Tensor], tuple[Maps, Maps]]
    cards: tuple[Card | None, Card | None] = (None, None)
    pictures: int = 0
    largest: dict[str, list[float]] = field(default_factory=dict)  # difference of each batch
    scales: dict[str, list[float]] = field(default_factory=dict)
    changed: list[Change] = field(default_factory=list)
    probabilities: float | None = None

    @property
    def card(self) -> Card | None:
        """The card of the first that is a model."""
        return self.cards[0] or self.cards[1]

    def add(self, batch: Tensor, names: Sequence[str]) -> None:
        """Compare the two on a batch of pictures that are called so; raise `ValueError` as `agreement` does."""
        if not len(batch):
            return
        first, second = self.ask(batch)
        common = [name for name in first if name in second]
        if not common:
            raise ValueError(f"no level in common: {', '.join(first)} and {', '.join(second)}")
        for name in common:
            mine, its = first[name], second[name]
            if mine.shape != its.shape:
                raise ValueError(f"{name} has the shape {tuple(mine.shape)} and {tuple(its.shape)}")
            self.largest.setdefault(name, []).append(float((mine.cpu().double() - its.cpu().double()).abs().max()))
            self.scales.setdefault(name, []).append(float(mine.cpu().double().abs().max()))
        self.pictures += len(batch)
        if "logits" in common:
            self._compare(first["logits"].cpu().double(), second["logits"].cpu().double(), names)

    def levels(self) -> Iterator[Difference]:
        """Yield how far they part at each level, in the first's order."""
        for name, found in self.largest.items():
            # Torch's largest of some numbers is no number where one of them is none; Python's depends on their order.
            largest, scale = (float(tensor(each, dtype=float64).max()) for each in (found, self.scales[name]))
            yield Difference(name, largest, largest / scale if scale else largest)

    def _compare(self, mine: Tensor, its: Tensor, names: Sequence[str]) -> None:
        several = self.card is not None and self.card.task == "classes"
        # What was made of a model says nothing of a temperature: the model's is meant.
        heat = [(card or self.card).calibration.get("temperature", 1.0) if self.card else 1.0 for card in self.cards]
        shares = [
            (logits / each).sigmoid() if several else (logits / each).softmax(1)
            for logits, each in zip((mine, its), heat, strict=True)
        ]
        apart = float((shares[0] - shares[1]).abs().max())
        self.probabilities = float(np.maximum(apart, self.probabilities or 0.0))  # what is no number stays none
        for name, first, second in zip(names, mine, its, strict=True):
            one, other = self._said(first, several), self._said(second, several)
            if one != other:
                self.changed.append(Change(name, one, other))

    def _said(self, logits: Tensor, several: bool) -> str:
        chosen = (logits > 0).nonzero().flatten().tolist() if several else [int(logits.argmax())]
        card = self.card
        return ", ".join(str(index) if card is None else card.classes[index] for index in chosen)
