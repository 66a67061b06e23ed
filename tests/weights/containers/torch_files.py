"""Files of torch for the tests: honest ones to compare with torch itself, and made up ones that lie."""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import pathlib
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from resnets.files.errors import FileError
from resnets.weights.containers.contents import ITEM_BYTES, Contents

PEAK = 64 << 20
"""Bytes of memory that opening a small file may take at most, however it lies."""


def raw(tensor: torch.Tensor) -> bytes:
    """The elements of a tensor, the last index running fastest."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def named(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of nested dictionaries and lists by name."""
    if isinstance(value, torch.Tensor):
        yield name, value
        return
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, part in parts:
        yield from named(part, f"{name}.{key}" if name else str(key))


WORDS = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


def assert_same(found: Contents, tensors: dict[str, torch.Tensor]) -> None:
    """Every tensor has torch's name, place, type, shape and bytes."""
    assert list(found.tensors) == list(tensors)
    for name, tensor in tensors.items():
        stored = found.tensors[name]
        assert (stored.dtype, stored.shape) == (WORDS[tensor.dtype], tuple(tensor.shape)), name
        assert stored.read() == raw(tensor), name


def strange_tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of every type, and of every way to lie in a storage."""
    torch.manual_seed(seed)
    some = torch.randn(4, 6, 5)
    shared = torch.randn(100)
    return {
        **{str(kind): (some * 50).to(kind) for kind in WORDS if kind != torch.bool},
        "bool": some > 0,
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0),
        "empty in the middle": torch.zeros(3, 0, 2),
        "transposed": some.transpose(0, 2),
        "permuted bfloat16": some.bfloat16().permute(2, 0, 1),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "part": shared[10:20],
        "other part of the same": shared[15:99:7],
        "column": some[:, 2],
        "expanded": torch.randn(3, 1).expand(3, 4),
        "diagonal": some[0].diagonal(),
        "one row": some[:1].transpose(0, 1),
        "parameter": nn.Parameter(torch.randn(2, 2)),
    }


class Small(nn.Module):
    """A whole module that is pickled as it is: buffers of both kinds, a shared layer, and settings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4, eps=0.003)
        self.blocks = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        self.again = self.norm
        self.register_buffer("kept", torch.arange(3.0))
        self.register_buffer("passing", torch.arange(4.0), persistent=False)
        self.register_buffer("absent", None)
        self.beside = torch.ones(2)
        self.settings = {"tensor": torch.ones(3)}
        self.classes = ["ant", "bee"]


def training_checkpoint() -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a training script saves, and the state_dict in it."""
    model = Small()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 30)
    model.conv(torch.ones(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    args = argparse.Namespace(lr=0.1, data=pathlib.Path("a") / "b", resume=None, sizes=[1, 2])
    return {
        "epoch": 7,
        "arch": "resnet20",
        "state_dict": collections.OrderedDict((f"module.{key}", part) for key, part in model.state_dict().items()),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "args": args,
        "best": np.float64(93.5),
        "count": np.int32(4),
        "history": np.arange(6.0, dtype=">f4").reshape(2, 3),
        "seen": collections.Counter("aab"),
        "by_class": collections.defaultdict(list, {"ant": [0, 1]}),
        "recent": collections.deque([1, 2], maxlen=3),
        "size": torch.Size([1, 3]),
        "device": torch.device("cuda:0"),
        "kind": torch.float16,
        "when": datetime.datetime(2020, 1, 2, 3, 4, 5),
        "words": np.array(["a", None], dtype=object),
        "random": torch.get_rng_state(),
        "whole": schedule,
    }, model.state_dict()


FACTS = {
    "epoch": 7, "arch": "resnet20", "args.lr": 0.1, "args.data": "a/b", "args.sizes": [1, 2], "best": 93.5, "count": 4,
    "seen.a": 2, "by_class.ant": [0, 1], "recent": [1, 2], "size": (1, 3), "device": "cuda:0", "kind": "torch.float16",
    "when": "2020-01-02 03:04:05", "optimizer.param_groups.0.lr": 0.1, "schedule.step_size": 30,
}  # fmt: skip
"""Some of what such a checkpoint says besides."""


@dataclass(frozen=True)
class Identity:
    """What is pickled as a persistent id."""

    value: Any


class Call:
    """What is pickled as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


class _Pickler(pickle.Pickler):
    def persistent_id(self, item: Any) -> Any:
        return item.value if isinstance(item, Identity) else None


def pickled(value: Any, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol).dump(value)
    return file.getvalue()


def storage(key: str = "0", elements: int = 6, kind: Any = torch.FloatStorage, location: str = "cpu") -> Identity:
    return Identity(("storage", kind, key, location, elements))


def view(place: Any = None, offset: Any = 0, shape: Any = (2, 3), strides: Any = (3, 1), function: Any = None) -> Call:
    """A tensor of six elements in storage 0, unless told otherwise."""
    from torch._utils import _rebuild_tensor_v2

    rest = (False, collections.OrderedDict())
    return Call(function or _rebuild_tensor_v2, storage() if place is None else place, offset, shape, strides, *rest)


def write_zip(path: Path, value: Any, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """A torch zip with this value (or these bytes) as data.pkl, a storage 0 of six float32, and other members."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("archive/data.pkl", value if isinstance(value, bytes) else pickled(value))
        file.writestr("archive/data/0", np.arange(6, dtype="<f4").tobytes())
        for name, data in members.items():
            file.writestr(f"archive/{name}", data)
    return path


def refusal(read: Callable[[Path], Contents], path: Path) -> str:
    """What a reader says of a bad file, which it must say without taking much memory."""
    tracemalloc.start()
    try:
        found = read(path)
    except FileError as error:
        return str(error)
    else:
        raise AssertionError(f"it was read: {list(found.tensors)[:5]}")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < PEAK, f"{peak:,} bytes of memory"


def assert_whole(found: Contents) -> None:
    """Every tensor can be read, and has as many bytes as it says."""
    for stored in found.tensors.values():
        assert len(stored.read()) == stored.size
        assert stored.dtype in ITEM_BYTES
