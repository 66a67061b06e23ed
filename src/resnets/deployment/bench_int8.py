"""int8 for a bench: a model quantized as it comes, for its speed; nothing is repaired, and nothing kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from resnets.data.decoding.picture import pixels
from resnets.data.errors import BadImage
from resnets.deployment.labelled import Labelled
from resnets.runtime.artefact import write_onnx, write_openvino
from resnets.runtime.engine import Pictures
from resnets.runtime.fuse import fuse
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.openvino_engine import read_onnx
from resnets.runtime.packaged import Packaged
from resnets.runtime.quantize import quantize
from resnets.weights.modelfile import Model


def quantized(model: Model, labelled: Labelled | None, engine: str, folder: Path, levels: tuple[str, ...] = ()) -> Path:
    """Return an int8 artefact of a model for openvino or onnx, written into `folder`.

    Ranges come from labelled pictures that nothing is judged by. Raises `ValueError` without any, and where what
    quantizes is not installed.
    """
    if labelled is None:
        raise ValueError("int8 takes its ranges from pictures: give --data DATA, or an export of it: --artefact PATH")
    card = model.card
    ranges = _pictures(model, labelled)
    packaged = Packaged(fuse(model.network), card.preprocess, card.calibration.get("temperature", 1.0), levels).eval()
    graph = to_onnx(packaged)
    if engine == "onnx":
        path = folder / "int8.onnx"
        write_onnx(path, quantize(graph, ranges), card, {}, "int8")
        return path
    path = folder / "int8"
    write_openvino(path, quantize(read_onnx(graph), ranges), card, {}, "int8")
    return path


def _pictures(model: Model, labelled: Labelled) -> Pictures:
    """The pictures for ranges as the network is shown them, (N, C, H, W)."""
    source = labelled.parts(labelled.gather(model.card)).ranges
    shown = []
    for index in range(len(source)):
        try:
            shown.append(np.asarray(pixels(source.raw(index), model.card.preprocess)))
        except BadImage:
            continue
    if not shown:
        raise ValueError("none of the pictures for ranges can be read; see resnets check DATA")
    return np.stack(shown)
