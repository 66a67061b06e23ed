"""Strict JSON: what json gives, and a refusal for what is too large, too deep or said twice."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from resnets.files.errors import FileError
from resnets.files.strict_json import MOST_CONTAINERS, loads

LIMIT = 1 << 20


def test_values_come_out_as_json_gives_them() -> None:
    value = {"a": [1, -2.5, None, True, "naïve \u4e2d\U0001f600"], "b": {"c": {}}, "": 1e300}
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert loads(text, LIMIT) == value == json.loads(text)


REFUSALS = {
    "nothing": (b"", "holds no JSON"),
    "words": (b"hello", "holds no JSON"),
    "no UTF-8": (b'"\xff"', "holds no JSON"),
    "a key twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "says 'c' twice"),
    "NaN": (b"[NaN]", "NaN, which is no number"),
    "infinity": (b"[-Infinity]", "-Infinity, which is no number"),
    "a number like infinity": (b"[1e999]", "too large"),
    "a whole number of 5,000 digits": (b"9" * 5000, "holds no JSON"),
    "half a surrogate pair": (rb'{"\ud800": 1}', "half of a surrogate pair"),
    "65 lists": (b"[" * 65 + b"]" * 65, "more than 64 containers deep"),
    "100,000 lists": (b"[" * 100_000 + b"]" * 100_000, "more than 64 containers deep"),
    "too many lists": (b"[" + b"[]," * MOST_CONTAINERS + b"0]", "more than 200,000 lists"),
    "too long": (b" " * LIMIT + b"1", "at most 1,048,576 are read"),
}


@pytest.mark.parametrize(("text", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_readers_do_not_agree_on_or_costs_too_much_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(FileError, match=said):
        loads(text, LIMIT)


@pytest.mark.parametrize("piece", [b'"ab",', b"1.5,", b"1e9,", b"123456,", b'"\\u4e2d",'])
def test_memory_stays_below_twenty_times_the_text(piece: bytes) -> None:
    text = b"[" + piece * ((1 << 17) // len(piece)) + b"0]"
    tracemalloc.start()
    loads(text, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(text)
