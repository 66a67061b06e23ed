"""Preprocessing: the rows say what the codebases do, and a mean file of Caffe is one too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from resnets.net.normalise import normalise
from resnets.weights.dialects.preprocessing import PREPROCESSES, from_mean_file
from tests import caffe_writer

PIXEL = torch.tensor([10.0, 100.0, 200.0]).reshape(1, 3, 1, 1)  # red, green, blue


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ("caffe", (200 - 103.939, 100 - 116.779, 10 - 123.68)),  # keras.applications: preprocess_input, mode "caffe"
        ("inception", (10 / 127.5 - 1, 100 / 127.5 - 1, 200 / 127.5 - 1)),  # mode "tf"
        ("imagenet", ((10 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (200 / 255 - 0.406) / 0.225)),
        ("matterport", (10 - 123.7, 100 - 116.8, 200 - 103.9)),  # mold_image: RGB less MEAN_PIXEL
        ("detectron", (200 - 103.53, 100 - 116.28, 10 - 123.675)),
        ("unit", (10 / 255, 100 / 255, 200 / 255)),
    ],
)
def test_a_pixel_becomes_what_the_codebase_makes_of_it(row: str, seen: tuple[float, float, float]) -> None:
    numbers = normalise(PIXEL, PREPROCESSES[row].preprocess).flatten()
    torch.testing.assert_close(numbers, torch.tensor(seen), rtol=1e-4, atol=1e-3)


def test_a_mean_file_is_caffes_preprocess_with_its_own_mean(tmp_path: Path) -> None:
    mean = np.stack([np.full((4, 5), value, np.float32) for value in (104.0, 117.0, 123.0)])[None]
    mean[0, 0, 0, 0] += 20  # one place in twenty: its mean is 105
    (tmp_path / "mean.binaryproto").write_bytes(caffe_writer.blob(mean))
    found = from_mean_file(tmp_path / "mean.binaryproto")
    assert found.colour == "bgr"
    assert [value * 255 for value in found.mean] == pytest.approx([105, 117, 123])
    assert found.std == PREPROCESSES["caffe"].preprocess.std
