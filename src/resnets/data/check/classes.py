"""Classes: how many pictures each has, whether the splits agree, and what is wrong with their names."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from resnets.data.check.findings import SPLITS, TEST, TRAIN, Finding, Found, Pictures
from resnets.data.dataset import DataSet
from resnets.data.natural import natural_order
from resnets.data.source import Source

IMBALANCE = 10.0
"""Pictures of the largest class for each of the smallest."""

DRIFT_CHANCE = 0.001
"""Below it the classes' shares in the two splits differ by more than chance."""

DRIFT_STRENGTH = 0.1
"""Cramér's V below which a difference, though no chance, is too small to matter."""

FEWEST_EXPECTED = 5.0
"""Pictures of a class, expected in a split, for which the chi-square approximation holds (Cochran, 1954)."""


def counts(source: Source | None, classes: int) -> npt.NDArray[np.int64]:
    """Return how many pictures each class has: (C,); zeros without a source, or with numbers to predict."""
    if source is None or source.labels.dtype.kind == "f":
        return np.zeros(classes, np.int64)
    if source.labels.dtype.kind == "b":
        return np.asarray(source.labels.sum(axis=0, dtype=np.int64))
    return np.bincount(source.labels, minlength=classes)


def find_classes(dataset: DataSet, empty: frozenset[str]) -> Found:
    """Return what the class counts show; classes in `empty`, whose folder is reported already, are passed over."""
    found = Found()
    table = np.stack([counts(source, len(dataset.classes)) for source in (dataset.train, dataset.test)])
    if dataset.task == "numbers" or not table.size:
        return found
    both = dataset.train is not None and dataset.test is not None
    where = TRAIN if dataset.train is not None else TEST
    lonely = set()
    for place, name in enumerate(dataset.classes):
        train, test = table[:, place].tolist()
        if name in empty:
            continue
        if not train + test:
            found.findings.append(Finding("empty-class", "it has no pictures", places=(name,)))
        elif both and not (train and test):
            lacking = SPLITS[TEST if train else TRAIN]
            found.findings.append(Finding("missing-class", f"there are none in {lacking}", places=(name,)))
        elif table[where, place] == 1 and dataset.train is not None:
            lonely.add(place)
            found.findings.append(Finding("single-picture", "it has one picture to train on", places=(name,)))
    _imbalance(dataset, table[where], lonely, found)
    if both and dataset.task == "class":
        _drift(table, found)
    return found


def _imbalance(dataset: DataSet, of: npt.NDArray[np.int64], lonely: set[int], found: Found) -> None:
    present = [place for place in np.nonzero(of)[0].tolist() if place not in lonely]
    if len(present) < 2:
        return
    large, small = max(present, key=lambda p: of[p]), min(present, key=lambda p: of[p])
    said = f"{dataset.classes[large]} has {of[large]:,} and {dataset.classes[small]} {of[small]:,}"
    if of[large] > IMBALANCE * of[small]:
        reason = f"{said}, {of[large] / of[small]:.0f} times as many"
        found.findings.append(Finding("imbalance", reason, places=(dataset.classes[small], dataset.classes[large])))
    elif of[large] == of[small]:
        found.information.append(f"Each of the {len(present):,} classes has {of[large]:,} pictures.")
    else:
        found.information.append(f"The largest of the {len(present):,} classes and the smallest: {said}.")


def _drift(table: npt.NDArray[np.int64], found: Found) -> None:
    """A chi-square test of the class counts in both splits; classes too small for it are counted as one."""
    from scipy.special import chdtrc

    total = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / max(1, total)
    large = expected.min(axis=0) >= FEWEST_EXPECTED
    rest = table[:, ~large].sum(axis=1, keepdims=True)
    kept = np.concatenate([table[:, large], rest], axis=1) if rest.any() else table[:, large]
    expected = kept.sum(axis=1, keepdims=True) * kept.sum(axis=0, keepdims=True) / max(1, total)
    if kept.shape[1] < 2 or expected.min() < FEWEST_EXPECTED:
        found.information.append("There are too few pictures to say whether the splits have the same class shares.")
        return
    statistic = float(((kept - expected) ** 2 / expected).sum())
    chance = float(chdtrc(kept.shape[1] - 1, statistic))
    strength = float(np.sqrt(statistic / total))
    if chance < DRIFT_CHANCE and strength >= DRIFT_STRENGTH:
        reason = f"chi-square {statistic:.1f}, by chance in {chance:.1g} of all splits; Cramér's V {strength:.2f}"
        found.findings.append(Finding("drift", reason))


def find_names(classes: tuple[str, ...]) -> Found:
    """Return what is wrong with the names of class folders."""
    found = Found()
    natural = natural_order(set(classes))
    if natural != sorted(classes):
        first = next(
            place for place, (one, other) in enumerate(zip(natural, sorted(classes), strict=True)) if one != other
        )
        reason = f"number {first} is {natural[first]} by number and {sorted(classes)[first]} as text"
        found.findings.append(Finding("class-order", reason, places=tuple(natural[:4])))
    alike: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        alike[re.sub(r"[\s_\-]+", " ", name).strip().casefold()].append(name)
    for names in alike.values():
        if len(names) > 1:
            found.findings.append(Finding("alike-classes", " and ".join(map(repr, names)), places=tuple(names)))
    return found


def find_groups(pictures: Pictures) -> Found:
    """Return the groups whose pictures stand in both splits, each with all its pictures."""
    found = Found()
    train, test = pictures.dataset.train, pictures.dataset.test
    if train is None or test is None or train.groups is None or test.groups is None:
        return found
    for group in np.intersect1d(train.groups, test.groups).tolist():
        training = np.nonzero(train.groups == group)[0].tolist()
        testing = (np.nonzero(test.groups == group)[0] + pictures.starts[TEST]).tolist()
        names = pictures.dataset.group_names
        called = names[group] if group < len(names) else str(group)
        reason = f"group {called}: {len(training):,} pictures in training and {len(testing):,} in test"
        found.findings.append(Finding("group-across-splits", reason, (*training, *testing), out=tuple(training)))
    return found
