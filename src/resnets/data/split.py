"""Split: hold some pictures of every class back, the same ones for the same seed."""

from __future__ import annotations

import numpy as np

from resnets.data.errors import DataError
from resnets.data.source import Source


def split(source: Source, held: float | int, seed: int) -> tuple[Source, Source]:
    """Return (rest, held), each with every class in the share it has in `source`, in the source's order.

    `held` is a share in (0, 1) or a number of pictures. Raises `DataError` where a class has one picture
    only, or where either side would have fewer pictures than there are classes.
    """
    from sklearn.model_selection import StratifiedShuffleSplit

    total = len(source)
    classes, counts = np.unique(source.labels, return_counts=True)
    if isinstance(held, bool) or not (0 < held < 1 if isinstance(held, float) else 0 < held < total):
        raise DataError(f"{held} of {total:,} pictures cannot be held back; allowed: 0.1, or a number below {total}")
    count = int(np.ceil(held * total)) if isinstance(held, float) else held
    if counts.min() < 2:
        lonely = classes[counts < 2].tolist()
        raise DataError(f"class {lonely[0]} has one picture, and a split needs two of each class; add one")
    if min(count, total - count) < len(classes):
        raise DataError(
            f"{count} of {total} pictures cannot be split with {len(classes)} classes on each side; "
            f"hold back from {len(classes)} to {total - len(classes)}"
        )
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=count, random_state=seed)
    rest_indices, held_indices = next(splitter.split(np.zeros((total, 1)), source.labels))
    return source.take(np.sort(rest_indices)), source.take(np.sort(held_indices))
