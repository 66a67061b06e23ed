"""How X becomes pictures: rows, arrays and paths, by a rule that is fixed once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.source import ArraySource
from resnets.estimator.pictures import Layout, as_paths, layout_of


def pixels(given: Any, **how: Any) -> Any:
    source = layout_of(given, how.get("image_shape"), how.get("value_range")).source(given)
    assert isinstance(source, ArraySource)
    return source.pixels


def test_rows_fill_the_smallest_square_from_the_top() -> None:
    seen = pixels(np.array([[10, 20, 30, 40, 50]], np.uint8))
    assert seen[0, :, :, 0].tolist() == [[10, 20, 30], [40, 50, 0], [0, 0, 0]]


@pytest.mark.parametrize(("features", "side"), [(2, 2), (4, 2), (5, 3), (9, 3), (10, 4), (784, 28)])
def test_the_square_is_the_smallest(features: int, side: int) -> None:
    assert layout_of(np.zeros((1, features), np.uint8), None, None).shape == (side, side, 1)


def test_rows_are_of_the_shape_that_is_told() -> None:
    rows = np.arange(24, dtype=np.uint8).reshape(2, 12)
    assert (pixels(rows, image_shape=(2, 2, 3)) == rows.reshape(2, 2, 2, 3)).all()
    assert (pixels(rows, image_shape=(3, 4)) == rows.reshape(2, 3, 4, 1)).all()


def test_bytes_stay_as_they_are_and_others_go_from_black_to_white() -> None:
    small = np.array([[[0, 100], [7, 9]]])
    assert (pixels(small.astype(np.uint8))[..., 0] == small).all()
    assert pixels(small / 100.0)[0, :, :, 0].tolist() == [[0, 255], [18, 23]]
    assert pixels(small / 100.0, value_range=(0, 2))[0, :, :, 0].tolist() == [[0, 128], [9, 11]]
    assert (pixels(np.full((1, 2, 2), 3.5)) == 0).all()


def test_the_range_is_that_of_the_training_pictures_whatever_comes_later() -> None:
    layout = layout_of(np.array([[0.0, 16.0]]), None, None)
    assert (layout.low, layout.high, layout.is_learnt) == (0.0, 16.0, True)
    later = layout.source(np.array([[8.0, 99.0]]))
    assert isinstance(later, ArraySource)
    assert later.pixels[0, 0, :, 0].tolist() == [128, 255]
    as_bytes = layout.source(np.array([[8, 16]], np.uint8))
    assert isinstance(as_bytes, ArraySource)
    assert as_bytes.pixels[0, 0, :, 0].tolist() == [128, 255]


def test_a_range_that_was_stated_is_not_left() -> None:
    layout = layout_of(np.array([[0.0, 1.0]]), None, (0, 1))
    with pytest.raises(ValueError, match="X goes from 0 to 255, and the estimator takes 0 to 1"):
        layout.source(np.array([[0.0, 255.0]]))


def test_a_layout_is_plain_values() -> None:
    layout = layout_of(np.zeros((2, 4, 6, 3)), None, None)
    assert asdict(layout) == {"kind": "pictures", "shape": (4, 6, 3), "low": 0.0, "high": 1.0, "is_learnt": True}
    assert Layout(**asdict(layout)) == layout


def test_paths_are_known_in_lists_and_arrays() -> None:
    wanted = ["a/b.png", "c.png"]
    assert as_paths([Path("a/b.png"), "c.png"]) == as_paths(np.array(wanted)) == wanted
    assert as_paths(np.array(wanted, object)) == wanted
    assert as_paths([1.0, 2.0]) is as_paths([[1, 2]]) is as_paths(np.zeros(3)) is None
