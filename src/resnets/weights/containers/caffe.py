"""Caffe: the blobs of a .caffemodel by layer, and a mean file; both are protobuf (caffe.proto of BVLC/caffe).

What is parsed are names and sizes, at most a million fields and 8 MB of text (`protobuf.Budget`), below 256 MB of
memory in all; the numbers are fetched one blob at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from resnets.files.errors import FileError
from resnets.files.protobuf import FIXED32, FIXED64, LENGTH, VARINT, Budget, Field, Message, outline
from resnets.weights.containers.caffe_words import SETTINGS, SLOTS, V1_TYPES
from resnets.weights.containers.contents import MOST_TENSORS, Contents, Stored, array, check_tensor
from resnets.weights.containers.mapped import mapped
from resnets.weights.containers.packed import Packed

MOST_LAYERS = 20_000


def looks_like(head: bytes) -> bool:
    """Say whether a file that starts so may be a .caffemodel: a net's name, inputs and then its layers."""
    seen = outline(head)
    return {*seen} <= _NET_FIELDS and bool({*seen} & {(2, LENGTH), (3, LENGTH), (100, LENGTH)})


def looks_like_mean(head: bytes) -> bool:
    """Say whether a file that starts so may be a mean file: the sides of a blob, then its numbers."""
    seen = outline(head)
    return {*seen} <= _BLOB_FIELDS and bool({*seen} & {(5, LENGTH), (8, LENGTH)}) and len({*seen}) > 1


_NET_FIELDS = {(number, LENGTH) for number in (1, 2, 3, 4, 6, 8, 100)} | {(number, VARINT) for number in (4, 5, 7)}
_BLOB_FIELDS = {(number, VARINT) for number in (1, 2, 3, 4)} | {(number, LENGTH) for number in (5, 7, 8)}


def read(path: Path) -> Contents:
    """Return the blobs of a .caffemodel, named "layer/weight" where its layer type gives them a word, else "layer/0".

    A BatchNorm's mean and variance come divided by the factor that is stored beside them, as Caffe uses them.
    Facts: "net", "layers" (name and type of each, in order), "inputs" (name -> shape) and "settings" (layer ->
    stride, eps, ...), as far as the file says them. Raises `FileError` for anything else than a .caffemodel.
    """
    try:
        return _read_net(path)
    except FileError as error:
        raise FileError(f"{path} is not read as a .caffemodel: {error}") from None


def read_mean(path: Path) -> Contents:
    """Return the one tensor of a mean file, "mean" (1, C, H, W), in the order of channels it was computed in (BGR)."""
    try:
        blob = _blob(Message(mapped(path), Budget()))
        if len(blob.shape) != 4:
            raise FileError(f"its shape is {blob.shape}, and a mean's is (1, channels, height, width)")
        return Contents(container="caffe mean", tensors={"mean": blob.stored(path, "mean")})
    except FileError as error:
        raise FileError(f"{path} is not read as a mean file of Caffe: {error}") from None


@dataclass(slots=True)
class _Blob:
    """A blob as far as its header says: its numbers, and its shape, filled in front with ones in older files."""

    floats: Packed = field(default_factory=lambda: Packed(FIXED32))
    doubles: Packed = field(default_factory=lambda: Packed(FIXED64))
    shape: tuple[int, ...] = ()

    def stored(self, path: Path, name: str, rank: int | None = None) -> Stored:
        """Return the blob as a tensor; leading sides of 1 are dropped down to `rank` sides."""
        shape = self.shape
        while rank is not None and len(shape) > rank and shape[0] == 1:
            shape = shape[1:]
        # Caffe prefers the doubles where there are any.
        dtype, numbers = ("F64", self.doubles) if self.doubles.size else ("F32", self.floats)
        check_tensor(name, dtype, shape)
        made = Stored(dtype, shape, partial(numbers.read, path))
        if made.size != numbers.size:
            raise FileError(f"blob {name[:100]!r} of shape {shape} takes {made.size:,} bytes, and has {numbers.size:,}")
        return made


def _blob_in(found: Field) -> _Blob:
    found.budget.take_fields(20)  # an empty one takes two bytes in the file, and six hundred here
    return _blob(found.message())


def _blob(message: Message) -> _Blob:
    blob = _Blob()
    sides = dict.fromkeys((1, 2, 3, 4), 0)
    is_old = True
    for found in message:
        match found.number:
            case 5:
                blob.floats.add(found)
            case 8:
                blob.doubles.add(found)
            case 7:
                blob.shape = tuple(_dims(found))
                is_old = False
            case 1 | 2 | 3 | 4:
                sides[found.number] = found.integer()
    if is_old:
        blob.shape = tuple(sides.values())
    return blob


def _dims(found: Field) -> list[int]:
    return [side for inner in found.message() if inner.number == 1 for side in inner.integers()]


