"""HDF5's tables, read by a process of its own: where each dataset's bytes lie, and the attributes Keras writes.

libhdf5 loops for ever on some damaged files and cannot be interrupted, so nothing but this module uses it, and
`hdf5` runs this module in a child process that the kernel stops. It reads no numbers: those, `hdf5` fetches
itself from where this module says they lie. `main` writes one line of JSON to the standard output.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from math import prod
from typing import Any

CPU_SECONDS = 10
MEMORY_BYTES = 1 << 30
"""What the child may take beyond what Python and h5py take."""

MOST_GROUPS = 30_000
MOST_DATASETS = 10_000
MOST_CHUNKS = 100_000
MOST_DEPTH = 32
MOST_TEXT = 16 << 20
"""Bytes of names and of attributes together."""

MOST_ATTRIBUTE = 8 << 20

_ATTRIBUTES = re.compile(
    r"keras_version|backend|model_config|training_config|name|dtype|(layer_names|weight_names)\d{0,4}"
)
_WORDS = {"f": "F", "i": "I", "u": "U"}
_FILTERS: dict[int, str] = {1: "gzip", 2: "shuffle"}


class Refused(Exception):
    """The file has something that is not read; the sentence says what."""


def main() -> None:
    """Read the tables of the file, the first byte and the count of bytes that the arguments say."""
    path, start, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import h5py

    _limit()
    try:
        with open(path, "rb") as file, h5py.File(_Part(file, start, size), "r") as opened:
            tables = _Tables(size)
            tables.walk(opened)
            report: dict[str, Any] = {"datasets": tables.datasets, "attributes": tables.attributes}
    except Refused as refusal:
        report = {"refused": str(refusal)}
    except MemoryError:
        report = {"refused": f"its tables ask for more than {MEMORY_BYTES:,} bytes of memory"}
    except Exception as error:  # h5py raises many kinds, for what libhdf5 finds in damaged files
        report = {"refused": f"it is damaged ({type(error).__name__}: {str(error)[:200]})"}
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)  # to close a damaged file could still hang


def _limit() -> None:
    """Let the kernel stop this process, where there is a kernel that does."""
    try:
        import resource
    except ImportError:
        return
    limits = [(resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1), (resource.RLIMIT_CORE, 0, 0)]
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        limits.append((resource.RLIMIT_AS, used + MEMORY_BYTES, used + MEMORY_BYTES))
    for kind, soft, hard in limits:
        _, most = resource.getrlimit(kind)  # which can be lowered and not raised
        may = [soft, hard] if most == resource.RLIM_INFINITY else [min(soft, most), min(hard, most)]
        resource.setrlimit(kind, (may[0], may[1]))


class _Part:
    """A part of a file as a file of its own, as h5py wants one."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._at)]
        self._file.seek(self._start + self._at)
        count: int = self._file.readinto(view)
        self._at += count
        return count

    def read(self, count: int = -1) -> bytes:
        data = bytearray(self._size - self._at if count < 0 else count)
        return bytes(data[: self.readinto(data)])


