"""Pack: decode a data set once, into one file that is mapped into memory and read at its speed."""

from __future__ import annotations

import json
import math
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.dataset import DataSet
from resnets.data.decoding.decode import decode_bands
from resnets.data.decoding.geometry import geometry
from resnets.data.decoding.transform import fit
from resnets.data.errors import BadImage, DataError, TooManyBadImages
from resnets.data.names import Names
from resnets.data.source import Source, named
from resnets.data.sources.packed import ENDING, KEY, PARTS, POLICY, SCHEMA, left_out, read_pack
from resnets.files import atomic
from resnets.files.machine import processors
from resnets.spec.preprocess import Preprocess

Bad = list[tuple[str, str]]
Seen = Callable[[int, int], None]
"""Told how many pictures of how many are done."""

_ALIGNED = 8  # bytes; what safetensors asks of where a tensor's bytes begin


def pack(
    dataset: DataSet,
    path: str | Path,
    preprocess: Preprocess,
    *,
    side: int | None = None,
    workers: int | None = None,
    bad_limit: float = 0.01,
    seen: Seen = lambda done, total: None,
) -> Bad:
    """Write the pictures of a data set, decoded by a preprocess, to one file, and return what was left out.

    Each picture is resized as the preprocess's fit begins (for "crop": the shorter side to 256 before a crop
    to 224), and never enlarged; `side` makes the shorter side that long instead, where a fit by crop is to
    cut from more pixels. Evaluating from the pack therefore gives the same pixels as evaluating from the files, to
    the bit. The file is there whole or not at all. Raises `DataError` for a path that does not end in .pack, and
    `TooManyBadImages` as a run does.
    """
    path = Path(path)
    check_place(path)
    if side is not None and (preprocess.fit != "crop" or side < preprocess.shorter_side):
        raise DataError(
            f"side={side} is not possible with fit={preprocess.fit!r}; allowed: with fit='crop', from "
            f"{preprocess.shorter_side} on"
        )
    if side is not None:
        preprocess = replace(preprocess, resize=side)
    parts = {part: source for part in PARTS if (source := getattr(dataset, part)) is not None}
    for source in parts.values():
        source.check(preprocess)
    total, tolerated = sum(map(len, parts.values())), 0
    tolerated = max(1, int(bad_limit * total)) if bad_limit else 0
    bad: Bad = []
    with atomic.replacing(path) as file:
        writer = _Writer(file, _facts(dataset, preprocess), parts)
        done = 0
        for part, source in parts.items():
            index = _Index()
            for position, pixels in _decoded(source, preprocess, workers or processors()):
                done += 1
                seen(done, total)
                if isinstance(pixels, BadImage):
                    bad.append((source.name(position), pixels.reason))
                    if len(bad) > tolerated or len(bad) == total:
                        raise TooManyBadImages(bad, tolerated, total)
                else:
                    index.add(position, pixels)
                    file.write(np.ascontiguousarray(pixels).data)
            writer.index(part, source, index)
        writer.finish(bad)
    return bad


def check_place(path: Path) -> None:
    """Raise `DataError` where no pack can be written."""
    if path.suffix != ENDING:
        raise DataError(f"{path} does not end in {ENDING}; give a name such as {path.with_suffix(ENDING).name}")
    if path.exists():
        raise DataError(f"{path} is there already; remove it, or give another name")


def cached(
    dataset: DataSet, folder: str | Path, preprocess: Preprocess, say: Callable[[str], None]
) -> tuple[DataSet, Bad]:
    """Return a data set as a pack in a folder, which is made there if it is not there yet, and what it leaves out.

    The pack's name tells what is in it: other pictures, or the same decoded otherwise, make another pack. What
    could not be decoded is said aloud each time.
    """
    decoded = {name: getattr(preprocess, name) for name in (*POLICY, *_LAID)}
    told = sha256(json.dumps([dataset.fingerprint, decoded], sort_keys=True, default=list).encode())
    for source in (dataset.train, dataset.test):  # another split, or a manifest, makes another pack
        for index in range(0 if source is None else len(source)):
            told.update(f"{source.name(index)}\n".encode("utf-8", "surrogateescape"))  # type: ignore[union-attr]
        told.update(b"\0")
    path = Path(folder, f"{dataset.name}-{told.hexdigest()[:16]}{ENDING}")
    if path.exists():
        say(f"decoded pictures are taken from {path}")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        pack(dataset, path, preprocess)
        say(f"decoded pictures were written to {path} ({path.stat().st_size / 2**20:,.1f} MiB)")
    packed, bad = read_pack(path), left_out(path)
    for name, reason in bad:
        say(f"left out {name}: {reason}")
    return replace(dataset, train=packed.train, test=packed.test), bad


def _sweep(folder: Path) -> None:
    """Remove what killed writers left; one that still writes, perhaps on another machine, has done so this hour."""
    for part in folder.glob(f".*{ENDING}.*.part"):
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()


ABANDONED = 3600
"""Seconds without a write after which nobody is writing."""

_LAID = ("fit", "size", "resize", "interpolation", "antialias", "formats")
"""Fields of a preprocess that decide how large a picture is kept, and whether."""


