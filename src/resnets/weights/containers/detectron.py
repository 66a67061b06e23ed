"""Plain pickles of weights: numpy's arrays as Detectron (Caffe2) and Detectron2 publish them, or torch's tensors.

Detectron's is {'blobs': {name: array}, 'cfg': text}, written by Python 2; Detectron2's is {'model': {name: array},
'__author__': text, 'matching_heuristics': bool}, or the arrays alone (detectron2/checkpoint/c2_model_loading.py).
"""

from __future__ import annotations

from pathlib import Path

from resnets.files import byte_ranges
from resnets.files.errors import FileError
from resnets.files.pickle_machine import Callables
from resnets.files.pickled_objects import Span
from resnets.files.unpickle import load
from resnets.weights.containers import torch_legacy
from resnets.weights.containers.checkpoint import LIMITS, MOST_PICKLE_BYTES, contents
from resnets.weights.containers.contents import MOST_TENSORS, Contents
from resnets.weights.containers.tensor_views import Storage
from resnets.weights.containers.torch_objects import TORCH

SPAN_BYTES = 1 << 16
"""From this length on, an array's bytes stay in the file until they are asked for."""


def read(path: Path) -> Contents:
    """Return the arrays of a pickle by name; long ones stay in the file until they are asked for.

    Raises `FileError` where it is no pickle, is damaged, or asks for too much; nothing in it is run.
    """
    outside: dict[str, None] = {}
    callables: Callables = {**TORCH, "torch.storage _load_from_bytes": _Nested(path)}
    with byte_ranges.opened(path) as file:
        try:
            value = load(file, callables, LIMITS, outside=outside, span_bytes=SPAN_BYTES)
        except FileError as error:
            raise FileError(f"{path}: {error}") from None
        return contents("pickle", path, value, outside, byte_ranges.length(file))


class _Nested:
    """The storages of torch's tensors in a plain pickle, each a whole file of torch's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.left = MOST_PICKLE_BYTES

    def __call__(self, held: object = None) -> Storage:
        self.count += 1
        if self.count > MOST_TENSORS:
            raise FileError(f"it has more than {MOST_TENSORS:,} storages")
        if isinstance(held, Span) and held.is_text:
            held = self._decoded(held)
        return torch_legacy.storage_in(self.path, held)

    def _decoded(self, span: Span) -> bytes:
        """Return bytes that protocol 2 wrote as text, which have no place of their own in the file."""
        self.left -= span.size
        if self.left < 0:
            raise FileError(
                f"its tensors have more than {MOST_PICKLE_BYTES:,} bytes written as text; save them with torch.save"
            )
        try:
            return byte_ranges.read_range(self.path, span.offset, span.size).decode().encode("latin-1")
        except UnicodeError:
            raise FileError("the bytes of a storage are not what its pickle says") from None
