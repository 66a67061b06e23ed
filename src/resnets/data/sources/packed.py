"""Packed: pictures decoded once and kept as bytes in one file, which is mapped into memory and never read whole.

A pack is a safetensors file, so any tool of that format can open it. For each part ("train", "test") it holds
`pixels` (all pictures one after the other, each (H, W, C) uint8), `starts`, `shapes`, `labels`, `names`, `name_ends`
and perhaps `groups`; its metadata hold the facts of the data set and the preprocess by which pictures were decoded.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.source import Groups, Labels, Source, check_labels, taken
from resnets.files import strict_json
from resnets.files.byte_ranges import length, opened
from resnets.files.errors import FileError
from resnets.spec.preprocess import Preprocess

ENDING = ".pack"
KEY = "resnets.pack"
"""The metadata key of the facts."""

SCHEMA = 1
PARTS = ("train", "test")

MAX_HEADER = 64 << 20
"""Bytes; a hundred thousand class names fit many times."""

MOST_CHANNELS = 4096
MOST_PIXELS = 1 << 20
"""Of a side."""

_SHOWN = 3  # names in a note

POLICY = ("exif", "alpha", "profile", "frame", "sixteen_bit", "colour")
"""Fields of a preprocess that decide what a decoded picture is, and so cannot be changed afterwards."""

Stamp = tuple[int, int, int]
"""Inode, bytes and time of change: whether a file is still the same."""

_DTYPES = {"I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_, "F32": np.float32}


@dataclass(frozen=True, eq=False, slots=True)
class PackSource(Source):
    """Pictures of one part of a pack, each of its own size."""

    path: Path
    stamp: Stamp  # of the file when it was opened
    begin: int  # of the pixels, in bytes from the start of the file
    starts: npt.NDArray[np.int64]  # (N + 1,) of each picture, from `begin`; or those of the pictures taken
    shapes: npt.NDArray[np.int32]  # (N, 2) height and width
    depth: int
    names: Names
    labels: Labels
    preprocess: Preprocess
    groups: Groups | None = None

    def __post_init__(self) -> None:
        check_labels(str(self.path), self.labels, self.groups, len(self.names))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def channels(self) -> int:
        """Return the channels of every picture."""
        return self.depth

    def name(self, index: int) -> str:
        """Return what the picture was called where it came from."""
        return self.names[index]

    def raw(self, index: int) -> npt.NDArray[np.uint8]:
        """Return one picture's (H, W, C) pixels, a view of the file."""
        height, width = self.shapes[index].tolist()
        start = self.begin + int(self.starts[index])
        pixels = _mapped(self.path, self.stamp)[start : start + height * width * self.depth]
        return pixels.reshape(height, width, self.depth)

    def check(self, preprocess: Preprocess) -> None:
        """Raise `DataError` where the pictures were decoded by another policy than this one."""
        check_policy(self.path, self.preprocess, preprocess)

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> PackSource:
        """Return the source of these pictures, in this order."""
        return replace(
            self,
            starts=self.starts[indices],
            shapes=self.shapes[indices],
            names=self.names.take(indices),
            labels=self.labels[indices],
            groups=taken(self.groups, indices),
        )


def find_pack(path: Path) -> bool:
    """Say whether a file is called a pack."""
    return path.suffix == ENDING and path.is_file()


def read_pack(path: Path) -> DataSet:
    """Return the data set that was packed. Raises `DataError` or `FileError` for a file that is none, or damaged."""
    facts, tensors, begin = _header(path)
    bad = _left_out(path, tensors, begin)
    notes = list(facts["notes"])
    if bad:
        shown = ", ".join(name for name, _ in bad[:_SHOWN]) + (" ..." if len(bad) > _SHOWN else "")
        notes.append(f"Left out when these were packed, as they could not be decoded: {len(bad):,} ({shown}).")
    sources = {part: _part(path, part, facts, tensors, begin) for part in PARTS if f"{part}.pixels" in tensors}
    return DataSet(
        name=facts["name"],
        classes=tuple(facts["classes"]),
        train=sources.get("train"),
        test=sources.get("test"),
        fingerprint=facts["fingerprint"],
        notes=tuple(notes),
        split=facts["split"],
        class_order=facts["class_order"],
    )


def left_out(path: Path) -> list[tuple[str, str]]:
    """Return (name, reason) of each picture that could not be decoded for a pack; raise as `read_pack` does."""
    _, tensors, begin = _header(path)
    return _left_out(path, tensors, begin)


def check_policy(path: Path, packed: Preprocess, wanted: Preprocess) -> None:
    """Raise `DataError`, naming the fields, where two preprocesses decode a picture to different pixels."""
    differing = [name for name in POLICY if getattr(packed, name) != getattr(wanted, name)]
    if packed.colour != "grey" and wanted.colour in ("rgb", "bgr", "grey"):
        differing = [name for name in differing if name != "colour"]  # red, green and blue give each of them
    if differing:
        has, wants = (", ".join(f"{name}={getattr(p, name)!r}" for name in differing) for p in (packed, wanted))
        raise DataError(
            f"{path} was packed with {has}, and the model decodes with {wants}; pack the pictures again with "
            "--model MODEL"
        )


