"""Checkpoints: the tensors, the plain facts and the foreign names in the nested value that a pickle describes.

Dictionaries, lists and records of objects become names joined by points. A whole pickled `nn.Module` gives the
names of its `state_dict()`: parameters and persistent buffers, walked through `_modules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Limits
from resnets.files.pickled_arrays import Array, ArrayInFile
from resnets.files.pickled_objects import Named, Opaque
from resnets.weights.containers import stored_arrays, tensor_views
from resnets.weights.containers.contents import MOST_HEADER_BYTES, MOST_TENSORS, Contents, Stored
from resnets.weights.containers.facts import Facts, is_plain
from resnets.weights.containers.tensor_views import NotRead, TensorView

MOST_PICKLE_BYTES = 64 << 20
"""Of a pickle without the tensors' bytes; ten thousand tensors need about one megabyte."""

LIMITS = Limits(
    data_bytes=MOST_PICKLE_BYTES,
    line_bytes=1 << 20,
    memory_bytes=48 << 20,
    depth=256,  # modules inside modules, each some containers deep
)
"""What the pickle of a checkpoint may ask for."""

MOST_DEPTH = 64
"""Parts of one name, or containers inside containers."""

MOST_VISITS = 3_000_000
"""Parts looked at; one that is shared counts each time it has to be looked at again."""


def contents(container: str, path: Path, value: object, outside: Iterable[str], held: int) -> Contents:
    """Return what a checkpoint's value holds; `held` is how many bytes the file has.

    Raises `FileError` for more than 10,000 tensors, for one that lies outside its storage, for two of one name,
    and where the tensors together are many times larger than the file.
    """
    walk = _Walk(path)
    try:
        walk.visit("", value, 0)
        total = sum(tensor.size for tensor in walk.tensors.values())
        if total > 16 * held + (64 << 20):
            raise FileError(f"its tensors say they have {total:,} bytes, in a file of {held:,}")
    except FileError as error:
        raise FileError(f"{path}: {error}") from None
    not_run = tuple(dict.fromkeys(map(_dotted, outside)))
    return Contents(container=container, tensors=walk.tensors, facts=walk.facts.chosen(), not_run=not_run)


_PYTHON_2 = {"__builtin__": "builtins", "commands": "subprocess", "copy_reg": "copyreg"}
"""Modules that protocols 0 to 2 name as Python 2 did, and what Python 3 would import for them."""


def _dotted(name: str) -> str:
    module, _, rest = name.partition(" ")
    return f"{_PYTHON_2.get(module, module)}.{rest}"


class _Walk:
    """One way through a value, depth first, in the file's order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tensors: dict[str, Stored] = {}
        self.sources: dict[str, object] = {}
        self.facts = Facts()
        self.visits = 0
        self.name_bytes = 0
        self.open: set[int] = set()  # what is being visited: a part that holds itself is not entered again
        self.barren: set[int] = set()  # what has been visited and has no tensors

    def visit(self, name: str, value: object, depth: int) -> bool:
        """Take in a value and its parts; return whether there are tensors among them."""
        self.visits += 1
        if self.visits > MOST_VISITS:
            raise FileError(f"its parts hold each other in more than {MOST_VISITS:,} ways")
        if isinstance(value, TensorView | Array | ArrayInFile):
            self.add(name or "tensor", value)
            return True
        if not isinstance(value, dict | list | tuple | Opaque):
            self.facts.add(name, depth, value)
            return False
        if id(value) in self.open or id(value) in self.barren:
            return False
        if isinstance(value, list | tuple) and self.facts.add(name, depth, value):
            return False
        if depth >= MOST_DEPTH:
            raise FileError(f"its parts are more than {MOST_DEPTH} deep")
        self.open.add(id(value))
        found = False
        for key, part in _parts(value):
            found |= self.visit(f"{name}.{key}" if name else key, part, depth + 1)
        self.open.discard(id(value))
        if not found:
            self.barren.add(id(value))
        return found

    def add(self, name: str, tensor: TensorView | Array | ArrayInFile) -> None:
        if name in self.tensors:
            if self.sources[name] is tensor:
                return  # one thing reached in two ways, such as an attribute that is an item too
            raise FileError(f"two tensors are called {name[:100]!r}")
        self.name_bytes += len(name)
        if len(self.tensors) >= MOST_TENSORS or self.name_bytes > MOST_HEADER_BYTES:
            raise FileError(
                f"it has more than {MOST_TENSORS:,} tensors, or more than {MOST_HEADER_BYTES:,} bytes of names"
            )
        if isinstance(tensor, TensorView):
            self.tensors[name] = tensor_views.stored(name, tensor)
        else:
            self.tensors[name] = stored_arrays.stored(name, tensor, self.path)
        self.sources[name] = tensor


def _parts(value: Any) -> Iterator[tuple[str, object]]:
    """Yield the parts of a container or a record by name."""
    if isinstance(value, dict):
        yield from _named(value)
    elif isinstance(value, list | tuple):
        yield from ((str(place), part) for place, part in enumerate(value))
    elif isinstance(value.state, dict) and isinstance(value.state.get("_modules"), dict):
        yield from _module_parts(value.state)
    else:
        # With __slots__, the state is a pair: the attributes in a dictionary, or None, and those in slots.
        states = value.state if isinstance(value.state, tuple) and len(value.state) == 2 else (value.state,)
        for state in states:
            if isinstance(state, dict):
                yield from _named(state)
            elif state is not None:
                yield "state", state
        yield from _named(value.items)
        yield from ((str(place), part) for place, part in enumerate(value.parts))
        yield from ((str(place), part) for place, part in enumerate(value.arguments))


def _module_parts(state: dict[Any, Any]) -> Iterator[tuple[str, object]]:
    """Yield what `state_dict()` names in a module: parameters, persistent buffers, submodules; then its settings."""
    passing = state.get("_non_persistent_buffers_set", ())
    for group in ("_parameters", "_buffers", "_modules"):
        members = state.get(group)
        for key, part in _named(members) if isinstance(members, dict) else ():
            if group == "_buffers" and isinstance(passing, list | set | frozenset) and key in passing:
                part = NotRead("a buffer that is no part of the state")
            yield key, part
    for key, part in _named(state):
        if isinstance(part, TensorView):
            yield key, NotRead("a tensor that is no part of the state")
        elif not key.startswith("_") and is_plain(part):
            yield key, part


def _named(items: dict[Any, Any]) -> Iterator[tuple[str, object]]:
    for place, (key, part) in enumerate(items.items()):
        if isinstance(key, bytes):
            yield key.decode("latin-1"), part
        elif isinstance(key, str | int | float | None):
            yield str(key), part
        elif isinstance(key, Named):
            yield key.name, part
        else:
            yield str(place), part  # the key is an object: older optimizers key their state by parameters