def _facts(dataset: DataSet, preprocess: Preprocess) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": dataset.name,
        "classes": list(dataset.classes),
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
        "split": dataset.split,
        "class_order": dataset.class_order,
        "channels": preprocess.channels,
        "preprocess": preprocess.to_dict(),
    }


def _decoded(
    source: Source, preprocess: Preprocess, workers: int
) -> Iterator[tuple[int, npt.NDArray[np.uint8] | BadImage]]:
    """Yield each picture's number and its (H, W, C) pixels, in order, decoded by threads."""

    def one(index: int) -> npt.NDArray[np.uint8] | BadImage:
        try:
            return _shrunk(source, index, preprocess)
        except BadImage as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        ahead = 4 * workers
        waiting = deque(pool.submit(one, index) for index in range(min(ahead, len(source))))
        for index in range(len(source)):
            result = waiting.popleft().result()
            if index + ahead < len(source):
                waiting.append(pool.submit(one, index + ahead))
            yield index, result


def _shrunk(source: Source, index: int, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    raw = source.raw(index)
    picture: Image.Image | npt.NDArray[Any]
    if preprocess.colour == "bands":
        picture = decode_bands(raw, preprocess) if isinstance(raw, bytes) else raw
        size = picture.shape[1], picture.shape[0]
        if picture.dtype != np.uint8:
            raise BadImage(source.name(index), f"its bands are {picture.dtype}; a pack holds 8 bits")
    else:
        picture = named(source.name(index), raw, preprocess)
        size = picture.size
    wide, high = geometry(size, preprocess).resized
    if wide >= size[0] and high >= size[1]:  # enlarging adds nothing: that is left to whoever reads
        wide, high = size
    return fit(picture, replace(preprocess, fit="squash", resize=None, size=(high, wide))).transpose(1, 2, 0)


class _Index:
    """What is known of the pictures that were written: their numbers, starts and shapes."""

    def __init__(self) -> None:
        self.positions, self.starts, self.shapes = array("q"), array("q"), array("i")
        self.bytes = 0

    def add(self, position: int, pixels: npt.NDArray[np.uint8]) -> None:
        self.positions.append(position)
        self.starts.append(self.bytes)
        self.shapes.extend(pixels.shape[:2])
        self.bytes += pixels.nbytes


class _Writer:
    """A safetensors file written front to back, whose header is filled in at the end into room kept for it."""

    def __init__(self, file: BinaryIO, facts: dict[str, Any], parts: Mapping[str, Source]) -> None:
        self.file, self.facts = file, facts
        self.tensors: dict[str, dict[str, Any]] = {}
        widest = {"dtype": "BOOL", "shape": [2**62, 2**62], "data_offsets": [2**62, 2**62]}
        names = [f"{part}.{name}" for part in parts for name in _TENSORS]
        self.room = len(self._header(dict.fromkeys([*names, "left_out"], widest)))
        self.room += -self.room % _ALIGNED
        self.start = 8 + self.room
        file.write(b"\0" * self.start)

    def index(self, part: str, source: Source, index: _Index) -> None:
        """Close the pixels of a part, and write what says where they are and what they show."""
        padding = -index.bytes % _ALIGNED
        self.file.write(b"\0" * padding)
        begin = self.file.tell() - self.start - index.bytes - padding
        self._note(f"{part}.pixels", "U8", (index.bytes + padding,), begin)
        kept = source.take(np.array(index.positions, np.int64))
        blob, ends = Names(kept.name(k) for k in range(len(kept))).arrays
        self._add(f"{part}.starts", "I64", np.array(index.starts, np.int64))
        self._add(f"{part}.shapes", "I32", np.array(index.shapes, np.int32).reshape(-1, 2))
        self._add(f"{part}.labels", {"i": "I64", "b": "BOOL", "f": "F32"}[kept.labels.dtype.kind], kept.labels)
        self._add(f"{part}.name_ends", "I64", ends)
        if kept.groups is not None:
            self._add(f"{part}.groups", "I64", kept.groups)
        self._add(f"{part}.names", "U8", blob)

    def finish(self, bad: Bad) -> None:
        """Write what was left out, and the header."""
        text = json.dumps([{"path": name, "error": reason} for name, reason in bad]).encode()
        self._add("left_out", "U8", np.frombuffer(text, np.uint8))
        header = self._header(self.tensors)
        self.file.seek(0)
        self.file.write(self.room.to_bytes(8, "little") + header.ljust(self.room))

    def _add(self, name: str, dtype: str, values: npt.NDArray[Any]) -> None:
        self._note(name, dtype, values.shape, self.file.tell() - self.start)
        self.file.write(np.ascontiguousarray(values).tobytes())

    def _note(self, name: str, dtype: str, shape: tuple[int, ...], begin: int) -> None:
        offsets = [begin, begin + math.prod(shape) * _BYTES[dtype]]
        self.tensors[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}

    def _header(self, tensors: dict[str, dict[str, Any]]) -> bytes:
        facts = json.dumps(self.facts, sort_keys=True, ensure_ascii=True)
        return json.dumps({"__metadata__": {KEY: facts}, **tensors}).encode()


_TENSORS = ("pixels", "starts", "shapes", "labels", "names", "name_ends", "groups")
_BYTES = {"U8": 1, "BOOL": 1, "I32": 4, "F32": 4, "I64": 8}
