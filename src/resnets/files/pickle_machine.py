"""The pickle machine: a stack, marks and a memo, which hold plain data and nothing that could run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resnets.files.errors import FileError
from resnets.files.pickled_objects import Named, Opaque

Callables = Mapping[str, Callable[..., object]]
"""What a stream may call: "module name" -> a function on plain data.

A function raises `ValueError` for what it does not take, and `FileError` for what makes the whole file bad.
"""

Persistent = Callable[[Any], object]
"""What stands for a persistent id, by which a stream names something outside itself."""


class Draft(ABC):
    """What a function of the table returns when the stream says the rest later (opcode BUILD)."""

    @abstractmethod
    def build(self, state: object) -> object:
        """Return the finished value for the stream's state; raise `ValueError` for a wrong state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a stream may ask for; the defaults leave room for the largest published checkpoints."""

    data_bytes: int = 1 << 30  # of the strings and lines in it
    line_bytes: int = 1 << 30  # of one line, as protocol 0 writes them
    memory_bytes: int = 4 << 30  # of what is made of it
    steps: int = 2_000_000  # opcodes; each makes one object of at most a few hundred bytes
    memo: int = 1_000_000  # objects remembered
    depth: int = 64  # containers inside containers
    key_bytes: int = 4096  # a longer key is no name, and comparing keys must stay cheap
    number_keys: int = 10_000  # numbers hash to what their writer chooses, so many could be made to collide
    number_bytes: int = 64  # a whole number
    names: int = 10_000  # names outside the table, where these are allowed


class Machine:
    """The pickle machine's stack, marks and memo.

    Without `outside` a name that is not in the table is refused. With it, such names are noted there, and what
    they would have made is an `Opaque`.
    """

    def __init__(
        self, callables: Callables, limits: Limits, outside: dict[str, None] | None, persistent: Persistent | None
    ) -> None:
        self.callables = callables
        self.limits = limits
        self.outside = outside
        self.persistent = persistent
        self.allowance = 4096  # bytes that calls may still be given: each may copy what it is given
        self.memory = 0  # bytes that the objects made so far take, about
        self.number_keys = 0
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # the stacks below each open mark
        self.memo: dict[int, Any] = {}
        self.draft_places: dict[int, list[int]] = {}  # id of a draft -> where the memo holds it

    def result(self) -> Any:
        """Return the one value that is left when the stream ends."""
        if self.marked or len(self.stack) != 1:
            raise FileError("it ends with something unfinished")
        return self.stack[0]

    def take_memory(self, count: int) -> None:
        self.memory += count
        if self.memory > self.limits.memory_bytes:
            raise FileError(f"it asks for more than {self.limits.memory_bytes:,} bytes of memory")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise FileError("it takes from an empty stack")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """Return what is to be filled: a `kind`, or the record of what cannot be made here."""
        if not self.stack or not isinstance(self.stack[-1], (kind, Opaque)):
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
        elif self.outside is not None:
            # Hashing a tuple goes through all its parts each time, and these may be shared a million times.
            return value if isinstance(value, Named) else Opaque(f"a key that is a {type(value).__name__}")
        else:
            raise FileError(f"a key is a {type(value).__name__}, not a string or a number")
        return value

    def set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        if len(items) % 2:
            raise FileError("a dictionary has a key without a value")
        self.take_memory(60 * len(items))
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.key(key)] = value

    def name(self, name: str) -> None:
        if name not in self.callables:
            if self.outside is None:
                raise FileError(f"it names {name[:100]!r}, which is not allowed; nothing of it was run")
            self.outside[name[:200]] = None
            if len(self.outside) > self.limits.names:
                raise FileError(f"it names more than {self.limits.names:,} different things outside itself")
        self.push(Named(name))

    def name_from_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise FileError("it names something by what is not a string")
        self.name(f"{module} {name}")

    def call(self, function: object, arguments: object) -> object:
        """Return what a name of the table makes of its arguments, or an `Opaque` for what is outside it."""
        if not isinstance(arguments, tuple) or not (isinstance(function, Named) or self.outside is not None):
            raise FileError("it calls what is not a name")
        if not isinstance(function, Named):
            return Opaque("the result of a call", (function, *arguments))
        if function.name not in self.callables:
            return Opaque(function.name, arguments)
        self.spend(arguments)
        return self._try(function.name, self.callables[function.name], *arguments)

    def build(self) -> None:
        state, target = self.pop(), self.pop()
        if isinstance(target, Draft):
            self.spend(state if isinstance(state, tuple) else (state,))
            value = self._try(type(target).__name__, target.build, state)
            for place in self.draft_places.pop(id(target), []):
                if self.memo[place] is target:
                    self.memo[place] = value
            self.push(value)
            return
        if self.outside is None:
            raise FileError(f"it sets the state of a {type(target).__name__}")
        if isinstance(target, Opaque):
            target.state = state
        # The state of anything else is what hangs on it besides its contents, such as a state_dict's versions.
        self.push(target)

    def spend(self, arguments: tuple[object, ...]) -> None:
        """Charge a call for what it is given, so that a few bytes cannot ask for endless copies."""
        text = sum(len(given) for given in arguments if isinstance(given, str | bytes | bytearray))
        parts = sum(len(given) for given in arguments if isinstance(given, tuple | list | dict | set | frozenset))
        self.allowance -= text + parts
        if self.allowance < 0:
            raise FileError("it asks for far more data than it holds")
        self.take_memory(text + 120 * parts)

    def _try(self, name: str, function: Callable[..., object], *arguments: object) -> object:
        try:
            return function(*arguments)
        except FileError:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            if self.outside is not None:
                return Opaque(name, arguments)
            raise FileError(f"{name} is given what it cannot take ({str(error)[:200]})") from error
