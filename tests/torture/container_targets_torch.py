"""Targets: the readers of torch's files, of pickled arrays and of zip archives."""

from __future__ import annotations

import argparse
import io
import pickle
import random
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from resnets.files.errors import FileError
from resnets.weights.containers import detectron, torch_legacy, torch_tar, torch_zip
from resnets.weights.containers.contents import Contents
from resnets.weights.containers.zip_archive import open_archive
from tests.torture.damage import damaged
from tests.weights.containers.test_torch_tar import write

MOST_READ = 64 << 20
"""Of the tensors of a case, so that a case stays short."""


def _checkpoint() -> dict[str, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2, 4, 4)).sum().backward()
    optimizer.step()
    some = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": [some.transpose(0, 2), some[1], some.bfloat16(), torch.tensor(3), some > 3],
        "args": argparse.Namespace(lr=0.1),
        "array": np.arange(5.0),
        "scalar": np.float32(2),
        "whole": model,
    }


@cache
def _saved(is_zip: bool, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    torch.save(_checkpoint(), file, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


def _plain(is_zip: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"a": torch.arange(6.0).reshape(2, 3).T}, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


def torch_zips() -> list[bytes]:
    deflated = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_plain(True))) as old, zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return [_plain(True), _saved(True), _saved(True, 4), deflated.getvalue()]


def make_torch_zip(examples: list[bytes], chance: random.Random) -> bytes:
    """A torch zip damaged in its bytes or, as a sound archive, in its pickle."""
    whole = chance.choice(examples)
    if chance.random() < 0.3:
        return damaged(whole, chance, examples)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, damaged(data, chance, [data]) if name.endswith("data.pkl") else data)
    return made.getvalue()


def torch_legacies() -> list[bytes]:
    return [_plain(False), _saved(False), _saved(False, 4)]


def torch_tars() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [write(Path(folder, "a.pth")).read_bytes()]


def pickled_arrays() -> list[bytes]:
    arrays = {"a": np.arange(30_000, dtype="<f4"), "b": np.asfortranarray(np.eye(3)), "c": np.zeros((2, 0), ">i2")}
    files = [{"blobs": arrays, "cfg": "MODEL: {}"}, {"model": arrays, "__author__": "Caffe2"}]
    tensors = {"a": torch.arange(20_000), "b": torch.ones(2, 3).T}
    return [pickle.dumps(value, protocol) for value in (*files, tensors) for protocol in (2, 4, 5)]


def reading(read: Callable[[Path], Contents]) -> Callable[[bytes, Path], object]:
    """Read a file, and every tensor in it."""

    def attempt(data: bytes, folder: Path) -> object:
        path = folder / "weights"
        path.write_bytes(data)
        found = read(path)
        left = MOST_READ
        for tensor in found.tensors.values():
            left -= tensor.size
            if left >= 0:
                assert len(tensor.read()) == tensor.size
        return found

    return attempt


def zip_archives() -> list[bytes]:
    arrays = io.BytesIO()
    np.savez_compressed(arrays, a=np.zeros(100), b=np.arange(5))
    return [*torch_zips(), arrays.getvalue()]


def read_zip_archive(data: bytes, folder: Path) -> object:
    path = folder / "archive"
    path.write_bytes(data)
    members = open_archive(path)
    for member in members.values():
        if member.size <= MOST_READ:
            assert len(member.read_range(0, member.size)) == member.size
            member.read(MOST_READ)
    return members


ROWS: dict[str, tuple[Any, ...]] = {
    "zip archive": (zip_archives, read_zip_archive, (FileError,)),
    "torch zip": (torch_zips, reading(torch_zip.read), (FileError,), make_torch_zip),
    "torch legacy": (torch_legacies, reading(torch_legacy.read), (FileError,)),
    "torch tar": (torch_tars, reading(torch_tar.read), (FileError,)),
    "pickled arrays": (pickled_arrays, reading(detectron.read), (FileError,)),
}
"""What each `Target` is made of: examples, reader, refusals, and how its cases are made."""
