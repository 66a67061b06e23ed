"""Caffe's files in the authors' naming, beside OpenCV's importer: every level, the logits and the probabilities."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from resnets.spec.variants import architecture
from resnets.weights.load import load
from tests import caffe_writer
from tests.agreement.compare import our_outputs
from tests.agreement.files import assert_computes
from tests.agreement.rows import Size
from tests.caffe_writer import Blob, Layer
from tests.goldens import Outputs, picture, relative_error

Record = Callable[[str, object], None]
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
FACTOR = np.float32(0.99)
"""What each BatchNorm's sums are divided by: Caffe keeps it beside them, and it is not 1."""

SIZES: dict[int, tuple[Size, ...]] = {
    50: ((224, 224), (64, 64), (97, 65), (66, 71)),
    101: ((64, 64),),
    152: ((33, 32),),
}


class Prototxt:
    """The authors' ResNet-50, -101 or -152, layer by layer, with random numbers (KaimingHe/deep-residual-networks)."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.chance = np.random.default_rng(depth)
        self.layers: list[Layer] = []
        # ResNet-50 was published with a bias in conv1 that the others have not.
        x = self.unit("data", "conv1", "_conv1", 3, 64, kernel=7, pad=3, stride=2, bias=depth == 50, relu="conv1_relu")
        x = self.add("pool1", "Pooling", [x], {"pool": "MAX", "kernel_size": 3, "stride": 2})
        channels = 64
        for stage, (count, width) in enumerate(zip(BLOCKS[depth], (64, 128, 256, 512), strict=True), 2):
            for block in range(count):
                letter = "abc"[block] if count == 3 else f"b{block}" if depth > 50 and block else "abcdef"[block]
                x = self.block(x, f"{stage}{letter}", channels, width, 2 if block == 0 and stage > 2 else 1, block == 0)
                channels = 4 * width
        x = self.add("pool5", "Pooling", [x], {"pool": "AVE", "kernel_size": 7, "stride": 1})
        weights = [self.normal(1000, channels, scale=0.05), self.normal(1000, scale=0.2)]
        x = self.add("fc1000", "InnerProduct", [x], {"num_output": 1000}, weights)
        self.add("prob", "Softmax", [x], {})

    def block(self, x: str, name: str, channels: int, width: int, stride: int, projects: bool) -> str:
        shortcut = x
        if projects:
            shortcut = self.unit(x, f"res{name}_branch1", f"{name}_branch1", channels, 4 * width, stride=stride)
        residual = x
        for part, before, after, step, kernel in (
            ("2a", channels, width, stride, 1),
            ("2b", width, width, 1, 3),
            ("2c", width, 4 * width, 1, 1),
        ):
            conv, norm = f"res{name}_branch{part}", f"{name}_branch{part}"
            relu = f"{conv}_relu" if part != "2c" else None
            residual = self.unit(
                residual, conv, norm, before, after, kernel=kernel, pad=kernel // 2, stride=step, relu=relu
            )
        x = self.add(f"res{name}", "Eltwise", [shortcut, residual], {"operation": "SUM"})
        return self.relu(x, f"res{name}_relu")

    def unit(
        self,
        x: str,
        conv: str,
        norm: str,
        before: int,
        after: int,
        *,
        kernel: int = 1,
        pad: int = 0,
        stride: int = 1,
        bias: bool = False,
        relu: str | None = None,
    ) -> str:
        """Convolution, BatchNorm, Scale and perhaps ReLU, the last three in place."""
        blobs = [self.normal(after, before, kernel, kernel, scale=(1.4 / (before * kernel**2)) ** 0.5)]
        blobs += [self.normal(after, scale=0.2)] if bias else []
        settings = {"num_output": after, "kernel_size": kernel, "pad": pad, "stride": stride, "bias_term": bias}
        x = self.add(conv, "Convolution", [x], settings, blobs)
        mean, variance = self.normal(after, scale=0.2), self.chance.uniform(0.5, 1.5, after).astype(np.float32)
        sums = [mean * FACTOR, variance * FACTOR, np.array([FACTOR])]
        self.in_place(x, f"bn{norm}", "BatchNorm", {"use_global_stats": True, "eps": 1e-5}, sums)
        scale = [self.chance.uniform(0.5, 1.2, after).astype(np.float32), self.normal(after, scale=0.2)]
        self.in_place(x, f"scale{norm}", "Scale", {"bias_term": True}, scale)
        return self.relu(x, relu) if relu else x

    def relu(self, x: str, name: str) -> str:
        return self.in_place(x, name, "ReLU", {})

    def add(
        self, name: str, kind: str, bottoms: list[str], settings: dict[str, Any], blobs: list[Blob] | None = None
    ) -> str:
        self.layers.append(Layer(name, kind, bottoms, [name], blobs or [], settings))
        return name

    def in_place(self, x: str, name: str, kind: str, settings: dict[str, Any], blobs: list[Blob] | None = None) -> str:
        self.layers.append(Layer(name, kind, [x], [x], blobs or [], settings))
        return x

    def normal(self, *shape: int, scale: float) -> Blob:
        return (self.chance.normal(size=shape) * scale).astype(np.float32)


@dataclass(frozen=True)
class CaffeSide:
    """A net of Caffe in files, as OpenCV reads it."""

    depth: int
    folder: Path
    layers: list[Layer]

    @property
    def model(self) -> Path:
        return self.folder / "theirs.caffemodel"

    def outputs(self, x: np.ndarray[Any, Any]) -> Outputs:
        """(1, 3, H, W) -> every level, the logits and the probabilities."""
        layers = self.layers
        if x.shape[-2:] != (224, 224):  # the authors' pool of 7x7 is the whole map at 224 alone
            everywhere = {"pool": "AVE", "global_pooling": True}
            layers = [replace(layer, settings=everywhere) if layer.name == "pool5" else layer for layer in layers]
        prototxt = self.folder / "theirs.prototxt"
        prototxt.write_text(caffe_writer.prototxt(layers, x.shape), encoding="utf-8")
        net = cv2.dnn.readNetFromCaffe(str(prototxt), str(self.model))
        net.enableFusion(False)
        net.setInput(x)
        last = {4: {50: "f", 101: "b22", 152: "b35"}, 3: {50: "d", 101: "b3", 152: "b7"}}
        ends = {f"C{stage}": f"res{stage}{last.get(stage, {}).get(self.depth, 'c')}_relu" for stage in (2, 3, 4, 5)}
        names = {"conv1": "conv1_relu", "C1": "pool1"} | ends | {"logits": "fc1000", "prob": "prob"}
        maps = net.forward([*names.values()])
        return {level: np.array(map_) for level, map_ in zip(names, maps, strict=True)}


@pytest.fixture(scope="module", params=BLOCKS)
def theirs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaffeSide]:
    folder = tmp_path_factory.mktemp("caffe")
    side = CaffeSide(request.param, folder, Prototxt(request.param).layers)
    side.model.write_bytes(caffe_writer.caffemodel(side.layers))
    yield side
    side.model.unlink()


def test_what_caffe_saves_loads(theirs: CaffeSide, record_property: Record) -> None:
    loaded = load(theirs.model)
    assert loaded.card.architecture == architecture(f"resnet{theirs.depth}_caffe")
    assert (loaded.card.preprocess.colour, loaded.card.preprocess.std) == ("bgr", (1 / 255,))
    for size in SIZES[theirs.depth]:
        x = picture((1, 3, *size))
        outputs = theirs.outputs(x)
        probabilities = outputs.pop("prob")
        record_property("files: Caffe to us, through OpenCV", assert_computes(loaded.network, x, outputs))
        logits = our_outputs(loaded.network, x)["logits"]
        softmax = np.exp(logits - logits.max())
        assert relative_error(softmax / softmax.sum(), probabilities) < 1e-4
