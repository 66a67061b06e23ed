"""Plain pickles: Detectron's and Detectron2's files as numpy reads them, with the long arrays left in the file."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.storage import _load_from_bytes

from resnets.files.errors import FileError
from resnets.weights.containers import detectron
from resnets.weights.containers.contents import array
from resnets.weights.containers.detectron import read
from tests.weights.containers.torch_files import Call, assert_same, named, refusal

KINDS = ("<f4", ">f4", "<f8", "<f2", "<i8", ">i2", "|u1", "|b1", "<u4")


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    chance = np.random.default_rng(0)
    some = chance.integers(0, 100, (30, 40, 50))
    made = {kind: some.astype(kind) for kind in KINDS}
    made |= {f"fortran {kind}": np.asfortranarray(some.astype(kind)) for kind in KINDS}
    return made | {
        "small": np.arange(3.0),
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "column": some[:, 1, :1],
    }


def python_2(value: Any) -> bytes:
    """Protocol 2 as Python 2 writes it: every string of bytes as a byte string, none encoded twice."""
    out, written = bytearray(), pickle.dumps(value, 2)
    ops = list(pickletools.genops(written))
    ends = [position for _, _, position in ops[1:]] + [len(written)]
    for (code, argument, start), end in zip(ops, ends, strict=True):
        assert start is not None and end is not None
        if code.name == "BINUNICODE":
            data = argument.encode("latin-1")
            out += b"T" + len(data).to_bytes(4, "little") + data
        else:
            out += written[start:end]
    return bytes(out)


def compared(path: Path, value: dict[str, Any], prefix: str = "") -> None:
    found = read(path)
    assert found.container == "pickle"
    assert found.not_run == ()
    assert list(found.tensors) == [prefix + name for name in value]
    for name, expected in value.items():
        tensor = found.tensors[prefix + name]
        assert tensor.shape == expected.shape
        again = array(tensor)
        assert again.dtype == expected.dtype.newbyteorder("<")
        assert np.array_equal(again, expected), name


@pytest.mark.parametrize("span_bytes", [100, 1 << 16, 1 << 30])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_every_type_and_order_come_out_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, span_bytes: int
) -> None:
    monkeypatch.setattr(detectron, "SPAN_BYTES", span_bytes)
    value = arrays()
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
    compared(tmp_path / "a.pkl", value)


def test_a_file_of_python_2_is_read_in_latin_1(tmp_path: Path) -> None:
    value = {name: part for name, part in arrays().items() if "f" in name}
    data = python_2({"blobs": value, "cfg": "MODEL: {}\n"})
    assert b"_codecs" in data  # the arrays' bytes are still handed to a codec, as text
    (tmp_path / "a.pkl").write_bytes(data)
    compared(tmp_path / "a.pkl", value, "blobs.")
    assert read(tmp_path / "a.pkl").facts == {"cfg": "MODEL: {}\n"}


def by_hand(name: bytes, data: bytes, shape: int) -> bytes:
    """What Python 2 wrote for {name: float32 array}."""
    size = len(data).to_bytes(4, "little")
    return (
        b"\x80\x02}q\x00U%c%s" % (len(name), name)
        + b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        + b"(K\x01J" + shape.to_bytes(4, "little") + b"\x85cnumpy\ndtype\nq\x04U\x02f4K\x00K\x01\x87Rq\x05"
        + b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + size + data + b"tbs."
    )  # fmt: skip


def test_the_bytes_that_python_2_wrote_are_read_where_they_lie(tmp_path: Path) -> None:
    numbers = np.linspace(-1, 1, 100_000, dtype="<f4")
    (tmp_path / "a.pkl").write_bytes(by_hand(b"conv1_w", numbers.tobytes(), len(numbers)))
    compared(tmp_path / "a.pkl", {"conv1_w": numbers})
    assert np.array_equal(pickle.loads((tmp_path / "a.pkl").read_bytes(), encoding="latin-1")["conv1_w"], numbers)


def test_a_file_of_detectron2_gives_its_arrays_and_its_author(tmp_path: Path) -> None:
    value = {
        "model": {"stem.conv1.weight": np.ones((2, 3), "<f4")},
        "__author__": "Caffe2",
        "matching_heuristics": True,
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, 2))
    compared(tmp_path / "a.pkl", value["model"], "model.")  # type: ignore[arg-type]
    assert read(tmp_path / "a.pkl").facts == {"__author__": "Caffe2", "matching_heuristics": True}


def test_opening_a_large_file_reads_none_of_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"a": np.zeros(10_000_000)}, 4))
    tracemalloc.start()
    found = read(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert found.tensors["a"].size == 80_000_000
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FileError, match="is cut short or was changed"):
        found.tensors["a"].read()


def test_what_would_run_is_named_and_never_run(tmp_path: Path) -> None:
    value = {"bad": Call(os.system, f"touch {tmp_path / 'ran'}"), "a": np.ones(3)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    found = read(tmp_path / "a.pkl")
    assert found.not_run == (f"{os.system.__module__}.system",)
    assert np.array_equal(array(found.tensors["a"]), np.ones(3))
    assert not (tmp_path / "ran").exists()


REFUSALS = [
    ("more elements", by_hand(b"a", bytes(400), 1 << 30), "1,073,741,824 elements of 4 bytes, and has 400"),
    ("fewer elements", by_hand(b"a", bytes(400), 60), "60 elements of 4 bytes, and has 400"),
    ("more long elements", by_hand(b"a", bytes(400_000), 100_001), "100,001 elements of 4 bytes, and has 400,000"),
    ("cut short", by_hand(b"a", bytes(100_000), 25_000)[:-50_000], "longer than the rest"),
    ("a storage", b"\x80\x02U\x07storageQ.", "opcode BINPERSID is not read here"),
    ("nothing", b"", "ends without STOP"),
    ("text", b"name: resnet\n", "it is damaged (0x6e is no opcode)"),
]


@pytest.mark.parametrize(("data", "sentence"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_pickle_that_lies_is_refused_with_its_reason(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    assert sentence in refusal(read, tmp_path / "a.pkl")


def test_long_text_that_is_no_bytes_is_refused_when_it_is_read(tmp_path: Path) -> None:
    numbers = np.full(100_000, 0x80, np.uint8)
    data = bytearray(pickle.dumps({"a": numbers}, 2))
    at = data.index("\x80".encode() * 1000)
    for wrong in ("\u4e2da".encode(), b"abcd", b"\xff" * 4):
        data[at : at + 4] = wrong
        (tmp_path / "a.pkl").write_bytes(data)
        found = read(tmp_path / "a.pkl")
        with pytest.raises(FileError, match="an array's bytes are not what its pickle says"):
            found.tensors["a"].read()


def test_arrays_beside_torchs_tensors_are_read_alike(tmp_path: Path) -> None:
    from resnets.weights.containers import torch_zip

    torch.save({"a": np.arange(6).reshape(2, 3)[:, ::-1], "b": torch.ones(2)}, tmp_path / "a.pth")
    assert np.array_equal(array(torch_zip.read(tmp_path / "a.pth").tensors["a"]), [[2, 1, 0], [5, 4, 3]])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_torchs_tensors_in_a_plain_pickle_are_read_as_torch_reads_them(tmp_path: Path, protocol: int) -> None:
    some = torch.randn(40, 50, 60)
    value = {
        "model": {"small": torch.arange(6).reshape(2, 3).T, "large": some, "part": some[3:, 1], "half": some.half()},
        "epoch": 3,
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
    found = read(tmp_path / "a.pkl")
    assert_same(found, dict(named(value)))
    assert found.facts == {"epoch": 3}
    assert found.not_run == ()


def test_a_storage_in_a_plain_pickle_that_is_no_storage_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    torch.save({"a": 1}, inner, _use_new_zipfile_serialization=False)
    for held, sentence in (
        (inner.getvalue(), "what should be a storage is something else"),
        (b"K\x01.", "does not begin with torch's magic number"),
        (None, "made of what are no bytes"),
        (inner.getvalue()[:30], "cut short"),
        (inner.getvalue()[:15] + b"N0" * 300 + b".", "more than 200 opcodes"),
    ):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(Call(_load_from_bytes, held)))
        assert sentence in refusal(read, tmp_path / "a.pkl")
