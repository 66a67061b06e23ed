"""ONNX: the initialisers of a graph, its constants, and its nodes as plain values (onnx.proto of onnx/onnx).

What is parsed are names, sizes and attributes, at most a million fields and 8 MB of text (`protobuf.Budget`),
below 256 MB of memory in all; the numbers are fetched one tensor at a time. Another file is never opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from resnets.files.errors import FileError
from resnets.files.protobuf import FIXED32, FIXED64, LENGTH, VARINT, Budget, Field, Message, outline
from resnets.weights.containers.contents import ITEM_BYTES, MOST_TENSORS, Contents, Stored, check_tensor
from resnets.weights.containers.mapped import mapped
from resnets.weights.containers.packed import MOST_VARINTS, Packed, unpack_varints

MOST_NODES = 50_000

_TYPES = {
    1: "F32", 2: "U8", 3: "I8", 4: "U16", 5: "I16", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16", 11: "F64", 12: "U32",
    13: "U64", 16: "BF16", 17: "F8_E4M3", 19: "F8_E5M2",
}  # fmt: skip
"""TensorProto.DataType of those that have a word."""

_NUMBERS = {4: FIXED32, 5: VARINT, 7: VARINT, 10: FIXED64, 11: VARINT}
"""Fields of a TensorProto that hold numbers: float_data, int32_data, int64_data, double_data, uint64_data."""

_FIELDS_OF = {"F32": 4, "F64": 10, "I64": 7, "U32": 11, "U64": 11}
"""Type -> the field its numbers are in, where they are not raw; int32_data for all others."""


def looks_like(head: bytes) -> bool:
    """Say whether a file that starts so may be an ONNX model: its version, then its producer or its operators."""
    seen = outline(head)
    return (
        {*seen} <= _MODEL_FIELDS and (1, VARINT) in seen[:1] and bool({*seen} & {(2, LENGTH), (7, LENGTH), (8, LENGTH)})
    )


_MODEL_FIELDS = {(number, LENGTH) for number in (2, 3, 4, 6, 7, 8, 14, 20, 25, 26)} | {(1, VARINT), (5, VARINT)}


def read(path: Path) -> Contents:
    """Return the initialisers of a model's graph by name, and the tensors of Constant nodes by their output's name.

    Facts: "ir_version", "producer" (name and version), "opset" (domain -> version), "metadata", "graph" (its
    name), "inputs" and "outputs" (name -> sides, a number or a word each), and "nodes": for each, in order,
    [operator, name, inputs, outputs, attributes]. An attribute that is a tensor, a graph or sparse is None there.
    Raises `FileError` for anything else than an ONNX model, and for one that keeps numbers in another file.
    """
    try:
        return _read(path)
    except FileError as error:
        raise FileError(f"{path} is not read as an ONNX model: {error}") from None


def _read(path: Path) -> Contents:
    facts: dict[str, Any] = {"ir_version": 0, "producer": ["", ""], "opset": {}, "metadata": {}}
    graph: _Graph | None = None
    for found in Message(mapped(path), Budget()):
        match found.number:
            case 1:
                facts["ir_version"] = found.integer()
            case 2 | 3:
                facts["producer"][found.number - 2] = found.text()
            case 7:
                if graph is not None:
                    raise FileError("it has two graphs")
                graph = _graph(path, found.message())
            case 8:
                domain, version = _pair(found, Field.integer)
                facts["opset"][domain] = version or 0
            case 14:
                key, value = _pair(found, Field.text)
                facts["metadata"][key] = value or ""
    if graph is None:
        raise FileError("it has no graph")
    facts |= {"graph": graph.name, "inputs": graph.inputs, "outputs": graph.outputs, "nodes": graph.nodes}
    return Contents(container="onnx", tensors=graph.tensors, facts=facts)


def _pair(found: Field, second: Any) -> tuple[str, Any]:
    """The two fields of a StringStringEntryProto or an OperatorSetIdProto."""
    key, value = "", None
    for inner in found.message():
        if inner.number == 1:
            key = inner.text()
        elif inner.number == 2:
            value = second(inner)
    return key, value


@dataclass(slots=True)
class _Graph:
    name: str = ""
    tensors: dict[str, Stored] = field(default_factory=dict)
    inputs: dict[str, list[int | str]] = field(default_factory=dict)
    outputs: dict[str, list[int | str]] = field(default_factory=dict)
    nodes: list[list[Any]] = field(default_factory=list)

    def add(self, name: str, tensor: Stored) -> None:
        if name in self.tensors:
            raise FileError(f"it has two tensors {name[:100]!r}")
        if len(self.tensors) >= MOST_TENSORS:
            raise FileError(f"it has more than {MOST_TENSORS:,} tensors")
        self.tensors[name] = tensor


def _graph(path: Path, message: Message) -> _Graph:
    graph = _Graph()
    for found in message:
        match found.number:
            case 1:
                _node(path, found.message(), graph)
            case 2:
                graph.name = found.text()
            case 5:
                graph.add(*_tensor(path, found.message()))
            case 11:
                graph.inputs |= _value(found.message())
            case 12:
                graph.outputs |= _value(found.message())
            case 15:
                raise FileError("it has sparse initialisers, which are not read; save the model with dense ones")
        if len(graph.nodes) > MOST_NODES:
            raise FileError(f"its graph has more than {MOST_NODES:,} nodes")
    return graph


def _node(path: Path, message: Message, graph: _Graph) -> None:
    operator = name = ""
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    constant: Field | None = None
    for found in message:
        match found.number:
            case 1:
                inputs.append(found.text())
            case 2:
                outputs.append(found.text())
            case 3:
                name = found.text()
            case 4:
                operator = found.text()
            case 5:
                key, value, tensor = _attribute(found.message())
                attributes[key] = value
                constant = tensor if key == "value" and tensor is not None else constant
    if operator == "Constant" and constant is not None and outputs:
        graph.add(outputs[0], _tensor(path, constant.message(), outputs[0])[1])
    graph.nodes.append([operator, name, inputs, outputs, attributes])


def _attribute(message: Message) -> tuple[str, Any, Field | None]:
    """Return an attribute's name, its value if it is plain, and its tensor if it is one."""
    name = ""
    value: Any = None
    tensor: Field | None = None
    values: list[Any] = []
    for found in message:
        match found.number:
            case 1:
                name = found.text()
            case 2:
                value = found.floats()[0] if found.wire == FIXED32 else None
            case 3:
                value = found.integer()
            case 4:
                value = _plain(found)
            case 5:
                tensor = found
            case 7:
                values += found.floats()
            case 8:
                values += found.integers()
            case 9:
                values.append(_plain(found))
    return name, values or value, tensor