class _Tables:
    def __init__(self, size: int) -> None:
        self.size = size
        self.datasets: dict[str, dict[str, Any]] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.text = self.chunks = self.groups = 0

    def walk(self, root: Any) -> None:
        """Visit every object once, parents first, without following a link out of the file."""
        import h5py

        if root.userblock_size:
            raise Refused("it has a user block, which Keras never writes")
        seen = {h5py.h5o.get_info(root.id).addr}
        todo = [("", root, 1)]
        while todo:
            path, found, depth = todo.pop()
            self._attributes(path, found)
            if isinstance(found, h5py.Dataset):
                self._dataset(path, found)
                continue
            if depth > MOST_DEPTH:
                raise Refused(f"its groups are more than {MOST_DEPTH} deep")
            self.groups += 1
            children = []
            for name in found:
                inner = f"{path}/{name}".removeprefix("/")
                self._spend(inner)
                child = self._child(found, name, inner)
                address = h5py.h5o.get_info(child.id).addr
                if address in seen:
                    raise Refused(f"{inner[:200]!r} is linked from two places")
                seen.add(address)
                if len(seen) > MOST_GROUPS + MOST_DATASETS or self.groups > MOST_GROUPS:
                    raise Refused(f"it has more than {MOST_GROUPS:,} groups")
                children.append((inner, child, depth + 1))
            todo += reversed(children)

    def _child(self, group: Any, name: str, path: str) -> Any:
        import h5py

        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise Refused(f"{path[:200]!r} is a link into another file, {link.filename[:200]!r}, which is not opened")
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{path[:200]!r} is a soft link, which Keras never writes")
        child = group[name]
        if not isinstance(child, h5py.Group | h5py.Dataset):
            raise Refused(f"{path[:200]!r} is neither a group nor a dataset")
        return child

    def _spend(self, text: str) -> None:
        try:
            self.text += len(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise Refused("a name or an attribute is not UTF-8") from None
        if self.text > MOST_TEXT:
            raise Refused(f"its names and attributes have more than {MOST_TEXT:,} bytes")

    def _attributes(self, path: str, found: Any) -> None:
        kept: dict[str, str | list[str]] = {}
        for name in found.attrs:
            if not _ATTRIBUTES.fullmatch(name):
                continue
            attribute = found.attrs.get_id(name)
            if not attribute.get_space().get_simple_extent_npoints():  # a layer without weights: no names
                kept[name] = []
                continue
            if attribute.get_storage_size() > MOST_ATTRIBUTE:
                raise Refused(f"attribute {name!r} of {path[:200]!r} has more than {MOST_ATTRIBUTE:,} bytes")
            value = _plain(found.attrs[name])
            for text in [name, *(value if isinstance(value, list) else [value])]:
                self._spend(text)
            kept[name] = value
        if kept:
            self.attributes[path] = kept

    def _dataset(self, path: str, dataset: Any) -> None:
        import h5py

        if len(self.datasets) >= MOST_DATASETS:
            raise Refused(f"it has more than {MOST_DATASETS:,} datasets")
        plist = dataset.id.get_create_plist()
        if plist.get_external_count():
            raise Refused(f"dataset {path[:200]!r} keeps its numbers in another file, which is not opened")
        if dataset.shape is None:
            raise Refused(f"dataset {path[:200]!r} is empty, without even a shape")
        word, is_big = self._type(path, dataset)
        row = {"dtype": word, "big": is_big, "shape": list(dataset.shape)}
        claimed = prod(dataset.shape) * dataset.id.get_type().get_size()
        layout = plist.get_layout()
        if layout == h5py.h5d.CONTIGUOUS:
            row |= {"at": self._contiguous(path, dataset, claimed), "bytes": claimed}
        elif layout == h5py.h5d.COMPACT and claimed <= 1 << 16:
            row["inline"] = base64.b64encode(dataset[()].tobytes()).decode("ascii")
        elif layout == h5py.h5d.CHUNKED:
            row |= self._chunked(path, dataset, plist)
        else:
            raise Refused(f"dataset {path[:200]!r} is virtual: its numbers are in other files, which are not opened")
        self.datasets[path] = row

    def _type(self, path: str, dataset: Any) -> tuple[str, bool]:
        import h5py

        kind = dataset.dtype
        if kind.kind == "V" and kind.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16":
            return "BF16", False
        # h5py takes the nearest type of numpy for what numpy has not; the bytes are read here, so it must be the same
        is_exact = kind.names is None and dataset.id.get_type() == h5py.h5t.py_create(kind, logical=True)
        if kind.kind == "b" and is_exact:
            return "BOOL", False
        if kind.kind not in _WORDS or not is_exact:
            raise Refused(f"dataset {path[:200]!r} holds {kind}, and not plain numbers")
        return f"{_WORDS[kind.kind]}{8 * kind.itemsize}", kind.byteorder == ">"

    def _contiguous(self, path: str, dataset: Any, claimed: int) -> int:
        if claimed == 0:
            return 0
        offset, stored = dataset.id.get_offset(), dataset.id.get_storage_size()
        if offset is None or stored == 0:
            raise Refused(f"dataset {path[:200]!r} says it has {claimed:,} bytes, and none were ever written")
        if stored != claimed or offset + claimed > self.size:
            raise Refused(
                f"dataset {path[:200]!r} says it has {claimed:,} bytes from byte {offset:,} on, "
                f"and the file has {self.size:,}; it is cut short or damaged"
            )
        return int(offset)

    def _chunked(self, path: str, dataset: Any, plist: Any) -> dict[str, Any]:
        filters = [plist.get_filter(place)[0] for place in range(plist.get_nfilters())]
        if filters not in ([], [1], [2, 1], [2]):
            unknown = ", ".join(_FILTERS.get(each, f"filter {each}") for each in filters)
            raise Refused(f"dataset {path[:200]!r} is packed by {unknown}; gzip is read, with or without shuffle")
        chunk = plist.get_chunk()
        grid = [-(-side // step) for side, step in zip(dataset.shape, chunk, strict=True)]
        self.chunks += prod(grid)
        if self.chunks > MOST_CHUNKS:
            raise Refused(f"its datasets have more than {MOST_CHUNKS:,} chunks")
        if (count := dataset.id.get_num_chunks()) != prod(grid):
            raise Refused(
                f"dataset {path[:200]!r} has {count:,} of its {prod(grid):,} chunks; the others were never written"
            )
        found = list(self._chunk_rows(path, dataset))
        return {"chunk": list(chunk), "filters": [_FILTERS[each] for each in filters], "chunks": found}

    def _chunk_rows(self, path: str, dataset: Any) -> Iterator[list[int]]:
        rows: list[Any] = []
        if prod(dataset.shape):
            dataset.id.chunk_iter(rows.append)
        for row in rows:
            if row.filter_mask:
                raise Refused(f"dataset {path[:200]!r} has a chunk that is packed otherwise than the others")
            yield [*row.chunk_offset, row.byte_offset, row.size]


def _plain(value: Any) -> str | list[str]:
    """An attribute as text or texts; what is neither is none."""
    if hasattr(value, "tolist"):  # of numpy, an array or one text
        value = value.tolist()
    if isinstance(value, list):
        return [_plain_text(each) for each in value if isinstance(each, str | bytes)]
    return _plain_text(value) if isinstance(value, str | bytes) else []


def _plain_text(value: str | bytes) -> str:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise Refused("an attribute is not UTF-8") from None
