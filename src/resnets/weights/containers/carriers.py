"""Carriers: names in a checkpoint's pickle that only carry plain data, and what stands for each here.

They are the ones that Python and torch write for the epoch, the settings and the dates beside the weights.
Every function makes plain data or a record of our own; nothing that a pickle names is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resnets.files.pickle_machine import Callables
from resnets.files.pickled_arrays import ARRAYS, SCALARS
from resnets.files.pickled_objects import Named, Opaque


def _dictionary(items: object = ()) -> dict[Any, Any]:
    """OrderedDict, defaultdict and their like; Python 2 hands the pairs to the call."""
    if isinstance(items, dict):
        return dict(items)
    if not isinstance(items, list | tuple):
        raise ValueError("a dictionary is made of pairs")
    made = {}
    for pair in items:
        key, value = pair
        if not isinstance(key, str) or len(key) > 4096:  # others may be dear to compare
            raise ValueError("the key of such a pair is no string")
        made[key] = value
    return made


def _default_dictionary(_factory: object = None, items: object = ()) -> dict[Any, Any]:
    return _dictionary(items)


def _list(items: object = (), *_: object) -> list[Any]:
    if not isinstance(items, list | tuple | set | frozenset):
        raise ValueError("a list is made of items")
    return list(items)


def _text(*parts: object) -> str:
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("it is made of strings")
    return "/".join(str(part) for part in parts).replace("//", "/")


def _bytes(text: object = "", encoding: object = "latin-1") -> bytes:
    if isinstance(text, str) and encoding in ("latin-1", "latin1"):
        return text.encode("latin-1")
    if isinstance(text, bytes | bytearray):
        return bytes(text)
    raise ValueError("bytes are made of a string in latin-1")


def _moment(data: object, *_: object) -> str:
    """A datetime or a date: year (two bytes), month, day, hour, minute, second, and three bytes of microseconds."""
    raw = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(raw, bytes) or len(raw) not in (4, 10):
        raise ValueError("a date has four bytes, and a moment ten")
    day = f"{raw[0] * 256 + raw[1]:04}-{raw[2] & 0x7F:02}-{raw[3]:02}"
    return day if len(raw) == 4 else f"{day} {raw[4]:02}:{raw[5]:02}:{raw[6]:02}"


def _device(kind: object, index: object = None) -> str:
    if not isinstance(kind, str) or not isinstance(index, int | None):
        raise ValueError("a device is a word and a number")
    return kind if index is None else f"{kind}:{index}"


def _size(items: object = ()) -> tuple[Any, ...]:
    if not isinstance(items, list | tuple):
        raise ValueError("a torch.Size is made of sides")
    return tuple(items)


def _record(name: str) -> Callable[..., object]:
    return lambda *arguments: Opaque(name, arguments)


def reconstruct(kind: object, base: object = None, state: object = None) -> object:
    """_reconstructor of copyreg: how protocols 0 and 1 write any object."""
    if not isinstance(kind, Named):
        raise ValueError("it reconstructs what is not a name")
    made = Opaque(kind.name)
    if isinstance(state, dict):
        made.items = state
    elif state is not None:
        made.parts = [state]
    return made


_PATHS = [f"{module} {kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows", "Pure",
          "PurePosix", "PureWindows", "")]  # fmt: skip

CARRIERS: Callables = {
    **ARRAYS,
    **SCALARS,
    "collections OrderedDict": _dictionary,
    "collections defaultdict": _default_dictionary,
    "collections Counter": _dictionary,
    "collections deque": _list,
    "argparse Namespace": _record("argparse Namespace"),
    "types SimpleNamespace": _record("types SimpleNamespace"),
    "copyreg _reconstructor": reconstruct,
    "copy_reg _reconstructor": reconstruct,
    "datetime datetime": _moment,
    "datetime date": _moment,
    "datetime timedelta": _record("datetime timedelta"),
    "decimal Decimal": _text,
    "torch Size": _size,
    "torch device": _device,
    "torch.serialization _get_layout": _text,
    **dict.fromkeys(_PATHS, _text),
    **{
        f"{module} {kind}": function
        for module in ("builtins", "__builtin__")
        for kind, function in (
            ("set", _list), ("frozenset", _list), ("list", _list), ("tuple", _list), ("dict", _dictionary),
            ("bytes", _bytes), ("bytearray", _bytes), ("int", _record("int")), ("float", _record("float")),
            ("str", _record("str")), ("bool", _record("bool")), ("complex", _record("complex")),
            ("slice", _record("slice")), ("range", _record("range")), ("object", _record("object")),
        )
    },
}  # fmt: skip
"""What any pickled checkpoint may call."""