def _plain(found: Field) -> str:
    """A text of an attribute, which may be any bytes."""
    found.budget.take_text(len(found.view()))
    return str(found.view(), "utf-8", "replace")


def _value(message: Message) -> dict[str, list[int | str]]:
    """Name and sides of an input or an output; no sides where its type is not a tensor's or has no shape."""
    name = ""
    sides: list[int | str] = []
    for found in message:
        if found.number == 1:
            name = found.text()
        elif found.number == 2:
            for dimension in _inside(found, 1, 2, 1):
                side: int | str = "?"
                for inner in dimension.message():
                    if inner.number in (1, 2):
                        side = inner.integer() if inner.number == 1 else inner.text()
                sides.append(side)
    return {name: sides}


def _inside(found: Field, *numbers: int) -> list[Field]:
    """The fields reached by descending into messages by these field numbers."""
    level = [found]
    for number in numbers:
        level = [inner for each in level for inner in each.message() if inner.number == number]
    return level


def _tensor(path: Path, message: Message, name: str = "") -> tuple[str, Stored]:
    kind, shape = 0, list[int]()
    raw: Packed | None = None
    typed = {number: Packed(wire) for number, wire in _NUMBERS.items()}
    elsewhere = ""
    is_elsewhere = False
    for found in message:
        match found.number:
            case 1:
                shape += found.integers()
            case 2:
                kind = found.integer()
            case 4 | 5 | 7 | 10 | 11:
                typed[found.number].add(found)
            case 8:
                name = name or found.text()
            case 9:
                raw = raw or Packed(LENGTH)
                raw.add(found)
            case 13:
                is_elsewhere = True
                key, value = _pair(found, Field.text)
                elsewhere = value if key == "location" else elsewhere
            case 14:
                is_elsewhere = is_elsewhere or found.integer() == 1
    if is_elsewhere:
        raise FileError(
            f"tensor {name[:100]!r} keeps its numbers in another file, {str(elsewhere)[:100]!r}, which is not opened; "
            "save the model with its numbers inside: onnx.save(onnx.load(FILE), NEW)"
        )
    dtype = _TYPES.get(kind, f"ONNX {kind}")
    check_tensor(name, dtype, tuple(shape))
    return name, _stored(path, name, dtype, tuple(shape), raw, typed[_FIELDS_OF.get(dtype, 5)])


def _stored(path: Path, name: str, dtype: str, shape: tuple[int, ...], raw: Packed | None, typed: Packed) -> Stored:
    """Return the tensor, once the file is seen to have bytes enough for its numbers."""
    count = prod(shape)
    if raw is None and typed.wire == VARINT:
        # A varint has at least one byte and at most ten; how many there are is seen when they are unpacked.
        if count > MOST_VARINTS:
            raise FileError(
                f"tensor {name[:100]!r} has {count:,} numbers as varints; at most {MOST_VARINTS:,} are read"
            )
        if not count <= typed.size <= 10 * count:
            raise FileError(f"tensor {name[:100]!r} of shape {shape} has {typed.size:,} bytes for {count:,} numbers")
        return Stored(dtype, shape, partial(_unpacked, path, typed, count, ITEM_BYTES[dtype]))
    numbers = typed if raw is None else raw
    if numbers.size != count * ITEM_BYTES[dtype]:
        raise FileError(
            f"tensor {name[:100]!r} of {dtype} {shape} takes {count * ITEM_BYTES[dtype]:,} bytes, "
            f"and has {numbers.size:,}"
        )
    return Stored(dtype, shape, partial(numbers.read, path))


def _unpacked(path: Path, numbers: Packed, count: int, item_bytes: int) -> bytes:
    """The low bytes of each varint: numbers of fewer bits, and the bits of a float, are written as int32."""
    return unpack_varints(numbers.read(path), count).astype(f"<u{item_bytes}").tobytes()
