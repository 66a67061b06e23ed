"""Pickle steps: what each opcode does to the machine; all but the last table make plain data only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Machine
from resnets.files.pickled_objects import Opaque


def do(machine: Machine, opcode: str, argument: Any) -> None:
    """Do what one opcode says; raise `FileError` where it says what is not read, or asks for too much."""
    if opcode in _LITERALS:
        if isinstance(argument, int) and argument.bit_length() > 8 * machine.limits.number_bytes:
            raise FileError(f"it holds a whole number of more than {machine.limits.number_bytes} bytes")
        machine.take_memory(sys.getsizeof(argument) + _MEMORY.get(opcode, 10))
        machine.push(argument)
        return
    machine.take_memory(_MEMORY.get(opcode, 10))
    if opcode in _CONSTANTS:
        machine.push(_CONSTANTS[opcode]())
    elif opcode in _STEPS:
        _STEPS[opcode](machine, argument)
    elif opcode in _OBJECTS and machine.outside is not None:
        _OBJECTS[opcode](machine, argument)
    elif opcode in _PERSISTENT and machine.persistent is not None:
        machine.push(machine.persistent(_PERSISTENT[opcode](machine, argument)))
    else:
        raise FileError(f"opcode {opcode} is not read here; nothing of it was run")


# fmt: off
_LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})
# fmt: on
"""Opcodes whose argument is the value."""

_CONSTANTS: Mapping[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}

_Step = Callable[[Machine, Any], object]


def _protocol(machine: Machine, version: int) -> None:
    if version > 5:
        raise FileError(f"it is of protocol {version}; 0 to 5 are read")


def _tuple_of(count: int) -> _Step:
    return lambda machine, _: machine.push(tuple(machine.pop() for _ in range(count))[::-1])


def _dict(machine: Machine, _: object) -> None:
    target: dict[Any, Any] = {}
    machine.set_items(target, machine.pop_mark())
    machine.push(target)


def _set_item(machine: Machine, _: object) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine, [key, value])


def _set_items(machine: Machine, _: object) -> None:
    _fill(machine, machine.pop_mark())


def _fill(machine: Machine, items: list[Any]) -> None:
    target = machine.top(dict)
    machine.set_items(target.items if isinstance(target, Opaque) else target, items)


def _frozen_set(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.take_memory(100 * len(items))
    machine.push(frozenset(map(machine.key, items)))


def _append(machine: Machine, _: object) -> None:
    value = machine.pop()
    _extend(machine, [value])


def _appends(machine: Machine, _: object) -> None:
    _extend(machine, machine.pop_mark())


def _extend(machine: Machine, items: list[Any]) -> None:
    machine.take_memory(16 * len(items))
    target = machine.top(list)
    (target.parts if isinstance(target, Opaque) else target).extend(items)


def _add_items(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.take_memory(100 * len(items))
    target = machine.top(set)
    if isinstance(target, Opaque):
        target.parts.extend(items)
    else:
        target.update(map(machine.key, items))


def _pop(machine: Machine, _: object) -> None:
    # As in CPython: where nothing was put since the mark, the mark itself is what goes.
    if machine.stack or not machine.marked:
        machine.pop()
    else:
        machine.pop_mark()


def _reduce(machine: Machine, _: object) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.push(machine.call(function, arguments))


def _new_with_keywords(machine: Machine, _: object) -> None:
    keywords, arguments, kind = machine.pop(), machine.pop(), machine.pop()
    if not isinstance(arguments, tuple):
        raise FileError("it makes an object with what is no tuple")
    machine.push(Opaque(getattr(kind, "name", "an object"), (*arguments, keywords)))


def _instance(machine: Machine, name: str) -> None:
    """INST: a name and, since the mark, the arguments."""
    arguments = tuple(machine.pop_mark())
    machine.name(name)
    machine.push(machine.call(machine.pop(), arguments))


def _object(machine: Machine, _: object) -> None:
    """OBJ: since the mark, what INST names and its arguments."""
    kind, *arguments = machine.pop_mark() or [None]
    machine.push(machine.call(kind, tuple(arguments)))


_STEPS: Mapping[str, _Step] = {
    "PROTO": _protocol,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.mark(),
    "POP": _pop,
    "POP_MARK": lambda machine, _: machine.pop_mark(),
    "DUP": lambda machine, _: machine.push(machine.top(object)),
    "LIST": lambda machine, _: machine.push(machine.pop_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dict,
    "FROZENSET": _frozen_set,
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "ADDITEMS": _add_items,
    "PUT": lambda machine, place: machine.put(place),
    "BINPUT": lambda machine, place: machine.put(place),
    "LONG_BINPUT": lambda machine, place: machine.put(place),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "GET": lambda machine, place: machine.get(place),
    "BINGET": lambda machine, place: machine.get(place),
    "LONG_BINGET": lambda machine, place: machine.get(place),
    "GLOBAL": lambda machine, name: machine.name(name),
    "STACK_GLOBAL": lambda machine, _: machine.name_from_stack(),
    "REDUCE": _reduce,
    "BUILD": lambda machine, _: machine.build(),
}

_OBJECTS: Mapping[str, _Step] = {
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _new_with_keywords,
    "INST": _instance,
    "OBJ": _object,
}
"""Done only where names outside the table are allowed."""

_PERSISTENT: Mapping[str, Callable[[Machine, Any], Any]] = {
    "PERSID": lambda machine, argument: argument,
    "BINPERSID": lambda machine, _: machine.pop(),
}
"""Done only where the caller says what stands for a persistent id."""

# fmt: off
_MEMORY: Mapping[str, int] = {
    "EMPTY_LIST": 110, "EMPTY_DICT": 260, "EMPTY_SET": 240, "LIST": 110, "DICT": 260, "FROZENSET": 240,
    "TUPLE": 80, "TUPLE1": 80, "TUPLE2": 80, "TUPLE3": 90, "MARK": 150,
    "PUT": 110, "BINPUT": 110, "LONG_BINPUT": 110, "MEMOIZE": 110,
    "GLOBAL": 250, "STACK_GLOBAL": 250, "REDUCE": 400, "BUILD": 200, "PERSID": 400, "BINPERSID": 400,
    "BYTEARRAY8": 80, "NEWOBJ": 400, "NEWOBJ_EX": 400, "INST": 400, "OBJ": 400,
}
# fmt: on
"""Bytes of what an opcode makes, rounded up; a test holds them against what Python really takes."""
