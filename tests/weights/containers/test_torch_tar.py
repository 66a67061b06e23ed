"""torch's tar files, which torch itself still reads: the same tensors, and refusals for files that lie."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnets.weights.containers.torch_tar import read
from tests.weights.containers.torch_files import Call, Identity, assert_same, named, pickled, refusal

NUMBERS = np.arange(12, dtype="<f4")
STORAGE = ((10, "cpu", torch.FloatStorage), len(NUMBERS))
VIEWS: list[Any] = [(11, 10, 4, 8)]
TENSORS: list[Any] = [
    ((20, 10, torch.FloatTensor), (3, 4), (4, 1), 0),
    ((21, 11, torch.FloatTensor), (2, 4), (1, 2), 0),
]


def write(
    path: Path,
    value: Any = None,
    storages: Any = (STORAGE,),
    views: Any = VIEWS,
    tensors: Any = TENSORS,
    without: str = "",
    counts: tuple[Any, Any] | None = None,
) -> Path:
    """A tar file as torch 0.1 wrote it: a storage of twelve numbers, a view of eight, and a tensor in each."""
    counts = counts or (len(storages), len(tensors))
    held = pickle.dumps(counts[0], 2)
    for entry, count in storages:
        held += pickle.dumps(entry, 2) + struct.pack("<q", count) + NUMBERS.tobytes()
    held += pickle.dumps(views, 2)
    described = pickle.dumps(counts[1], 2)
    for entry, shape, strides, offset in tensors:
        described += pickle.dumps(entry, 2) + struct.pack("<2i", len(shape), 0)
        described += struct.pack(f"<{2 * len(shape) + 1}q", *shape, *strides, offset)
    value = {"a": Identity("20"), "part": {"b": Identity("21")}, "epoch": 3} if value is None else value
    parts = {"sys_info": pickle.dumps({}, 2), "storages": held, "tensors": described, "pickle": pickled(value)}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        for name, data in parts.items():
            if name != without:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                file.addfile(entry, io.BytesIO(data))
    return path


def test_a_tar_file_gives_the_tensors_that_torch_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth")
    found = read(path)
    assert found.container == "torch tar"
    assert_same(found, dict(named(torch.load(path, weights_only=False))))
    assert found.facts == {"epoch": 3}


def test_what_would_run_is_named_and_never_run(tmp_path: Path) -> None:
    value = {"a": Identity("20"), "bad": Call(os.system, f"touch {tmp_path / 'ran'}")}
    found = read(write(tmp_path / "a.pth", value))
    assert found.not_run == (f"{os.system.__module__}.system",)
    assert list(found.tensors) == ["a"]
    assert not (tmp_path / "ran").exists()


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("another archive", {"without": "storages"}, "it is a tar archive without 'storages'; unpack it"),
    ("too many storages", {"counts": (10_001, 2)}, "it says it has 10001 tensors or storages; at most 10,000"),
    ("no count", {"counts": (1, "two")}, "it says it has two tensors"),
    ("a longer storage", {"storages": [((10, "cpu", torch.FloatStorage), 1 << 30)]}, "more than there are"),
    ("a negative storage", {"storages": [((10, "cpu", torch.FloatStorage), -1)]}, "more than there are"),
    ("no entry", {"storages": [((10, "cpu"), 12)]}, "is not what it should be"),
    ("a view outside", {"views": [(11, 10, 5, 8)]}, "a part of another that it is not inside"),
    ("a view of nothing", {"views": [(11, 12, 0, 8)]}, "a part of another that it is not inside"),
    ("a view of a view", {"views": [(11, 10, 0, 8), (12, 11, 0, 8)]}, "a part of another that it is not inside"),
    ("no views", {"views": 3}, "are no list"),
    ("a strange view", {"views": [(11, 10)]}, "a view of a storage is not what it should be"),
    ("nine sides", {"tensors": [((20, 10, 0), (1,) * 9, (1,) * 9, 0)]}, "it has 9 dimensions; at most 8 are read"),
    ("outside", {"tensors": [((20, 10, 0), (3, 4), (4, 2), 0), TENSORS[1]]}, "'a' of shape (3, 4) reaches outside"),
    ("a negative offset", {"tensors": [((20, 10, 0), (3, 4), (4, 1), -1), TENSORS[1]]}, "impossible strides"),
    ("a tensor of nothing", {"tensors": [((20, 13, 0), (3, 4), (4, 1), 0)]}, "made of what is no storage"),
    ("an absent key", {"value": {"a": Identity("22")}}, "outside itself that is no tensor"),
    ("a strange key", {"value": {"a": Identity(["22"])}}, "outside itself that is no tensor"),
]


@pytest.mark.parametrize(("facts", "sentence"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_file_that_lies_is_refused_with_its_reason_within_64_mb(
    tmp_path: Path, facts: dict[str, Any], sentence: str
) -> None:
    told = refusal(read, write(tmp_path / "a.pth", **facts))
    assert sentence in told
    assert "a.pth" in told


def test_what_is_no_tar_archive_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth")
    good = path.read_bytes()
    for data in (
        b"",
        b"x" * 2000,
        good[:700],
        good.replace(b"ustar", b"uster"),
        good.replace(b"00000000", b"99999999", 1),
    ):
        path.write_bytes(data)
        refusal(read, path)
