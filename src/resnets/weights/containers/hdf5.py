"""HDF5 as Keras writes it: weights and full models of the legacy layout, and Keras 3's .weights.h5.

libhdf5 reads the tables in a process of its own (`hdf5_tables`, which says why), within `hdf5_tables.CPU_SECONDS`
and `MEMORY_BYTES`; what it tells is at most `MOST_REPORT` bytes and is held against the file again here. The
numbers are fetched one dataset at a time; a packed one may unpack to `MOST_RATIO` times its bytes, and 1 MB.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.weights.containers import hdf5_chunks, keras_config
from resnets.weights.containers.contents import ITEM_BYTES, MOST_TENSORS, Contents, Stored, check_tensor
from resnets.weights.containers.hdf5_tables import CPU_SECONDS

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SECONDS = 120
"""By the clock; the processor's time is bounded in the child."""

MOST_REPORT = 32 << 20
MOST_RATIO = 100

_CHILD = "import sys; sys.path[:] = {path!r}; from resnets.weights.containers.hdf5_tables import main; main()"

Part = Callable[[int, int], bytes]
"""Fetches bytes of the HDF5 file: from where, and how many."""


def looks_like(head: bytes) -> bool:
    """Say whether a file starts as HDF5 does."""
    return head.startswith(SIGNATURE)


def read(path: Path) -> Contents:
    """Return the datasets of an HDF5 file by their path, and what Keras wrote beside them.

    Facts, as far as the file has them: "keras_version", "backend", "model_config" and "training_config" (parsed
    JSON), "layer_names" (in order), "weight_names" (layer -> its datasets in order, below the layer's group), and
    "group_names" (path of a layer's group in Keras 3 -> the layer's own name). Raises `FileError` for what is no
    HDF5 file or is damaged, for links into other files or between objects, for numbers kept elsewhere, and where
    h5py is not installed.
    """
    with byte_ranges.opened(path) as file:
        size = byte_ranges.length(file)
    return read_part(path, 0, size, container="hdf5")


def read_part(path: Path, start: int, size: int, *, container: str) -> Contents:
    """Read the HDF5 file that is a part of another file; raises as `read` does."""
    part = partial(_part, path, start)
    try:
        if size < 96 or part(0, 8) != SIGNATURE:
            raise FileError("it does not start as HDF5 does")
        return contents(_ask(path, start, size), part, size, container)
    except FileError as error:
        raise FileError(f"{path} is not read as HDF5: {error}") from None


def _part(path: Path, base: int, start: int, size: int) -> bytes:
    return byte_ranges.read_range(path, base + start, size)


def _ask(path: Path, start: int, size: int) -> Any:
    """Return what a child process finds in the tables."""
    import importlib.util

    if importlib.util.find_spec("h5py") is None:
        raise FileError("h5py is not installed; add it with: pip install 'resnets[keras]'")
    program = _CHILD.format(path=sys.path)
    words = [sys.executable, "-I", "-c", program, str(path.absolute()), str(start), str(size)]
    # "::" keeps libhdf5 from looking for filters on the disk.
    environment = os.environ | {"HDF5_PLUGIN_PRELOAD": "::", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as told:
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.DEVNULL,
                env=environment, timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise FileError(f"its tables are not read within {SECONDS} seconds; it is damaged") from None
        if done.returncode == -getattr(signal, "SIGXCPU", 0) != 0:
            raise FileError(f"libhdf5 has not come to the end of its tables after {CPU_SECONDS} seconds; it is damaged")
        if done.returncode:
            raise FileError(f"its tables end the process that reads them ({done.returncode}); it is damaged")
        if (said := told.seek(0, os.SEEK_END)) > MOST_REPORT:
            raise FileError(f"its tables have {said:,} bytes as JSON; at most {MOST_REPORT:,} are read")
        told.seek(0)
        return json.loads(told.read())


def contents(report: Any, part: Part, size: int, container: str) -> Contents:
    """Return the contents for what the child said of a file of `size` bytes, once that is seen to be possible."""
    if "refused" in report:
        raise FileError(str(report["refused"])[:1000])
    rows = report["datasets"]
    if len(rows) > MOST_TENSORS:
        raise FileError(f"it has {len(rows):,} datasets; at most {MOST_TENSORS:,} are read")
    tensors = {name: _stored(name, row, part, size) for name, row in rows.items()}
    facts = _facts(report["attributes"])
    not_run = keras_config.not_run(facts.get("model_config"))
    return Contents(container=container, tensors=tensors, facts=facts, not_run=not_run)


def _stored(name: str, row: dict[str, Any], part: Part, size: int) -> Stored:
    dtype, shape = row["dtype"], tuple(row["shape"])
    check_tensor(name, dtype, shape)
    made = Stored(dtype, shape, bytes)
    if "inline" in row:
        try:
            data = base64.b64decode(row["inline"], validate=True)
        except binascii.Error:
            raise FileError(f"dataset {name[:200]!r} is damaged") from None
        fetch: Callable[[], bytes] = partial(bytes, data)
        stored = len(data)
    elif "chunks" in row:
        table = hdf5_chunks.table(name, row, ITEM_BYTES[dtype], size)
        fetch = partial(hdf5_chunks.read, part, shape, table)
        stored = made.size if made.size <= (1 << 20) + MOST_RATIO * table.stored else -table.stored
    else:
        fetch = partial(part, row["at"], made.size)
        stored = min(made.size, size - row["at"]) if row["at"] >= 0 else 0
    if stored != made.size:
        raise FileError(f"dataset {name[:200]!r} says it has {made.size:,} bytes, and {abs(stored):,} are stored")
    return Stored(dtype, shape, partial(_swapped, fetch, made) if row["big"] else fetch)


def _swapped(fetch: Callable[[], bytes], tensor: Stored) -> bytes:
    """Big-endian numbers as little-endian ones."""
    import numpy as np

    item_bytes = ITEM_BYTES[tensor.dtype]
    return np.frombuffer(fetch(), f">u{item_bytes}").astype(f"<u{item_bytes}").tobytes()


_CHUNKED = re.compile(r"(layer_names|weight_names)(\d*)")


def _facts(attributes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What Keras wrote, from the root and from the group of a full model's weights."""
    facts: dict[str, Any] = {}
    weights = attributes.get("model_weights", {})
    root = attributes.get("", {}) | weights
    for name in ("keras_version", "backend"):
        if isinstance(root.get(name), str):
            facts[name] = root[name]
    for name in ("model_config", "training_config"):
        if isinstance(root.get(name), str):
            facts[name] = keras_config.parsed(root[name].encode(), name)
    if layer_names := _joined(root, "layer_names"):
        facts["layer_names"] = layer_names
        prefix = "model_weights/" if _joined(weights, "layer_names") else ""
        facts["weight_names"] = {
            layer: _joined(attributes.get(prefix + layer, {}), "weight_names") for layer in layer_names
        }
    groups = {
        path[: -len("/vars")]: found["name"]
        for path, found in attributes.items()
        if isinstance(found.get("name"), str) and (path == "vars" or path.endswith("/vars"))
    }
    return facts | ({"group_names": groups} if groups else {})


def _joined(attributes: dict[str, Any], name: str) -> list[str]:
    """An attribute that Keras splits into name0, name1, ... where it is over 64 kB."""
    pieces = []
    for key, value in attributes.items():
        match = _CHUNKED.fullmatch(key)
        if match and match[1] == name and isinstance(value, list):
            pieces.append((int(match[2] or -1), value))
    return [text for _, value in sorted(pieces, key=lambda piece: piece[0]) for text in value]
