"""Idx: MNIST and the sets in its format, from their original files, plain or gzipped.

The format is LeCun's: two zero bytes, a type (8 is an unsigned byte), a number of dimensions, each dimension
as a big-endian 32-bit number, then the elements (yann.lecun.com/exdb/mnist, "file formats").
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet, fingerprint_arrays
from resnets.data.errors import DataError
from resnets.data.source import ArraySource
from resnets.files import bounded

MAX_BYTES = 2 << 30
"""Of one file, unpacked; the largest set known, EMNIST's by-class training images, has 0.55 GB."""

UNSIGNED_BYTE = 8

_FILE = re.compile(
    r"(?:(?P<set>.+)-)?(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx(?P<dims>[13])-ubyte(?:\.gz)?"
)
_NESTED = ("", "raw", "MNIST/raw")  # the last two: where torchvision keeps them

Files = Mapping[tuple[str, str], Path]
"""("train" or "test", "images" or "labels") -> path."""


def find_idx(folder: Path) -> Files | None:
    """Return the idx files of a folder, or None where it has none; a plain file goes before its .gz.

    Raises `DataError` where the folder holds the files of several sets, as EMNIST's archive does.
    """
    for nested in _NESTED:
        names = sorted(path.name for path in (folder / nested).glob("*idx[13]-ubyte*"))
        matches = [match for name in names if (match := _FILE.fullmatch(name))]
        if not matches:
            continue
        sets = sorted({match["set"] or "" for match in matches})
        if len(sets) > 1:
            raise DataError(
                f"{folder / nested} holds the files of several sets ({', '.join(sets)}); "
                "put those of one set into a folder of its own"
            )
        found: dict[tuple[str, str], Path] = {}
        for match in matches:
            part = "train" if match["part"] == "train" else "test"
            found.setdefault((part, match["kind"]), folder / nested / match[0])
        return found
    return None


def read_idx(folder: Path) -> DataSet:
    """Return the set whose idx files are in `folder`; classes are "0" to the largest label there is.

    Raises `DataError` or `FileError` for files that are absent, cut short or do not fit together.
    """
    files = find_idx(folder) or {}
    train, test = (_read_part(folder, part, files) for part in ("train", "test"))
    parts = [part for part in (train, test) if part is not None]
    if not parts:
        raise DataError(f"{folder} holds no idx files, such as train-images-idx3-ubyte.gz")
    classes = tuple(map(str, range(1 + max(int(part.labels.max()) for part in parts))))
    return DataSet(
        name=folder.resolve().name,
        classes=classes,
        train=train,
        test=test,
        fingerprint=fingerprint_arrays(classes, (train, test)),
    )


def _read_part(folder: Path, part: str, files: Files) -> ArraySource | None:
    paths = {kind: files.get((part, kind)) for kind in ("images", "labels")}
    images_path, labels_path = paths["images"], paths["labels"]
    if images_path is None and labels_path is None:
        return None
    if images_path is None or labels_path is None:
        there = images_path or labels_path
        absent = "labels" if labels_path is None else "images"
        raise DataError(f"{folder} holds {there.name if there else ''} without its {absent}; put both there")
    images = read_array(images_path, dimensions=3)
    labels = read_array(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images):,} images and {labels_path} has {len(labels):,} labels; "
            "they are not of one set"
        )
    return ArraySource(images[..., np.newaxis], labels.astype(np.int64), part)


def read_array(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the array of one idx file of unsigned bytes, gzipped if its name ends in .gz.

    Raises `DataError` for another type, other dimensions, or a length that its header does not say, and
    `FileError` where it cannot be read.
    """
    gzipped = path.suffix == ".gz"
    data = bounded.gunzip(path, MAX_BYTES) if gzipped else bounded.read(path, MAX_BYTES)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataError(f"{path} is no idx file: it starts with {data[:4].hex(' ') or 'nothing'}, not 00 00")
    if data[2] != UNSIGNED_BYTE or data[3] != dimensions:
        raise DataError(
            f"{path} holds type {data[2]} in {data[3]} dimensions; "
            f"expected type {UNSIGNED_BYTE} (unsigned byte) in {dimensions}"
        )
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise DataError(f"{path} is cut short: expected a header of {start} bytes, found {len(data)}")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    expected = start + math.prod(shape)
    if len(data) != expected:
        wrong = "is cut short" if len(data) < expected else "is too long"
        raise DataError(
            f"{path} {wrong}: for {' x '.join(map(str, shape))} expected {expected:,} bytes, "
            f"found {len(data):,}; fetch it again"
        )
    if not math.prod(shape):
        raise DataError(f"{path} is empty: its header says {' x '.join(map(str, shape))}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