@dataclass(slots=True)
class _Layer:
    name: str = ""
    type: str = ""
    blobs: list[_Blob] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    input_shapes: list[list[int]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


def _layer(message: Message) -> _Layer:
    layer = _Layer()
    for found in message:
        match found.number:
            case 1:
                layer.name = found.text()
            case 2:
                layer.type = found.text()
            case 4:
                layer.tops.append(found.text())
            case 7:
                layer.blobs.append(_blob_in(found))
            case 143:
                layer.input_shapes += [_dims(inner) for inner in found.message() if inner.number == 1]
            case number if number in SETTINGS:
                layer.settings = dict(_settings(found.message(), SETTINGS[number]))
    return layer


def _v1_layer(message: Message) -> _Layer:
    layer = _Layer()
    for found in message:
        match found.number:
            case 1:
                raise FileError("its layers are of Caffe's first form (V0), which upgrade_net_proto_binary renews")
            case 4:
                layer.name = found.text()
            case 5:
                number = found.integer()
                layer.type = V1_TYPES.get(number, str(number))
            case 6:
                layer.blobs.append(_blob_in(found))
            case 10:
                layer.settings = dict(_settings(found.message(), SETTINGS[106]))
    return layer


def _settings(message: Message, words: dict[int, str]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that have a word; the last of a repeated one stands for all, as they are equal in practice."""
    for found in message:
        if found.number in words:
            is_number = found.wire == FIXED32
            value = found.floats() if is_number else found.integers()
            if value:
                yield words[found.number], round(value[0], 12) if is_number else value[0]


def _read_net(path: Path) -> Contents:
    budget = Budget()
    net, names, shapes, sides = "", list[str](), list[list[int]](), list[int]()
    layers: list[_Layer] = []
    readers: dict[int, Callable[[Message], _Layer]] = {100: _layer, 2: _v1_layer}
    for found in Message(mapped(path), budget):
        match found.number:
            case 1:
                net = found.text()
            case 3:
                names.append(found.text())
            case 4:
                sides += found.integers()
            case 8:
                shapes.append(_dims(found))
            case 100 | 2:
                layers.append(readers[found.number](found.message()))
        if len(layers) > MOST_LAYERS:
            raise FileError(f"it has more than {MOST_LAYERS:,} layers")
    if not any(layer.name and layer.type for layer in layers):
        raise FileError("it has no layers with a name and a type")
    shapes = shapes or [sides[at : at + 4] for at in range(0, len(sides), 4)]
    inputs = dict(zip(names, shapes, strict=False))
    for layer in layers:
        inputs |= dict(zip(layer.tops, layer.input_shapes, strict=False))
    facts = {
        "net": net,
        "layers": [[layer.name, layer.type] for layer in layers],
        "inputs": inputs,
        "settings": {layer.name: layer.settings for layer in layers if layer.settings},
    }
    return Contents(container="caffe", tensors=_tensors(path, layers), facts=facts)


def _tensors(path: Path, layers: list[_Layer]) -> dict[str, Stored]:
    tensors: dict[str, Stored] = {}
    for layer in layers:
        named = _batch_norm(path, layer) if layer.type == "BatchNorm" and layer.blobs else _named(path, layer)
        for name, stored in named:
            if name in tensors:
                raise FileError(f"it has two blobs {name[:100]!r}")
            tensors[name] = stored
        if len(tensors) > MOST_TENSORS:
            raise FileError(f"it has more than {MOST_TENSORS:,} blobs")
    return tensors


def _named(path: Path, layer: _Layer) -> Iterator[tuple[str, Stored]]:
    slots = SLOTS.get(layer.type, ())
    for place, blob in enumerate(layer.blobs):
        word, rank = slots[place] if place < len(slots) else (str(place), None)
        name = f"{layer.name}/{word}"
        yield name, blob.stored(path, name, rank)


def _batch_norm(path: Path, layer: _Layer) -> Iterator[tuple[str, Stored]]:
    if len(layer.blobs) != 3:
        raise FileError(f"BatchNorm {layer.name[:100]!r} has {len(layer.blobs)} blobs, not mean, variance and factor")
    factor = layer.blobs[2].stored(path, f"{layer.name}/factor")
    if prod(factor.shape) != 1:
        raise FileError(f"BatchNorm {layer.name[:100]!r} has a factor of shape {factor.shape}, not one number")
    for word, blob in zip(("mean", "variance"), layer.blobs, strict=False):
        summed = blob.stored(path, f"{layer.name}/{word}", rank=1)
        yield f"{layer.name}/{word}", Stored(summed.dtype, summed.shape, partial(_divided, summed, factor))


def _divided(summed: Stored, factor: Stored) -> bytes:
    """Return the statistics as BatchNormLayer::Forward uses them: times 1 / factor, and zeros for a factor of 0."""
    numbers, by = array(summed), array(factor).reshape(())
    scale = by * 0 if by == 0 else 1 / by
    data: bytes = (numbers * scale).astype(numbers.dtype).tobytes()
    return data
