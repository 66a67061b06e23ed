"""Unpickle: read a pickle as data, one opcode at a time; nothing in it is ever imported, called or run.

`pickle.load` imports and calls whatever a stream names. Here a stream can name only the rows of a table
that the caller gives, each a function on plain data; any other name is refused, and so is every other opcode
that builds something unknown (INST, OBJ, NEWOBJ, persistent ids). A caller that wants the numbers out of a
stream that also holds other things may ask for these as records (`Opaque`), which are as inert. Extension
codes and out-of-band buffers are never read.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Callables, Draft, Limits, Machine, Persistent
from resnets.files.pickle_opcodes import Reader
from resnets.files.pickle_steps import do


def loads(data: bytes, callables: Callables, limits: Limits | None = None) -> Any:
    """Return the value that a pickle (protocol 0 to 5) describes, made of plain data.

    Python 2's byte strings come as `str`, byte for byte (latin-1). `callables` is the table of what the
    stream may call. Raises `FileError`, and nothing else, for a stream that names anything outside the table,
    is cut short, damaged, over the limits, or holds itself. Bytes after its end are not looked at.
    """
    limits = limits or Limits()
    if len(data) > limits.data_bytes:
        raise FileError(f"the pickle has {len(data):,} bytes; at most {limits.data_bytes:,} are read")
    return load(io.BytesIO(data), callables, limits)


def load(
    stream: BinaryIO,
    callables: Callables,
    limits: Limits,
    *,
    outside: dict[str, None] | None = None,
    persistent: Persistent | None = None,
    span_bytes: int | None = None,
) -> Any:
    """Return the value of the pickle at which a seekable stream stands, and leave the stream behind its STOP.

    As `loads`, with three more liberties, each of which has to be asked for. Where `outside` is given, names
    outside the table are noted in it, and what they would have made is an `Opaque`, never imported nor
    called; the value may then hold itself. `persistent` says what stands for a persistent id. A string of
    `span_bytes` or more stays in the file, as a `Span`.
    """
    reader = Reader(stream, limits, span_bytes)
    machine = Machine(callables, limits, outside, persistent)
    at = spent = 0
    try:
        for step, (opcode, argument, position) in enumerate(reader.opcodes()):
            at = position
            if step >= limits.steps:
                raise FileError(f"it has more than {limits.steps:,} opcodes")
            if opcode == "STOP":
                value = machine.result()
                if outside is None:
                    _check_value(value, limits.depth)
                return value
            machine.allowance += 4 * (reader.spent - spent) + 4
            spent = reader.spent
            do(machine, opcode, argument)
    except FileError as error:
        raise FileError(f"the pickle cannot be read at byte {at:,}: {error}") from error
    raise FileError("the pickle is cut short: it ends without STOP")


def _check_value(value: object, depth: int) -> None:
    """Raise `FileError` where the value is too deep, holds itself, or holds a draft that was never built."""
    height: dict[int, int] = {}  # id of a finished container -> containers in it, itself included
    open_: set[int] = set()
    todo: list[tuple[object, bool]] = [(value, False)]
    while todo:
        item, is_leaving = todo.pop()
        if isinstance(item, Draft):
            raise FileError("it begins an object and never fills it in")
        if not isinstance(item, list | tuple | dict) or id(item) in height:
            continue
        parts = list(item.values()) if isinstance(item, dict) else item  # keys and sets hold no containers
        if is_leaving:
            open_.discard(id(item))
            height[id(item)] = 1 + max((height.get(id(part), 0) for part in parts), default=0)
            if height[id(item)] > depth:
                raise FileError(f"its containers are more than {depth} deep")
            continue
        if id(item) in open_:
            raise FileError("it holds a container that holds itself")
        open_.add(id(item))
        todo.append((item, True))
        todo.extend((part, False) for part in parts)
