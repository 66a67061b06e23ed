"""Split: hold pictures back for testing, every class in its share and a group together, the same for the same seed.

What is held depends on the seed and on the pictures in their order, and on nothing else: the same list of pictures in
another order may be split in another way, which is why a run saves its split.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.reading import Reading
from resnets.data.source import Groups, Labels, Source
from resnets.data.splits.balance import balanced

BINS = 10
"""Parts of equal size that numbers are cut into, so that small and large ones are on both sides."""


def split(source: Source, held: float | int, seed: int) -> tuple[Source, Source]:
    """Return (rest, held), each with every class in the share it has in `source`, in the source's order.

    `held` is a share in (0, 1) or a number of pictures. Pictures of one group stay together, and then the numbers are
    as near as the groups allow. Of pictures with several classes each class is kept in its share, the rare ones first
    of all; of numbers, each tenth of their range of quantiles. Raises `DataError` where one class to a picture is
    given and a class has one picture, or one group, only, or where either side would have fewer pictures (or groups)
    than there are classes.
    """
    total = len(source)
    if isinstance(held, bool) or not (0 < held < 1 if isinstance(held, float) else 0 < held < total):
        raise DataError(f"{held} of {total:,} pictures cannot be held back; allowed: 0.1, or a number below {total}")
    count = int(np.ceil(held * total)) if isinstance(held, float) else held
    if source.labels.dtype == np.int64:
        _check_classes(source.labels, count)
        if source.groups is None:
            return _sides(source, _stratified(source.labels, count, seed))
    elif count == total:
        raise DataError(f"{held} of {total:,} pictures leaves none to train on; hold fewer back")
    counts, units = _units(source.labels, source.groups)
    both = _on_both_sides(source, counts)
    size = count if source.groups is None else None
    mask = balanced(counts, count / total, seed, both, size)[units]
    if source.labels.dtype == np.int64:
        _check_sides(source.labels, mask)
    return _sides(source, mask)


def hold_back(source: Source, reading: Reading) -> tuple[Source, Source | None]:
    """Return the pictures to train on and those held back for testing, if any are to be. Raises as `split` does."""
    if reading.test_share is None:
        return source, None
    return split(source, reading.test_share, reading.split_seed)


def describe_split(share: float | None, seed: int, groups: str | None = None) -> str:
    """Return how a split was made, as a run keeps it; `groups` says what its pictures are grouped by."""
    if share is None:
        return "none: every picture is trained on"
    together = f", grouped by {groups}" if groups else ""
    return f"made: {share:.15g} for testing, seed {seed}, stratified{together}"


def shared_groups(dataset: DataSet) -> Names:
    """Return the groups that have pictures both to train and to test on, by name where the data set has names."""
    if dataset.train is None or dataset.test is None or dataset.train.groups is None or dataset.test.groups is None:
        return Names()
    both = np.intersect1d(dataset.train.groups, dataset.test.groups)
    names = dataset.group_names
    return names.take(both) if len(names) else Names(map(str, both))


def _check_classes(labels: Labels, count: int) -> None:
    total = len(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        lonely = classes[counts < 2].tolist()
        raise DataError(
            f"class {lonely[0]} has one picture, and a split needs two of each class; add one, "
            "or hold none back (--read test_share=none)"
        )
    if min(count, total - count) < len(classes):
        raise DataError(
            f"{count} of {total} pictures cannot be split with {len(classes)} classes on each side; "
            f"hold back from {len(classes)} to {total - len(classes)} (--read test_share=SHARE), or none "
            "(--read test_share=none)"
        )


def _stratified(labels: Labels, count: int, seed: int) -> npt.NDArray[np.bool_]:
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(n_splits=1, test_size=count, random_state=seed)
    _, chosen = next(splitter.split(np.zeros((len(labels), 1)), labels))
    mask = np.zeros(len(labels), bool)
    mask[chosen] = True
    return mask


def _sides(source: Source, mask: npt.NDArray[np.bool_]) -> tuple[Source, Source]:
    return source.take(np.flatnonzero(~mask)), source.take(np.flatnonzero(mask))


def _units(labels: Labels, groups: Groups | None) -> tuple[Any, npt.NDArray[np.int64]]:
    """Return counts of units by stratum, a CSR array (U, S + 1), and each picture's unit: (N,)."""
    from scipy.sparse import csr_array, hstack

    total = len(labels)
    strata = hstack([_strata(labels), csr_array(np.ones((total, 1)))], format="csr")
    if groups is None:
        return strata, np.arange(total)
    numbers, units = np.unique(groups, return_inverse=True)
    belongs = csr_array((np.ones(total), (units, np.arange(total))), shape=(len(numbers), total))
    return csr_array(belongs @ strata), units


def _strata(labels: Labels) -> Any:
    """Return which pictures lie in which stratum: a CSR array (N, S) of 0 and 1."""
    from scipy.sparse import csr_array, hstack

    total = len(labels)
    if labels.dtype == np.bool_:
        return csr_array(labels, dtype=np.float64)
    if labels.dtype == np.float32:
        edges = [np.unique(np.quantile(column, np.arange(1, BINS) / BINS)) for column in labels.T]
        bins = [np.searchsorted(edge, column, side="right") for edge, column in zip(edges, labels.T, strict=True)]
        return hstack([_strata(each.astype(np.int64)) for each in bins], format="csr")
    return csr_array((np.ones(total), (np.arange(total), labels)), shape=(total, int(labels.max()) + 1))


def _on_both_sides(source: Source, counts: Any) -> npt.NDArray[np.bool_]:
    """Return the strata that can be on both sides; raise `DataError` for a class that has to be and cannot."""
    units = np.diff(counts.tocsc().indptr)
    if source.groups is not None:
        if units[-1] < 2:
            raise DataError("all pictures are of one group, and a group stays together; give a split, or other groups")
        if source.labels.dtype == np.int64 and (units == 1).any():
            lonely = int(np.flatnonzero(units == 1)[0])
            raise DataError(
                f"all pictures of class {lonely} are of one group, and a group stays together; "
                "add pictures of another group, or give a split"
            )
    return np.asarray(units >= 2)


def _check_sides(labels: Labels, mask: npt.NDArray[np.bool_]) -> None:
    for side, where in ((labels[mask], "test"), (labels[~mask], "train")):
        missing = np.setdiff1d(labels, side)
        if len(missing):
            raise DataError(
                f"the groups leave nothing of class {missing[0]} to {where} on; add pictures of more groups, "
                "or give a split"
            )
