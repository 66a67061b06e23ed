"""Race: run hypotheses on a few pictures, and those that are left on all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erf, log, sqrt
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from resnets.inference.evidence import Evidence, View, remembering, see, weigh
from resnets.inference.hypotheses import LARGEST_SEEN, Build, Convention, coloured
from resnets.net.network import ResNet
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.weights.numbers import numbers

Measure = Literal["statistics", "confidence"]

SURE = 0.975
"""Probability that one hypothesis is the better, by the jackknife, from which it is told from another."""

LIKELY = 0.9
"""Probability below which a better hypothesis gives way to one that goes less against the names."""

LEAST_FACTOR = 1.1
"""By which the other's distance must be larger."""

LEAST_HEIGHT = 0.02
"""Share by which the other's answers must be lower."""

FEW = 16
"""Pictures of a first look, at least, and a quarter of all, if there are so many."""

FINALISTS = 6
"""Hypotheses that are run on all pictures, at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A hypothesis: indices of a build and a convention, and how the pictures are cut, which is not ranked."""

    build: int
    convention: int
    view: View


@dataclass(frozen=True, slots=True)
class Lead:
    """How one hypothesis stands to another on the same pictures."""

    gap: float  # of the losses; above 0 the first is better
    sure: float  # probability that it is the better on such pictures
    least: float  # gap from which a difference matters

    @property
    def told_apart(self) -> bool:
        """Say whether the first is the better for sure."""
        return self.sure >= SURE and self.gap >= self.least

    @property
    def near(self) -> bool:
        """Say whether nothing much speaks for the first: what names imply then has it."""
        return self.sure < LIKELY or self.gap < self.least


