"""ONNX: initialisers of every type, constants, the graph as plain values, and a refusal for other files' numbers."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.weights.containers import onnx_file
from resnets.weights.containers.contents import Contents, array
from tests import wire

TYPES = {
    "<f4": 1, "u1": 2, "i1": 3, "<u2": 4, "<i2": 5, "<i4": 6, "<i8": 7, "?": 9, "<f2": 10, "<f8": 11, "<u4": 12,
    "<u8": 13,
}  # fmt: skip
"""numpy's types by TensorProto.DataType."""


def tensor(name: str, numbers: np.ndarray[Any, Any], kind: int | None = None, *, raw: bool = True) -> bytes:
    """A TensorProto; its numbers as raw bytes, or in the field of their type."""
    kind = kind or TYPES[numbers.dtype.str.lstrip("|").replace("b1", "?")]
    out = wire.field(1, *numbers.shape) + wire.field(2, kind) + wire.field(8, name)
    if raw:
        return out + wire.field(9, numbers.tobytes())
    if numbers.dtype.kind == "f" and numbers.dtype.itemsize > 2:
        return out + wire.field({4: 4, 8: 10}[numbers.dtype.itemsize], numbers.tobytes())
    bits = numbers.view("<u2") if numbers.dtype.kind == "f" else numbers
    return out + wire.packed({7: 7, 12: 11, 13: 11}.get(kind, 5), map(int, bits.ravel()))


def model(*initialisers: bytes, nodes: bytes = b"", graph: bytes = b"") -> bytes:
    inside = wire.field(1, *([nodes] if nodes else [])) + wire.field(2, "g") + wire.field(5, *initialisers) + graph
    return wire.field(1, 8) + wire.field(2, "tests") + wire.field(3, "1.0") + wire.field(7, inside)


def read(path: Path, data: bytes) -> Contents:
    path.write_bytes(data)
    return onnx_file.read(path)


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_comes_out_as_it_went_in(kind: str, raw: bool, tmp_path: Path) -> None:
    numbers = np.array([[0, 1, 200, 3], [100, 5, 6, 7]]).astype(kind)
    if numbers.dtype.kind in "if" and kind != "i1":
        numbers[0, 0] = -300
    found = read(tmp_path / "a", model(tensor("w", numbers, raw=raw)))
    assert found.container == "onnx"
    assert np.array_equal(array(found.tensors["w"]), numbers)
    assert array(found.tensors["w"]).dtype == numbers.dtype


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_bfloat16_is_read_both_ways(raw: bool, tmp_path: Path) -> None:
    bits = np.array([0x3F80, 0xC000, 0x4049], "<u2")  # 1, -2 and about pi
    found = read(tmp_path / "a", model(tensor("w", bits, 16, raw=raw)))
    assert found.tensors["w"].dtype == "BF16"
    assert list(array(found.tensors["w"])) == [1, -2, 3.140625]


def test_a_scalar_and_an_empty_tensor_are_read(tmp_path: Path) -> None:
    found = read(
        tmp_path / "a", model(tensor("one", np.float32(2.5)), tensor("none", np.zeros((0, 3), "<i8"), raw=False))
    )
    assert array(found.tensors["one"]) == np.float32(2.5)
    assert found.tensors["none"].shape == (0, 3)
    assert found.tensors["none"].read() == b""


def test_numbers_in_several_pieces_are_put_together(tmp_path: Path) -> None:
    pieces = wire.field(4, struct.pack("<2f", 1, 2), struct.pack("<f", 3))
    singles = wire.field(4, 1.0, 2.0, 3.0)
    head = wire.field(1, 3) + wire.field(2, 1)
    found = read(tmp_path / "a", model(head + wire.field(8, "a") + pieces, head + wire.field(8, "b") + singles))
    assert list(array(found.tensors["a"])) == list(array(found.tensors["b"])) == [1, 2, 3]


def attribute(name: str, number: int, *values: wire.Value) -> bytes:
    return wire.field(5, wire.field(1, name) + wire.field(number, *values))


def test_nodes_constants_and_everything_beside_them_are_plain_values(tmp_path: Path) -> None:
    constant = wire.field(2, "c") + wire.field(4, "Constant")
    constant += attribute("value", 5, tensor("", np.array([1, 2], "<f4")))
    conv = wire.field(1, "x", "w") + wire.field(2, "y") + wire.field(3, "conv1") + wire.field(4, "Conv")
    conv += attribute("strides", 8, wire.varint(2) + wire.varint(2)) + attribute("pads", 8, 1, 1, -1)
    conv += attribute("auto_pad", 4, "NOTSET") + attribute("alpha", 2, 0.5) + attribute("group", 3, 1)
    conv += attribute("words", 9, "a", b"\xff") + attribute("scales", 7, 0.5, 2.0) + attribute("then", 6, b"")
    dims = b"".join(wire.field(1, each) for each in (wire.field(2, "batch"), wire.field(1, 3), b""))
    value = wire.field(1, "x") + wire.field(2, wire.field(1, wire.field(1, 1) + wire.field(2, dims)))
    graph = wire.field(1, constant, conv) + wire.field(11, value) + wire.field(12, wire.field(1, "y"))
    more = wire.field(8, wire.field(2, 17), wire.field(1, "ai.custom") + wire.field(2, 1))
    more += wire.field(14, wire.field(1, "task") + wire.field(2, "cats"))
    found = read(tmp_path / "a", model(tensor("w", np.eye(2, dtype="<f4")), graph=graph) + more)
    assert list(array(found.tensors["c"])) == [1, 2]
    assert found.facts == {
        "ir_version": 8, "producer": ["tests", "1.0"], "opset": {"": 17, "ai.custom": 1}, "metadata": {"task": "cats"},
        "graph": "g", "inputs": {"x": ["batch", 3, "?"]}, "outputs": {"y": []},
        "nodes": [
            ["Constant", "", [], ["c"], {"value": None}],
            ["Conv", "conv1", ["x", "w"], ["y"], {
                "strides": [2, 2], "pads": [1, 1, -1], "auto_pad": "NOTSET", "alpha": 0.5, "group": 1,
                "words": ["a", "\ufffd"], "scales": [0.5, 2.0], "then": None,
            }],
        ],
    }  # fmt: skip


