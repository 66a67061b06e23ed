"""Caffe's files, beside OpenCV's reader of them: the same blobs, and the same answer."""

from pathlib import Path

import numpy as np
import pytest

from resnets.weights.containers import caffe
from resnets.weights.containers.contents import array
from tests import caffe_writer

cv2 = pytest.importorskip("cv2", reason="OpenCV, which reads .caffemodel too, is not installed")


@pytest.mark.parametrize("old", [False, True], ids=["shapes", "four sides"])
def test_our_blobs_are_those_that_opencv_reads(old: bool, tmp_path: Path) -> None:
    layers = caffe_writer.small_net()
    (tmp_path / "net.prototxt").write_text(caffe_writer.prototxt(layers, (1, 3, 8, 8)), encoding="utf-8")
    (tmp_path / "net.caffemodel").write_bytes(caffe_writer.caffemodel(layers, old=old))
    theirs = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    ours = {name: array(tensor) for name, tensor in caffe.read(tmp_path / "net.caffemodel").tensors.items()}
    for name, tensor in ours.items():
        layer, _, word = name.rpartition("/")
        if word in ("weight", "bias") and layer != "scale_conv1":
            assert np.array_equal(theirs.getParam(layer, ("weight", "bias").index(word)).ravel(), tensor.ravel()), name
    picture = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    theirs.setInput(picture)
    assert np.allclose(theirs.forward("fc2"), _answer(ours, picture), rtol=1e-4, atol=1e-5)


def _answer(blobs: dict[str, np.ndarray], picture: np.ndarray) -> np.ndarray:
    """The small net with numpy: the mean and the variance as our reader gives them."""
    padded = np.pad(picture, ((0, 0), (0, 0), (1, 1), (1, 1)))
    places = [(row, column) for row in range(0, 8, 2) for column in range(0, 8, 2)]
    patches = np.stack([padded[0, :, row : row + 3, column : column + 3] for row, column in places])
    maps = np.einsum("pckl,ockl->op", patches, blobs["conv1/weight"]) + blobs["conv1/bias"][:, None]
    maps = (maps - blobs["bn_conv1/mean"][:, None]) / np.sqrt(blobs["bn_conv1/variance"][:, None] + 1e-5)
    maps = maps * blobs["scale_conv1/scale"][:, None] + blobs["scale_conv1/bias"][:, None]
    pooled = np.maximum(maps, 0).mean(axis=1)
    return (blobs["fc2/weight"] @ pooled + blobs["fc2/bias"])[None]