class Race:
    """Hypotheses, pictures, and the evidence so far.

    Search: every build with the likely convention; the best with every convention; the two best builds with the two
    best conventions; then, as long as the leader changes, everything that differs from it in one thing. All that on
    a quarter of the pictures; those that the leader does not beat there meet again on all of them.
    """

    def __init__(
        self, builds: Sequence[Build], conventions: Sequence[Convention], images: Sequence[Image.Image]
    ) -> None:
        self.builds, self.conventions, self.images = builds, conventions, images
        self.networks = _networks(builds)
        self.norms = len(remembering(self.networks[0]))
        has_head = self.networks[0].head is not None and self.networks[0].architecture.num_classes > 1
        self.measure: Measure | None = "statistics" if self.norms else "confidence" if has_head else None
        self.views: tuple[View, ...] = ("training", "testing") if self.norms else ("testing",)
        self.every = min(4, max(1, len(images) // FEW))
        self.few: dict[Entry, Evidence] = {}
        self.all: dict[Entry, Evidence] = {}
        self._pixels: dict[View, Tensor] = {}

    def run(self) -> list[Entry]:
        """Race, and return the hypotheses best first, those on all pictures before the others."""
        if self.measure is None:
            return [Entry(b, c, "testing") for b in range(len(self.builds)) for c in range(len(self.conventions))]
        view = self.views[0]
        self._look(Entry(build, 0, view) for build in range(len(self.builds)))
        best = self._best(self.few)
        self._look(Entry(best.build, convention, view) for convention in range(len(self.conventions)))
        ranked = self._ranked(self.few)
        two_builds, two_conventions = (
            list(dict.fromkeys(getattr(entry, axis) for entry in ranked))[:2] for axis in ("build", "convention")
        )
        self._look(Entry(b, c, view) for b in two_builds for c in two_conventions)
        leader = None
        while leader != (leader := self._best(self.few)):
            self._look(self._neighbours(leader))
        self._finish()
        return self._ranked(self.all) + [entry for entry in self._ranked(self.few) if entry not in self.all]

    def compare(self, one: Entry, other: Entry) -> Lead:
        """Return how `one` stands to `other`, on all pictures where both were run on all."""
        both = self.all if one in self.all and other in self.all else self.few
        if self.measure is None:
            return Lead(0.0, 0.5, 0.0)
        ours, theirs = both[one], both[other]
        gap = self._loss(theirs) - self._loss(ours)
        if self.measure == "confidence":
            assert ours.heights is not None and theirs.heights is not None
            return Lead(gap, _sure(ours.heights - theirs.heights), LEAST_HEIGHT * abs(self._loss(ours)))
        assert ours.distances is not None and theirs.distances is not None
        # (d' - d) / (d' + d) of each norm: no single norm, nor a distance that happens to be nearly 0, has the say.
        apart = (theirs.distances - ours.distances) / (theirs.distances + ours.distances)
        return Lead(gap, _sure(apart.mean(1)), log(LEAST_FACTOR))

    def same(self, one: Entry, other: Entry) -> bool:
        """Say whether two hypotheses give the very same numbers on these pictures."""
        if self.measure is None or one not in self.few or other not in self.few:
            return False
        ours, theirs = self.few[one], self.few[other]
        pairs = ((ours.distances, theirs.distances), (ours.heights, theirs.heights))
        return all(a is None or b is None or torch.equal(a, b) for a, b in pairs)

    def facts(self, entry: Entry) -> dict[str, Any]:
        """Return what a hypothesis says of each fact in question."""
        way = self.conventions[entry.convention]
        return {**self.builds[entry.build].facts, "preprocess": way.name, "colour": way.preprocess.colour}

    def against(self, entry: Entry) -> tuple[str, ...]:
        """Return the facts in which a hypothesis goes against what names imply."""
        way = self.conventions[entry.convention]
        return (*self.builds[entry.build].against, *(("preprocess",) if way.against else ()))

    def evidence(self, entry: Entry) -> Evidence | None:
        """Return the evidence on the most pictures that a hypothesis was run on."""
        return self.all.get(entry) or self.few.get(entry)

    def _finish(self) -> None:
        """Run on all pictures whatever the leader does not beat, the best first, and its rival in each fact."""
        while len(self.all) < FINALISTS:
            leader = self._best(self.all or self.few)
            left = (entry for entry in self._ranked(self.few) if entry not in self.all)
            entry = next((entry for entry in left if not self.compare(leader, entry).told_apart), None)
            if entry is None:
                break
            self._look_at_all(entry)
        leader = self._best(self.all)
        for name, value in self.facts(leader).items():
            others = (e for e in self._ranked(self.few) if self.facts(e).get(name, value) != value)
            rival = next((entry for entry in others if not self.same(leader, entry)), None)
            if rival is not None:
                self._look_at_all(rival)

    def _neighbours(self, entry: Entry) -> Iterable[Entry]:
        for build in range(len(self.builds)):
            yield Entry(build, entry.convention, entry.view)
        for convention in range(len(self.conventions)):
            yield Entry(entry.build, convention, entry.view)
        for view in self.views:
            yield Entry(entry.build, entry.convention, view)

    def _look(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry not in self.few:
                self.few[entry] = self._weighed(entry, every=self.every)

    def _look_at_all(self, entry: Entry) -> None:
        if entry not in self.all:
            self.all[entry] = self.few[entry] if self.every == 1 else self._weighed(entry, every=1)

    def _weighed(self, entry: Entry, every: int) -> Evidence:
        preprocess = self.conventions[entry.convention].preprocess
        if entry.view not in self._pixels:
            self._pixels[entry.view] = see(self.images, seen(preprocess), entry.view)
        return weigh(self.networks[entry.build], self._pixels[entry.view][::every], preprocess)

    def _loss(self, evidence: Evidence) -> float:
        """The smaller the better: the log of the distance, or the height below 0."""
        if self.measure == "statistics":
            assert evidence.distance is not None
            return log(evidence.distance)
        assert evidence.height is not None
        return -evidence.height

    def _ranked(self, among: Mapping[Entry, Evidence]) -> list[Entry]:
        return sorted(among, key=lambda entry: self._loss(among[entry]))

    def _best(self, among: Mapping[Entry, Evidence]) -> Entry:
        return self._ranked(among)[0]


def _sure(gaps: Tensor) -> float:
    """The probability that a gap is above 0; `gaps` is (1 + N,), of all pictures and without each in turn.

    Tukey's jackknife (Efron and Stein 1981) of the paired difference, taken as normal.
    """
    without = gaps[1:].double()
    if len(without) < 2:
        return 0.5
    deviation = float(((len(without) - 1) * without.var(correction=0)).sqrt())
    gap = float(gaps[0])
    return 0.5 * (1 + erf(gap / deviation / sqrt(2))) if deviation else 0.5 + 0.5 * (gap > 0) - 0.5 * (gap < 0)


def seen(preprocess: Preprocess) -> Preprocess:
    """Return the geometry at which a network is probed: its own, unless that is larger than pays."""
    return preprocess if max(preprocess.size) <= LARGEST_SEEN else coloured(IMAGENET, preprocess)


def _networks(builds: Sequence[Build]) -> list[ResNet]:
    """The networks of all builds, which share their tensors: a build changes strides and pads, and no number.

    Where norms are folded their variance is 1 - eps, so each eps has tensors of its own.
    """
    tensors: dict[float, dict[str, Tensor]] = {}
    networks = []
    for build in builds:
        arch = build.identity.architecture
        assert arch is not None
        if arch.norm_eps not in tensors:
            tensors[arch.norm_eps] = numbers(build.identity)
        with torch.device("meta"):
            network = ResNet(arch)
        network.load_state_dict(tensors[arch.norm_eps], assign=True)
        networks.append(network.eval())
    return networks
