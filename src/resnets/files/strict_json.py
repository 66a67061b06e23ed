"""Strict JSON: a file's JSON as plain values, bounded in bytes, containers and depth, and nothing said twice."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from resnets.files.errors import FileError

MOST_CONTAINERS = 200_000
"""Opening brackets in one text, those in its strings too; the description of Keras's ResNet-152 has 25,000."""

MOST_DEPTH = 64
"""Containers inside containers."""


def loads(data: bytes, limit: int) -> Any:
    """Return the value of a JSON text of at most `limit` bytes of UTF-8.

    Raises `FileError` for a text that is longer, no JSON, deeper or of more containers than above, and for what
    readers of JSON do not agree on: a key that comes twice, NaN, infinity, half of a surrogate pair. It takes at
    most twenty times the text's bytes in memory, and 64 MB.
    """
    if len(data) > limit:
        raise FileError(f"its JSON has {len(data):,} bytes; at most {limit:,} are read")
    if data.count(b"[") + data.count(b"{") > MOST_CONTAINERS:
        raise FileError(f"its JSON has more than {MOST_CONTAINERS:,} lists and objects")
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_number
        )
    except FileError:
        raise
    except RecursionError:
        raise FileError(f"its JSON is more than {MOST_DEPTH} containers deep") from None
    except ValueError as error:  # of UTF-8 and of whole numbers of thousands of digits, too
        raise FileError(f"it holds no JSON ({str(error)[:100]})") from None
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FileError(f"its JSON says {twice[:100]!r} twice")
    return made


def _no_constant(word: str) -> NoReturn:
    raise FileError(f"its JSON holds {word}, which is no number")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FileError("its JSON holds a number that is too large")
    return number


def _check(value: Any) -> None:
    todo: list[tuple[Any, int]] = [([value], 0)]  # containers, and how many each is inside of
    while todo:
        holder, depth = todo.pop()
        if depth > MOST_DEPTH:
            raise FileError(f"its JSON is more than {MOST_DEPTH} containers deep")
        if isinstance(holder, dict):
            for key in holder:
                _check_text(key)
        for part in holder.values() if isinstance(holder, dict) else holder:
            if isinstance(part, str):
                _check_text(part)
            elif isinstance(part, dict | list):
                todo.append((part, depth + 1))


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise FileError("a text in its JSON holds half of a surrogate pair, which no text can")
