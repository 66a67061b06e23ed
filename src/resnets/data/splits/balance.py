"""Balance: choose units (pictures, or groups of pictures) so that every stratum gets nearly its share.

A unit is a row of counts: how many of its pictures lie in each stratum. With h what is held of a stratum, n all of it
and s the share, the cost of a choice is the sum over the strata of (h - s n)^2 / n, so that a rare class weighs as
much as a common one. The units are taken in the order of their size, the largest first and equal ones at random, each
to the side that costs less so far; then single units change sides, and pairs change places, as long as that helps.
The idea is that of scikit-learn's StratifiedGroupKFold, for two sides of any share and with the second step; for
pictures with several classes it does the work of iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011,
"On the stratification of multi-label data").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_STEPS = 300
"""Units that may change sides after the first pass; it leaves little to mend, and each step looks at all of them."""

MOST_PAIRED = 1_000
"""Units up to which pairs are tried; of more there are always single ones that fit."""

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def balanced(counts: Any, share: float, seed: int, both: Mask, size: int | None = None) -> Mask:
    """Return which units are held: (U,) bool, a function of the arguments and of nothing else.

    `counts` is a scipy CSR array (U, S) of float64 whose last column is the size of each unit. Strata marked in `both`
    (S,) get something on either side, where that can be. `size`: exactly so many are held; for units of size 1.
    """
    choice = _Choice(counts, share, both)
    choice.take(_first_pass(counts, choice.weights, share, _order(counts, seed)))
    for column in np.flatnonzero(both):
        choice.mend(int(column))
    for _ in range(MOST_STEPS):
        if not choice.improve():
            break
    while size is not None and choice.held.sum() != size:
        choice.resize(bool(choice.held.sum() > size))
    return choice.held


def _order(counts: Any, seed: int) -> npt.NDArray[np.int64]:
    """Return the units, the largest first, equal ones at random: by the raw bits of Philox, which NumPy keeps."""
    chance = np.random.Philox(seed).random_raw(counts.shape[0])
    return np.lexsort((chance, -_last_column(counts)))


def _last_column(counts: Any) -> Floats:
    return np.asarray(counts[:, [-1]].todense(), np.float64).ravel()


def _first_pass(counts: Any, weights: Floats, share: float, order: npt.NDArray[np.int64]) -> Mask:
    """Return the choice made one unit after the other, each to the side that costs less so far."""
    starts, columns, amounts = counts.indptr.tolist(), counts.indices.tolist(), counts.data.tolist()
    weight, excess = weights.tolist(), [0.0] * counts.shape[1]  # held so far, less the share of what was seen
    held = np.zeros(counts.shape[0], bool)
    for unit in order.tolist():
        places = range(starts[unit], starts[unit + 1])
        cost = 0.0
        for place in places:
            amount = amounts[place]
            excess[columns[place]] -= share * amount
            cost += weight[columns[place]] * amount * (2 * excess[columns[place]] + amount)
        if cost < 0:
            held[unit] = True
            for place in places:
                excess[columns[place]] += amounts[place]
    return held


class _Choice:
    """Which units are held, and what a change would cost."""

    def __init__(self, counts: Any, share: float, both: Mask) -> None:
        self.counts, self.both = counts, both
        self.totals: Floats = np.asarray(counts.sum(axis=0), np.float64).ravel()
        self.weights = 1 / np.maximum(self.totals, 1)
        self.wanted = share * self.totals
        self.alone: Floats = counts.power(2) @ self.weights  # what a unit costs by itself
        self.held = np.zeros(counts.shape[0], bool)
        self.amounts = np.zeros(counts.shape[1])  # held in each stratum

    def take(self, held: Mask) -> None:
        self.held, self.amounts = held, np.asarray(held @ self.counts, np.float64)

    def costs(self) -> Floats:
        """Return by how much the cost grows when one unit changes sides: (U,)."""
        pull = self.counts @ (self.weights * (self.amounts - self.wanted))
        return np.asarray(2 * np.where(self.held, -1, 1) * pull + self.alone, np.float64)

    def improve(self) -> bool:
        """Make the change that helps most; return False where none does."""
        costs = self.costs()
        for unit in _cheapest(costs):
            if costs[unit] > -1e-9:
                break
            if self._allowed([unit]):
                self._move([unit])
                return True
        return len(costs) <= MOST_PAIRED and self._exchange(costs)

    def _exchange(self, costs: Floats) -> bool:
        inside, outside = np.flatnonzero(self.held), np.flatnonzero(~self.held)
        shared = (self.counts[inside] * self.weights[None, :]) @ self.counts[outside].T
        pairs = costs[inside][:, None] + costs[outside] - 2 * np.asarray(shared.todense())
        for place in _cheapest(pairs.ravel()):
            if pairs.flat[place] > -1e-9:
                break
            pair = [int(inside[place // len(outside)]), int(outside[place % len(outside)])]
            if self._allowed(pair):
                self._move(pair)
                return True
        return False

    def mend(self, column: int) -> None:
        """Where a stratum lies on one side only, move the unit of it that costs least."""
        if 0 < self.amounts[column] < self.totals[column] or not self.totals[column]:
            return
        has = np.asarray(self.counts[:, [column]].todense()).ravel() > 0
        costs = np.where(has, self.costs(), np.inf)
        for unit in _cheapest(costs, int(has.sum())):
            if self._allowed([unit], mended=column):
                self._move([unit])
                return

    def resize(self, fewer: bool) -> None:
        """Move the cheapest unit out of what is held, or into it; one that empties a stratum only if all do."""
        costs = np.where(self.held == fewer, self.costs(), np.inf)
        there = int((self.held == fewer).sum())
        allowed = (unit for unit in _cheapest(costs, min(there, 100)) if self._allowed([unit]))
        self._move([next(allowed, int(costs.argmin()))])

    def _after(self, units: list[int]) -> Floats:
        signs = np.where(self.held[units], -1.0, 1.0)
        return np.asarray(self.amounts + signs @ self.counts[units], np.float64)

    def _allowed(self, units: list[int], mended: int | None = None) -> bool:
        """Whether a change leaves something on either side of every stratum that has it now, and of `mended`."""
        needed = self.both & (self.amounts > 0) & (self.amounts < self.totals)
        if mended is not None:
            needed[mended] = True
        after = self._after(units)[needed]
        return bool(((after > 0) & (after < self.totals[needed])).all())

    def _move(self, units: list[int]) -> None:
        self.amounts = self._after(units)
        self.held[units] ^= True


def _cheapest(costs: Floats, most: int = 100) -> Iterator[int]:
    """Yield places, the cheapest first; equal ones in their order."""
    if len(costs) > 4 * most:
        edge = np.partition(costs, most)[most]
        places = np.flatnonzero(costs <= edge)
    else:
        places = np.arange(len(costs))
    yield from map(int, places[np.argsort(costs[places], kind="stable")][:most])
