"""The ONNX artefact: one file with weights inside, facts in its metadata; another file is never opened for it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resnets.files import atomic, bounded
from resnets.files.byte_ranges import length, opened
from resnets.files.errors import FileError
from resnets.files.protobuf import Budget, Message
from resnets.runtime.artefact_facts import KEYS, Ends, Facts, check_ends, read_facts
from resnets.runtime.quiet import load
from resnets.spec.card import CARD_KEY

MOST_BYTES = (1 << 31) - 1
"""Of a protobuf message."""

DOMAINS = ("", "ai.onnx", "com.microsoft")
"""Operators of the standard, and those of ONNX Runtime's own that its quantizer may write."""

METADATA = 14
"""The field metadata_props of ModelProto, in onnx.proto; the graph before it is field 7."""


def write_onnx(path: str | Path, model: bytes, facts: Facts) -> None:
    """Write an ONNX model's bytes with its facts, at once; equal ones give equal files.

    Raises `ValueError` for a graph that does not fit the card, and as `atomic.write`.
    """
    onnx = load("onnx")
    proto = onnx.load_model_from_string(model)
    check_ends(facts.card, _ends(onnx, proto))
    kept = {each.key: each.value for each in proto.metadata_props if each.key not in KEYS}
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, kept | facts.texts())
    data = proto.SerializeToString(deterministic=True)
    if len(data) > MOST_BYTES:
        raise ValueError(f"this model has {len(data):,} bytes as ONNX, which holds {MOST_BYTES:,}; use another format")
    atomic.write(path, data)


def read_onnx_file(path: Path) -> tuple[Facts, bytes, tuple[str, ...]]:
    """Return facts, the model's bytes and the names of its outputs; raise `FileError` for anything else."""
    data = bounded.read(path, MOST_BYTES)
    onnx = load("onnx")
    try:
        proto = onnx.load_model_from_string(data)
    except Exception as error:  # google.protobuf's own, which is no dependency of ours
        raise FileError(f"it is no ONNX model ({str(error)[:100]})") from None
    facts = read_facts({each.key: each.value for each in proto.metadata_props})
    _refuse_elsewhere(onnx, proto)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise FileError(f"onnx.checker refuses it: {str(error).splitlines()[0][:200]}") from None
    ends = _ends(onnx, proto)
    check_ends(facts.card, ends)
    return facts, data, tuple(ends.outputs)


def is_onnx_artefact(path: Path) -> bool:
    """Say whether a file is an ONNX model with a card, whatever else may be wrong with it; its graph is passed over."""
    try:
        with opened(path) as file:
            if not length(file):
                return False
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return CARD_KEY in _metadata_keys(view)
    except FileError:
        return False


def _metadata_keys(view: memoryview) -> Iterator[str]:
    for found in Message(view, Budget(fields=10_000, text_bytes=1 << 20)):
        if found.number == METADATA:
            yield from (part.text() for part in found.message() if part.number == 1)


def _refuse_elsewhere(onnx: Any, proto: Any) -> None:
    """Refuse numbers in other files, and operators that a library beside the engine would have to bring."""
    if proto.functions or proto.training_info:
        raise FileError("its model has functions or a training of its own; an artefact is one plain graph")
    if proto.graph.sparse_initializer:
        raise FileError("its graph has sparse constants; an artefact's are plain")
    for node in proto.graph.node:
        if node.domain not in DOMAINS:
            raise FileError(f"its node {node.name[:100]!r} is of the domain {node.domain[:100]!r}; no such is run")
        if any(each.HasField("g") or each.graphs for each in node.attribute):
            raise FileError(f"its node {node.name[:100]!r} holds a graph; an artefact is one plain graph")
    for tensor in _tensors(proto):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise FileError(f"it keeps {tensor.name[:100]!r} in another file, which is not opened; export it again")


def _tensors(proto: Any) -> Iterator[Any]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            yield from [attribute.t, *attribute.tensors]
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise FileError(f"its node {node.name[:100]!r} holds sparse numbers; an artefact's are plain")


def _ends(onnx: Any, proto: Any) -> Ends:
    constants = {each.name for each in proto.graph.initializer}
    return Ends(
        {each.name: _sides(each, onnx.TensorProto.UINT8) for each in proto.graph.input if each.name not in constants},
        {each.name: _sides(each, onnx.TensorProto.FLOAT) for each in proto.graph.output},
        len(proto.graph.node),
    )


def _sides(end: Any, wanted: int) -> tuple[int, ...] | None:
    tensor = end.type.tensor_type
    if tensor.elem_type != wanted or not tensor.shape.dim:
        return None
    count, *sides = tensor.shape.dim
    free = not count.HasField("dim_value")
    return (
        tuple(each.dim_value for each in sides) if free and all(each.HasField("dim_value") for each in sides) else None
    )
