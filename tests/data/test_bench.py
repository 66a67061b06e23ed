"""Bench: every step is measured, and what cannot be decoded is not in the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resnets.data.augmentation.rows import AUGMENTATIONS
from resnets.data.bench import bench
from resnets.data.errors import DataError
from resnets.data.source import FileSource
from resnets.spec.preprocess import Preprocess
from tests import tiny


def test_each_step_has_a_rate(tmp_path: Path) -> None:
    paths = sorted(tiny.write_pictures(tmp_path / "a", each=10, side=40).rglob("*.png"))
    paths[4].write_bytes(b"broken")
    source = FileSource.of(paths, np.zeros(20, np.int64))
    small = Preprocess(size=(16, 16), resize=20)
    rates = list(bench(source, small, AUGMENTATIONS["photos"], batch_size=4, workers=2, pictures=15))
    assert [rate.step for rate in rates] == [
        "first reading, with exact decoding",
        "disk",
        "decode, exact",
        "decode, fast",
        "augment",
        "crop, decode and augment, exact",
        "crop, decode and augment, fast",
        "transfer and normalise",
        "all together, threads",
        "all together, processes",
    ]
    for rate in rates:
        assert 0 < rate.lowest <= rate.rate <= rate.highest
    assert [rate.workers for rate in rates[-3:]] == [1, 2, 2]


def test_a_set_of_which_nothing_can_be_decoded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    source = FileSource.of([tmp_path / "a.png"], np.zeros(1, np.int64))
    with pytest.raises(DataError, match="none of 1 pictures can be decoded; resnets check says what is wrong"):
        list(bench(source, Preprocess(size=(8, 8)), None))
