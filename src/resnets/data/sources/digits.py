"""Digits: the 1,797 handwritten digits that scikit-learn carries, 8x8 pixels in grey; no download."""

from __future__ import annotations

import numpy as np

from resnets.data.dataset import DataSet, fingerprint_arrays
from resnets.data.source import ArraySource
from resnets.data.splits.split import split

TEST_SHARE = 0.2


def read_digits() -> DataSet:
    """Return the digits, split 80/20 the same way every time: 1,437 to train on, 360 to test on.

    The UCI set's test half (Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits"). Its grey
    goes from 0 to 16 and is scaled to 0..255.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    classes = tuple(map(str, range(10)))
    whole = ArraySource(pixels, digits.target.astype(np.int64), "digits")
    train, test = split(whole, TEST_SHARE, seed=0)
    return DataSet(
        name="digits",
        classes=classes,
        train=train,
        test=test,
        fingerprint=fingerprint_arrays(classes, [whole]),
    )
