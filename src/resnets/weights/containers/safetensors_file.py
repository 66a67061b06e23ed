"""safetensors: a header of JSON and the numbers behind it, each tensor's bytes fetched where they lie.

The format is https://github.com/huggingface/safetensors#format. A header of at most `MOST_HEADER_BYTES` is held
in memory, of which parsing takes at most twenty times as much; the numbers are read one tensor at a time.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from resnets.files import byte_ranges, strict_json
from resnets.files.errors import FileError
from resnets.weights.containers.contents import (
    MOST_HEADER_BYTES,
    MOST_TENSORS,
    Contents,
    Stored,
    check_tensor,
)

_METADATA = "__metadata__"
_ENTRY = {"dtype", "shape", "data_offsets"}


def looks_like(head: bytes) -> bool:
    """Say whether a file that starts so may be safetensors: the header's size, then the header's bracket."""
    return len(head) > 8 and 2 <= int.from_bytes(head[:8], "little") < 1 << 40 and head[8:9] == b"{"


def read(path: Path) -> Contents:
    """Return what a safetensors file holds; its metadata, which are strings, are the facts.

    Raises `FileError` for a header that is larger, of more tensors or otherwise made than the format says, and
    where the tensors do not fill the rest of the file exactly, each with the bytes its type and shape ask for.
    """
    try:
        return _read(path)
    except FileError as error:
        raise FileError(f"{path} is not read as safetensors: {error}") from None


def _read(path: Path) -> Contents:
    with byte_ranges.opened(path) as file:
        whole = byte_ranges.length(file)
        if whole < 8:
            raise FileError(f"it has {whole} bytes, and the header's size alone takes 8")
        size = int.from_bytes(byte_ranges.read_at(file, 0, 8), "little")
        if size > MOST_HEADER_BYTES:
            raise FileError(f"its header says it has {size:,} bytes; at most {MOST_HEADER_BYTES:,} are read")
        if size > whole - 8:
            raise FileError(f"its header says it has {size:,} bytes, and {whole - 8:,} follow; it may be cut short")
        text = byte_ranges.read_at(file, 8, size)
    if not text.startswith(b"{"):
        raise FileError("its header does not start with a bracket")
    header = strict_json.loads(text, MOST_HEADER_BYTES)
    metadata = header.pop(_METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FileError("its metadata are not strings by name")
    if len(header) > MOST_TENSORS:
        raise FileError(f"it has {len(header):,} tensors; at most {MOST_TENSORS:,} are read")
    spans = {name: _span(name, entry) for name, entry in header.items()}
    _check_spans(spans, whole - 8 - size)
    tensors = {
        name: Stored(dtype, shape, partial(byte_ranges.read_range, path, 8 + size + start, end - start))
        for name, (dtype, shape, start, end) in spans.items()
    }
    return Contents(container="safetensors", tensors=tensors, facts=metadata)


_Span = tuple[str, tuple[int, ...], int, int]


def _span(name: str, entry: Any) -> _Span:
    """Return type, shape, start and end of a tensor, once its parts are of the right kind and agree."""
    if not isinstance(entry, dict) or entry.keys() != _ENTRY:
        raise FileError(f"tensor {name[:100]!r} is not told by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not _are_whole(shape) or not _are_whole(offsets) or len(offsets) != 2:
        raise FileError(f"tensor {name[:100]!r} has a dtype, shape or data_offsets of the wrong kind")
    check_tensor(name, dtype, tuple(shape))
    start, end = offsets
    wanted = Stored(dtype, tuple(shape), bytes).size
    if end - start != wanted:
        raise FileError(f"tensor {name[:100]!r} of {dtype} {tuple(shape)} takes {wanted:,} bytes, not {end - start:,}")
    return dtype, tuple(shape), start, end


def _are_whole(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _check_spans(spans: dict[str, _Span], size: int) -> None:
    """Raise `FileError` where two tensors share bytes, or bytes belong to none."""
    at = 0
    for name, (_, _, start, end) in sorted(spans.items(), key=lambda item: item[1][2:]):
        if start != at:
            raise FileError(
                f"tensor {name[:100]!r} starts at byte {start:,} of the numbers, and the one before ends at {at:,}"
            )
        at = end
    if at != size:
        raise FileError(f"its tensors take {at:,} bytes, and {size:,} follow the header; it may be cut short")