_MAPS: dict[tuple[Path, Stamp], npt.NDArray[np.uint8]] = {}


def _stamp(path: Path) -> Stamp:
    facts = os.stat(path)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _mapped(path: Path, stamp: Stamp) -> npt.NDArray[np.uint8]:
    """The file as bytes, mapped once in each process; raise `DataError` where it is another file by now."""
    found = _MAPS.get((path, stamp))
    if found is None:
        mapped = np.memmap(path, np.uint8, "r").view(np.ndarray)
        if _stamp(path) != stamp:
            raise DataError(f"{path} was changed while it was in use; start again")
        found = _MAPS[path, stamp] = mapped
    return found


def _header(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The facts, the tensors by name, and where their bytes begin."""
    with opened(path) as file:
        total = length(file)
        size = int.from_bytes(file.read(8), "little")
        if size > min(MAX_HEADER, total - 8):
            raise FileError(f"{path} says its header has {size:,} bytes; it is no pack, or cut short")
        text = file.read(size)
    header = strict_json.loads(text, MAX_HEADER)
    try:
        facts = strict_json.loads(header.pop("__metadata__")[KEY].encode(), MAX_HEADER)
        if facts["schema"] > SCHEMA:
            raise DataError(f"{path} is a pack of a newer resnets; install that, or pack the pictures again")
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            if not all(type(number) is int for number in (first, last, *entry["shape"])):
                raise TypeError(f"{name} is told in other than whole numbers")
            wanted = math.prod(entry["shape"]) * np.dtype(_DTYPES[entry["dtype"]]).itemsize
            if not 0 <= first <= last <= total - 8 - size or last - first != wanted or min(entry["shape"]) < 0:
                raise FileError(f"{path}: {name} lies outside the file; it is damaged or cut short")
        facts["preprocess"] = Preprocess.from_dict(facts["preprocess"])
        _check_facts(facts)
    except (DataError, FileError):
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no pack of resnets, or damaged ({error}); make one with resnets pack") from None
    return facts, header, 8 + size


def _check_facts(facts: dict[str, Any]) -> None:
    kinds = {"name": str, "classes": list, "fingerprint": str, "notes": list, "channels": int, "schema": int}
    kinds |= {"split": str, "class_order": str}
    for name, kind in kinds.items():
        if type(facts[name]) is not kind:
            raise TypeError(f"{name} is no {kind.__name__}")
    if (
        not all(isinstance(text, str) for text in (*facts["classes"], *facts["notes"]))
        or not 1 <= facts["channels"] <= MOST_CHANNELS
    ):
        raise TypeError("its facts are not what they should be")


def _left_out(path: Path, tensors: dict[str, Any], begin: int) -> list[tuple[str, str]]:
    if "left_out" not in tensors:
        raise FileError(f"{path} lacks 'left_out'; it is damaged")
    first, last = tensors["left_out"]["data_offsets"]
    entries = strict_json.loads(_mapped(path, _stamp(path))[begin + first : begin + last].tobytes(), MAX_HEADER)
    try:
        return [(str(entry["path"]), str(entry["error"])) for entry in entries]
    except (KeyError, TypeError):
        raise FileError(f"{path}: the list of what was left out is damaged") from None


def _part(path: Path, part: str, facts: dict[str, Any], tensors: dict[str, Any], begin: int) -> Source:
    stamp = _stamp(path)

    def array(name: str) -> npt.NDArray[Any]:
        entry = tensors[f"{part}.{name}"]
        first, last = entry["data_offsets"]
        stored = _mapped(path, stamp)[begin + first : begin + last]
        return np.array(stored).view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])

    try:
        starts, shapes, labels = array("starts"), array("shapes"), array("labels")
        names = Names.of_arrays(array("names"), array("name_ends"))
        groups = array("groups") if f"{part}.groups" in tensors else None
        first, last = tensors[f"{part}.pixels"]["data_offsets"]
    except KeyError as error:
        raise FileError(f"{path} lacks {error}; it is damaged") from None
    depth = facts["channels"]
    sizes = shapes.astype(np.int64).prod(1) * depth if shapes.ndim == 2 and shapes.shape[1:] == (2,) else None
    whole = (
        sizes is not None
        and starts.shape == (len(shapes),)
        and len(shapes) == len(names) == len(labels)
        and not ((shapes < 1) | (shapes > MOST_PIXELS)).any()  # so that no product of them overflows
        and not ((starts < 0) | (starts > last - first)).any()
        and not (starts + sizes > last - first).any()
        and names.is_whole
    )
    if not whole:
        raise FileError(f"{path}: the index of its {part} pictures does not fit its pixels; it is damaged")
    if labels.dtype == np.int64 and len(labels) and labels.max() >= len(facts["classes"]):
        raise FileError(f"{path}: a label is {labels.max()} and there are {len(facts['classes'])} classes")
    return PackSource(path, stamp, begin + first, starts, shapes, depth, names, labels, facts["preprocess"], groups)
