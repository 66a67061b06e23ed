"""Damage: what chance makes of good bytes and of good JSON, the same for the same dice."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

INTEGERS = (0, 1, 2, 7, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
"""Where counts, lengths and offsets break."""


def damaged(good: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Bytes after one to eight changes; `others` are what pieces are borrowed from."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        chance.choice(_CHANGES)(data, chance, others)
    return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """Anywhere, but every second time among the first bytes, where headers are."""
    return chance.randrange(min(len(data), 256) if chance.random() < 0.5 else len(data)) if data else 0


def _turn_bit(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set_byte(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    if data:
        data[_place(data, chance)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def _set_integer(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    size, place = chance.choice((2, 4, 8)), _place(data, chance)
    number = chance.choice(INTEGERS) % (1 << 8 * size)
    data[place : place + size] = number.to_bytes(size, chance.choice(("little", "big")))  # type: ignore[arg-type]


def _cut_out(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    place = _place(data, chance)
    del data[place : place + chance.randrange(1, 17)]


def _cut_off(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    del data[_place(data, chance) :]


def _add_behind(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    data += chance.choice((b"\0" * 10, chance.randbytes(10), chance.choice(others)))


def _borrow(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    other, place = chance.choice(others), _place(data, chance)
    start = chance.randrange(len(other))
    length = chance.choice((4, 16, 64, 1024))
    data[place : place + chance.choice((0, length))] = other[start : start + length]


def _repeat(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    place = _place(data, chance)
    piece = bytes(data[place : place + chance.randrange(1, 33)])
    data[place:place] = piece * chance.choice((1, 2, 100))


def _blank(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    place = _place(data, chance)
    length = min(chance.choice((8, 512, 4096)), len(data) - place)
    data[place : place + length] = bytes(length)


Change = Callable[[bytearray, random.Random, list[bytes]], None]
_CHANGES: tuple[Change, ...] = (
    _turn_bit, _turn_bit, _set_byte, _set_byte, _set_integer, _set_integer,
    _cut_out, _cut_off, _add_behind, _borrow, _repeat, _blank,
)  # fmt: skip


def _deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


_VALUES: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: True, lambda: False, lambda: 0, lambda: -1, lambda: 1, lambda: 3.5, lambda: 1e308,
    lambda: float("inf"), lambda: float("nan"), lambda: 10**400, lambda: 2**63, lambda: -(2**63), lambda: "",
    lambda: "x", lambda: "\ud800", lambda: "\0", lambda: "none", lambda: "x" * 100_000, list, dict,
    lambda: [[]], lambda: [{}], lambda: {"": None}, lambda: [1, 2, 3], lambda: ["1"], lambda: _deep(200),
)  # fmt: skip


def damaged_json(good: Any, chance: random.Random) -> str:
    """The text of a JSON value after one to four changes anywhere in it; some are changes of the text itself."""
    box = [json.loads(json.dumps(good))]
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_value(box, chance)
    text = json.dumps(box[0], ensure_ascii=chance.random() < 0.9)
    match chance.randrange(20):
        case 0:
            return text[: chance.randrange(len(text) + 1)]
        case 1:
            place = chance.randrange(len(text) + 1)
            return text[:place] + chance.choice(('"', "{", "]", ",", "\\", "1e999", "NaN", "/**/")) + text[place:]
        case 2:
            return "[" * chance.choice((10, 1_000, 100_000)) + text
        case 3:
            return text.replace("0", "9" * chance.choice((20, 4_000, 5_000)), 1)
    return text


def _change_value(box: list[Any], chance: random.Random) -> None:
    """Change, remove, rename, repeat or move one of the values below `box`, wherever it is."""
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [box]
    while todo:
        holder = todo.pop()
        for key in range(len(holder)) if isinstance(holder, list) else list(holder):
            places.append((holder, key))
            if isinstance(holder[key], list | dict):
                todo.append(holder[key])
        if len(places) > 2_000:
            break
    holder, key = chance.choice(places)
    match chance.randrange(8):
        case 0 if holder is not box:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice((key + "x", key[:-1], "", "\ud800", "__class__"))] = holder.pop(key)
        case 2:
            other, name = chance.choice(places)
            if _has(other, name):
                holder[key] = json.loads(json.dumps(other[name]))
        case 3 if isinstance(holder[key], list) and len(json.dumps(holder[key])) < 1_000:
            holder[key] = holder[key] * chance.choice((0, 2, 1_000))
        case 4 if isinstance(holder[key], int | float) and abs(holder[key]) < 1e200:
            holder[key] = chance.choice((-holder[key], holder[key] * 10**9, float(holder[key]), str(holder[key])))
        case _:
            holder[key] = chance.choice(_VALUES)()


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)
