"""The pickle machine: a stack, marks and a memo, worked by a table of opcodes that only make plain data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resnets.files.errors import FileError

Callables = Mapping[str, Callable[..., object]]
"""What a stream may call: "module name" -> a function on plain data."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name that a stream mentions, such as "numpy ndarray": the name itself, and nothing behind it."""

    name: str


class Draft(ABC):
    """What a function of the table returns when the stream says the rest later (opcode BUILD)."""

    @abstractmethod
    def build(self, state: object) -> object:
        """Return the finished value for the stream's state; raise `ValueError` for a wrong state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a stream may ask for; the defaults leave room for the largest published checkpoints."""

    data_bytes: int = 1 << 30
    steps: int = 2_000_000  # opcodes; each makes one object of at most a few hundred bytes
    memo: int = 1_000_000  # objects remembered
    depth: int = 64  # containers inside containers
    key_bytes: int = 4096  # a longer key is no name, and comparing keys must stay cheap
    number_keys: int = 10_000  # numbers hash to what their writer chooses, so many could be made to collide
    number_bytes: int = 64  # a whole number


class Machine:
    """The pickle machine's stack, marks and memo."""

    def __init__(self, callables: Callables, limits: Limits, allowance: int) -> None:
        self.callables = callables
        self.limits = limits
        self.allowance = allowance  # bytes that calls may still be given: each may copy what it is given
        self.number_keys = 0
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # the stacks below each open mark
        self.memo: dict[int, Any] = {}
        self.draft_places: dict[int, list[int]] = {}  # id of a draft -> where the memo holds it

    def step(self, opcode: str, argument: Any) -> None:
        """Do what one opcode says."""
        if opcode in _LITERALS:
            if isinstance(argument, int) and argument.bit_length() > 8 * self.limits.number_bytes:
                raise FileError(f"it holds a whole number of more than {self.limits.number_bytes} bytes")
            self.push(argument)
        elif opcode in _CONSTANTS:
            self.push(_CONSTANTS[opcode]())
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        else:
            raise FileError(f"opcode {opcode} is not read here; nothing of it was run")

    def result(self) -> Any:
        """Return the one value that is left when the stream ends."""
        if self.marked or len(self.stack) != 1:
            raise FileError("it ends with something unfinished")
        return self.stack[0]

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise FileError("it takes from an empty stack")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise FileError(f"it fills a {kind.__name__} where there is none")
        return self.stack[-1]

    def mark(self) -> None:
        if len(self.marked) >= self.limits.depth:
            raise FileError(f"its containers are more than {self.limits.depth} deep")
        self.marked.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """Return what was put on the stack since the last mark."""
        if not self.marked:
            raise FileError("it closes a container that was never opened")
        items, self.stack = self.stack, self.marked.pop()
        return items

    def put(self, place: int) -> None:
        if not self.stack:
            raise FileError("it remembers from an empty stack")
        if not 0 <= place < 1 << 32:  # what the binary opcodes can say
            raise FileError("it remembers an object under an impossible number")
        if len(self.memo) >= self.limits.memo:
            raise FileError(f"it remembers more than {self.limits.memo:,} objects")
        value = self.memo[place] = self.stack[-1]
        if isinstance(value, Draft):
            self.draft_places.setdefault(id(value), []).append(place)

    def get(self, place: int) -> None:
        if place not in self.memo:
            raise FileError(f"it refers to object {place}, which it has not remembered")
        self.push(self.memo[place])

    def key(self, value: object) -> Any:
        """Return a key of a dictionary or set after checking that looking it up is cheap."""
        if isinstance(value, str | bytes):
            if len(value) > self.limits.key_bytes:
                raise FileError(f"it has a key of more than {self.limits.key_bytes:,} bytes")
        elif isinstance(value, int | float | None):
            self.number_keys += 1
            if self.number_keys > self.limits.number_keys:
                raise FileError(f"it has more than {self.limits.number_keys:,} keys that are numbers")
        else:
            raise FileError(f"a key is a {type(value).__name__}, not a string or a number")
        return value

    def set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        if len(items) % 2:
            raise FileError("a dictionary has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.key(key)] = value

    def name(self, name: str) -> None:
        if name not in self.callables:
            raise FileError(f"it names {name[:100]!r}, which is not allowed; nothing of it was run")
        self.push(Named(name))

    def name_from_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise FileError("it names something by what is not a string")
        self.name(f"{module} {name}")

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Named) or not isinstance(arguments, tuple):
            raise FileError("it calls what is not a name")
        self.spend(arguments)
        self.push(_call(function.name, self.callables[function.name], *arguments))

    def build(self) -> None:
        state, draft = self.pop(), self.pop()
        if not isinstance(draft, Draft):
            raise FileError(f"it sets the state of a {type(draft).__name__}")
        self.spend(state if isinstance(state, tuple) else (state,))
        value = _call(type(draft).__name__, draft.build, state)
        for place in self.draft_places.pop(id(draft), []):
            if self.memo[place] is draft:
                self.memo[place] = value
        self.push(value)

    def spend(self, arguments: tuple[object, ...]) -> None:
        """Charge a call for what it is given, so that a few bytes cannot ask for endless copies."""
        self.allowance -= sum(len(given) for given in arguments if isinstance(given, _SIZED))
        if self.allowance < 0:
            raise FileError("it asks for far more data than it holds")


def _call(name: str, function: Callable[..., object], *arguments: object) -> object:
    try:
        return function(*arguments)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise FileError(f"{name} is given what it cannot take ({str(error)[:200]})") from error


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

_SIZED = (str, bytes, bytearray, tuple, list)

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
    machine.set_items(machine.top(dict), [key, value])


def _set_items(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.set_items(machine.top(dict), items)


def _append(machine: Machine, _: object) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _appends(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.top(list).extend(items)


def _add_items(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.top(set).update(map(machine.key, items))


def _pop(machine: Machine, _: object) -> None:
    # As in CPython: where nothing was put since the mark, the mark itself is what goes.
    if machine.stack or not machine.marked:
        machine.pop()
    else:
        machine.pop_mark()


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
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(machine.key, machine.pop_mark()))),
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
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