HEAD = wire.field(2, 1) + wire.field(8, "w")
EIGHT = wire.field(9, bytes(8))

REFUSALS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it has no graph"),
    "no graph": (wire.field(1, 8), "it has no graph"),
    "two graphs": (model() + wire.field(7, b""), "it has two graphs"),
    "text": (b"import onnx\n" * 9, "wire type|impossible number|has no end|cut short"),
    "cut short": (model(tensor("w", np.ones(9, "<f4")))[:-9], "cut short or damaged"),
    "external data": (
        model(wire.field(1, 2) + HEAD + wire.field(13, wire.field(1, "location") + wire.field(2, "/etc/passwd"))),
        "tensor 'w' keeps its numbers in another file, '/etc/passwd', which is not opened; save",
    ),
    "external data, without a place": (model(wire.field(1, 2) + HEAD + wire.field(14, 1)), "in another file"),
    "external data and numbers too": (model(wire.field(1, 2) + HEAD + EIGHT + wire.field(14, 1)), "in another file"),
    "external data of a constant": (
        model(nodes=wire.field(2, "c") + wire.field(4, "Constant") + attribute("value", 5, wire.field(14, 1))),
        "tensor 'c' keeps its numbers in another file",
    ),
    "4 GB in 100 bytes": (model(wire.field(1, 1 << 30) + HEAD + EIGHT), "takes 4,294,967,296 bytes, and has 8"),
    "4 GB of varints": (
        model(wire.field(1, 1 << 29) + wire.field(2, 7) + wire.field(8, "w") + wire.field(7, bytes(8))),
        "has 536,870,912 numbers as varints; at most 16,777,216 are read",
    ),
    "too few varints": (
        model(wire.field(1, 9) + wire.field(2, 7) + wire.field(8, "w") + wire.field(7, bytes(8))),
        "has 8 bytes for 9 numbers",
    ),
    "8 GB": (model(wire.field(1, 1 << 31) + HEAD), "at most 4,294,967,296 are read"),
    "a side below 0": (model(wire.field(1, -2) + HEAD + EIGHT), "impossible shape"),
    "a thousand sides": (model(wire.field(1, *[1] * 1000) + HEAD + wire.field(9, bytes(4))), "impossible shape"),
    "strings": (model(wire.field(1, 1) + wire.field(2, 8) + wire.field(8, "w")), "has type 'ONNX 8'"),
    "no type": (model(wire.field(8, "w")), "has type 'ONNX 0'"),
    "numbers of another type": (model(wire.field(1, 1) + HEAD + wire.field(10, bytes(8))), "takes 4 bytes, and has 0"),
    "a name twice": (model(*[tensor("w", np.ones(1, "<f4"))] * 2), "two tensors 'w'"),
    "sparse initialisers": (model(graph=wire.field(15, b"")), "sparse initialisers, which are not read"),
    "10,001 tensors": (model(*(tensor(str(n), np.ones(1, "u1")) for n in range(10_001))), "more than 10,000 tensors"),
    "50,001 nodes": (model(graph=wire.field(1, b"") * 50_001), "more than 50,000 nodes"),
    "a million numbers": (
        model(nodes=attribute("a", 8, bytes(1_000_001))),
        "too many fields",
    ),
    "9 MB of text": (model() + wire.field(2, *["x" * (1 << 20)] * 9), "too much text"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_file_that_lies_or_costs_too_much_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    is_large = len(data) > 1 << 16  # what is large takes long to trace
    if not is_large:
        tracemalloc.start()
    with pytest.raises(FileError, match=r"is not read as an ONNX model: .*" + f"(?:{said})"):
        read(tmp_path / "a", data)
    if not is_large:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


@pytest.mark.parametrize(
    ("numbers", "said"),
    [(b"\x80" * 10 + b"\0", "has no end"), (b"\1\2\3", "of 2 numbers holds 3"), (b"\1\x82", "of 2 numbers holds 1")],
)
def test_varints_that_are_not_what_the_shape_says_are_refused_when_read(
    numbers: bytes, said: str, tmp_path: Path
) -> None:
    count = 1 if len(numbers) > 9 else 2
    head = wire.field(1, count) + wire.field(2, 7) + wire.field(8, "w")
    stored = read(tmp_path / "a", model(head + wire.field(7, numbers[: 10 * count]))).tensors["w"]
    with pytest.raises(FileError, match=said if count == 2 else "of 1 numbers holds 0"):
        stored.read()


def test_a_large_tensor_of_varints_is_unpacked_in_pieces(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(-(2**62), 2**62, 100_000)
    found = read(tmp_path / "a", model(tensor("w", numbers.astype("<i8"), raw=False)))
    assert np.array_equal(array(found.tensors["w"]), numbers)
