"""Unpickle: read a pickle as data, one opcode at a time; nothing in it is ever imported, called or run.

`pickle.load` imports and calls whatever a stream names. Here a stream can name only the rows of a table
that the caller gives, each a function on plain data; any other name is refused. Every other opcode that
builds something unknown (INST, OBJ, NEWOBJ, EXT, persistent ids, out-of-band buffers) is refused too.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import Any

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Callables, Draft, Limits, Machine


def loads(data: bytes, callables: Callables, limits: Limits | None = None) -> Any:
    """Return the value that a pickle (protocol 0 to 5) describes, made of plain data.

    Python 2's byte strings come as `str`, byte for byte (latin-1). `callables` is the table of what the
    stream may call. Raises `FileError`, and nothing else, for a stream that names anything outside the table,
    is cut short, damaged, over the limits, or holds itself. Bytes after its end are not looked at.
    """
    limits = limits or Limits()
    if len(data) > limits.data_bytes:
        raise FileError(f"the pickle has {len(data):,} bytes; at most {limits.data_bytes:,} are read")
    machine = Machine(callables, limits, allowance=4 * len(data) + 4096)
    at = 0
    try:
        for step, (opcode, argument, position) in enumerate(_opcodes(data)):
            at = position
            if step >= limits.steps:
                raise FileError(f"it has more than {limits.steps:,} opcodes")
            if opcode == "STOP":
                value = machine.result()
                _check_value(value, limits.depth)
                return value
            machine.step(opcode, argument)
    except FileError as error:
        raise FileError(f"the pickle cannot be read at byte {at:,}: {error}") from error
    raise FileError("the pickle is cut short: it ends without STOP")


def _opcodes(data: bytes) -> Iterator[tuple[str, Any, int]]:
    """Yield each opcode's name, argument and place; turn what the tokeniser raises into `FileError`."""
    stream = pickletools.genops(data)
    while True:
        try:
            opcode, argument, position = next(stream)
        except StopIteration:
            return
        except (ValueError, OverflowError, Warning) as error:  # a Warning: where warnings are made errors
            raise FileError(f"it is cut short or damaged ({str(error)[:100]})") from None
        yield opcode.name, argument, position or 0


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
