"""npz: the arrays that numpy wrote, and a refusal for what is a pickle or lies about its size."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.weights.containers import npz
from resnets.weights.containers.contents import array
from resnets.weights.containers.zip_archive import open_archive

TYPES = ["?", "u1", "u2", "<u4", "<u8", "i1", "i2", "<i4", ">i4", "<i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_out_as_numpy_wrote_them(save: Any, tmp_path: Path) -> None:
    numbers = np.arange(24).reshape(2, 3, 4) - 5
    with warnings.catch_warnings(action="ignore"):  # negative numbers as unsigned ones
        written = {f"{order}{kind}": np.array(numbers.astype(kind), order=order) for kind in TYPES for order in "CF"}
    written |= {"a/b.c": np.float32(2.5), "empty": np.zeros((0, 3)), "one": np.arange(3.0)}
    save(tmp_path / "a.npz", **written)
    found = npz.read(tmp_path / "a.npz")
    assert found.container == "npz"
    assert found.tensors.keys() == written.keys()
    for name, expected in written.items():
        assert found.tensors[name].dtype[0] == expected.dtype.kind.upper()
        assert found.tensors[name].shape == expected.shape
        assert np.array_equal(array(found.tensors[name]), expected), name


def member(header: str, body: bytes = b"", version: int = 1, size: int | None = None) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text) if size is None else size)
    return npz.MAGIC + bytes([version, 0]) + length + text + body


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name.replace("_", "."), data)
    return path


def told(kind: str = "'<f4'", order: str = "False", shape: str = "(2,)") -> str:
    return f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_header_is_read(version: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a", a_npy=member(told(), struct.pack("<2f", 1, 2), version))
    assert list(array(npz.read(path).tensors["a"])) == [1, 2]


def test_python_2_wrote_whole_numbers_with_an_l(tmp_path: Path) -> None:
    path = archive(tmp_path / "a", a_npy=member(told(shape="(2L, 1L)"), bytes(8)))
    assert npz.read(path).tensors["a"].shape == (2, 1)


REFUSALS = {
    "nothing": (b"", "has 0 bytes"),
    "another file": (b"x" * 100, "is no array of numpy"),
    "version 4": (member(told(), bytes(8), 4), "a format that is not known"),
    "a header past the end": (member(told(), size=60_000), "says its header has 60,000 bytes"),
    "a header of 4 GB": (member(told(), version=2, size=2**32 - 1), "says its header has 4,294,967,295 bytes"),
    "objects": (member(told("'|O'"), bytes(8)), "an array of objects is a pickle, never read"),
    "fields": (member(told("[('a', '<f4')]"), bytes(8)), "holds .*, and not plain numbers"),
    "text": (member(told("'<U2'"), bytes(16)), "and not plain numbers"),
    "complex numbers": (member(told("'<c8'"), bytes(16)), "and not plain numbers"),
    "code": (member(told("__import__('os')"), bytes(8)), "and not plain numbers"),
    "code as a shape": (member(told(shape="(exit(),)"), bytes(8)), "tells no type, order and shape"),
    "a side below 0": (member(told(shape="(-2,)"), bytes(8)), "tells no type, order and shape"),
    "no number": (member(told(shape="(2 2,)"), bytes(8)), "not of whole numbers"),
    "a side of 100 digits": (member(told(shape=f"({'9' * 100},)"), bytes(8)), "not of whole numbers"),
    "4 GB in 100 bytes": (member(told(shape="(1073741824,)"), bytes(8)), "takes 4,294,967,296 bytes, and has 8"),
    "8 GB": (member(told(shape="(2147483648,)"), bytes(8)), "at most 4,294,967,296 are read"),
    "bytes of nobody": (member(told(), bytes(9)), "takes 8 bytes, and has 9"),
}


@pytest.mark.parametrize(("data", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_header_that_lies_is_refused_and_costs_no_memory(data: bytes, said: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a", a_npy=data)
    tracemalloc.start()
    with pytest.raises(FileError, match=r"is not read as \.npz: .*" + said):
        npz.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 19


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> Any:
            return (tmp_path / "ran").touch, ()

    file = io.BytesIO()
    np.savez(file, a=np.array([Malicious()], dtype=object))
    (tmp_path / "a.npz").write_bytes(file.getvalue())
    with pytest.raises(FileError, match="an array of objects is a pickle, never read"):
        npz.read(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


def test_an_archive_of_other_things_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=1)
    assert npz.looks_like(open_archive(tmp_path / "a.npz"))
    for other in ({"a_npy": b"", "b_txt": b""}, {}):
        path = archive(tmp_path / "b", **other)
        assert not npz.looks_like(open_archive(path))
        with pytest.raises(FileError, match=r"other things than \.npy files"):
            npz.read(path)
