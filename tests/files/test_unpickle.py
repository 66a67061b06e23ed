"""Unpickle: the values that pickle gives, and a refusal for everything that is not plain data."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Limits
from resnets.files.pickled_arrays import ARRAYS, Array
from resnets.files.unpickle import loads

PLAIN = {
    "text": ["", "short", "naïve \u4e2d\u6587 \U0001f600", "long" * 100, "line\nbreak\\u0041 'quote'"],
    "bytes": [b"", b"\x00\xff", b"x" * 300],
    "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**31, 2**63, -(2**70), 0.5, -1e300, math.inf],
    "words": [None, True, False],
    "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "nested": {"a": [{"b": ({},)}]},
    7: "a number as key",
}


def batch(protocol: int, count: int = 6) -> bytes:
    """What CIFAR's batches look like, written by this Python."""
    pixels = np.arange(count * 12, dtype=np.uint8).reshape(count, 12)
    names = [f"picture_{n}.png" for n in range(count)]
    return pickle.dumps(
        {"data": pixels, "labels": list(range(count)), "filenames": names, "batch_label": "one"}, protocol
    )


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_come_out_as_pickle_gives_them(protocol: int) -> None:
    assert loads(pickle.dumps(PLAIN, protocol), ARRAYS) == PLAIN


@pytest.mark.parametrize("protocol", [4, 5])
def test_sets_come_out_as_pickle_gives_them(protocol: int) -> None:
    sets = [{1, "a"}, frozenset([2.5, b"b"]), set()]
    assert loads(pickle.dumps(sets, protocol), {}) == sets


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i2", "<f4", "?"])
def test_arrays_come_out_with_the_numbers_they_went_in_with(protocol: int, order: str, dtype: str) -> None:
    array = np.array(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)  # type: ignore[call-overload]
    plain = loads(pickle.dumps({"x": array, "again": array}, protocol), ARRAYS)["x"]
    assert isinstance(plain, Array)
    elements = np.frombuffer(plain.data, plain.dtype)
    again = elements.reshape(plain.shape, order="F" if plain.fortran else "C")
    assert np.array_equal(again, array)


def test_a_value_shared_in_the_stream_is_shared_in_the_result() -> None:
    shared = [1]
    first, second = loads(pickle.dumps([shared, shared]), {})
    assert first is second


def test_the_hand_written_streams_of_old_protocols_are_read() -> None:
    for stream, value in (
        (b"(lp0\nI1\naI01\naL5L\naF2.5\naS'a\\x62'\naVc\\u0064\na.", [1, True, 5, 2.5, "ab", "cd"]),
        (b"(dp0\nS'a'\nI1\ns.", {"a": 1}),
        (b"(I1\nI2\ntp0\n0g0\n.", (1, 2)),
        (b"(I1\nI2\n1(I3\nl.", [3]),
        (b"\x80\x02}(K\x01K\x02u.", {1: 2}),
        (b"I1\n(0.", 1),
        (b"I1\n2\x86.", (1, 1)),
    ):
        assert loads(stream, {}) == value == pickle.loads(stream)


class Malicious:
    """Runs a command when pickle loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_a_command_is_refused_by_its_name(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"labels": Malicious(tmp_path / "ran")}, protocol)
    with pytest.raises(FileError, match=r"names '(posix|nt) system', which is not allowed; nothing of it was run"):
        loads(data, ARRAYS)
    assert not (tmp_path / "ran").exists()


REFUSALS = [
    (b"", "cut short"),
    (b"\x80\x02", "cut short"),
    (b"]", "cut short"),
    (b"\x80\x06N.", "protocol 6"),
    (b".", "ends with something unfinished"),
    (b"NN.", "ends with something unfinished"),
    (b"(N.", "ends with something unfinished"),
    (b"h\x05.", "refers to object 5, which it has not remembered"),
    (b"q\x00.", "remembers from an empty stack"),
    (b"Np99999999999\n.", "impossible number"),
    (b"a.", "takes from an empty stack"),
    (b"Na.", "fills a list where there is none"),
    (b"NNNs.", "fills a dict where there is none"),
    (b"t.", "closes a container that was never opened"),
    (b"(Nd.", "a key without a value"),
    (b"(]Nd.", "a key is a list"),
    (b"(((tNd.", "a key is a tuple"),
    (b"\x8f(]\x90.", "a key is a list"),
    (b"NR.", "takes from an empty stack"),
    (b"N)R.", "calls what is not a name"),
    (b"N)b.", "sets the state of a NoneType"),
    (b"\x8a\x41" + b"\x01" * 65 + b".", "whole number of more than 64 bytes"),
    (b"]2a.", "holds itself"),
    (b"]q\x00h\x00a.", "holds itself"),
    (b"N" + b"\x85" * 100 + b".", "more than 64 deep"),
    (b"(" * 100 + b".", "more than 64 deep"),
    (b"(dU\x01a" + b"N" + b"\x85" * 80 + b"s.", "more than 64 deep"),
    (b"cbuiltins\neval\n.", "'builtins eval', which is not allowed; nothing of it was run"),
    (b"\x8c\x02os\x8c\x06system\x93.", "'os system', which is not allowed; nothing of it was run"),
    (b"(ios\nsystem\n.", "opcode INST is not read here; nothing of it was run"),
    (b"Pid\n.", "opcode PERSID is not read here"),
    (b"\x82\x01.", "opcode EXT1 is not read here"),
    (b"\x97.", "opcode NEXT_BUFFER is not read here"),
    (b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.", "neither numbers nor booleans"),
    (b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR.", "begins an object and never fills it in"),
    (b"cnumpy\ndtype\n)R.", "numpy dtype is given what it cannot take"),
    (b"cnumpy\nndarray\n)R.", "only read through _reconstruct"),
    (b"I" + b"9" * 5000 + b"\n.", "cut short or damaged"),
]


@pytest.mark.parametrize(("stream", "sentence"), REFUSALS, ids=lambda value: repr(value)[:30])
def test_what_is_no_plain_data_is_refused_with_its_reason(stream: bytes, sentence: str) -> None:
    with pytest.raises(FileError) as refusal:
        loads(stream, ARRAYS)
    assert sentence in str(refusal.value)


def test_an_array_that_says_more_than_it_holds_is_refused() -> None:
    data = pickle.dumps(np.zeros((2, 300), np.uint8), 2).replace(b"M,\x01", b"M\x01\x02")
    with pytest.raises(FileError, match="an array says it has 1,026 elements of 1 bytes, and has 600"):
        loads(data, ARRAYS)


def test_the_limits_stop_a_stream_that_asks_for_too_much() -> None:
    for stream, limits, sentence in (
        (b"N" * 100 + b".", Limits(steps=50), "more than 50 opcodes"),
        (b"N" * 100 + b".", Limits(data_bytes=50), "at most 50 are read"),
        (b"Nq\x00q\x01q\x02.", Limits(memo=2), "remembers more than 2 objects"),
        (b"(K\x01NK\x02NK\x03Nd.", Limits(number_keys=2), "more than 2 keys that are numbers"),
        (b"(U\x05abcdeNd.", Limits(key_bytes=4), "a key of more than 4 bytes"),
    ):
        with pytest.raises(FileError) as refusal:
            loads(stream, {}, limits)
        assert sentence in str(refusal.value)


def test_copying_one_long_string_again_and_again_is_refused() -> None:
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000
    call = b"c_codecs\nencode\n" + b"h\x00" + b"U\x06latin1" + b"\x86R"
    with pytest.raises(FileError, match="far more data than it holds"):
        loads(b"(" + text + b"q\x00" + call * 1000 + b"l.", ARRAYS)


def test_a_tuple_shared_with_itself_sixty_times_costs_nothing() -> None:
    start = time.perf_counter()
    loads(b")" + b"2\x86" * 60 + b".", {})
    assert time.perf_counter() - start < 5  # hashing or printing it would take for ever


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_damaged_streams_give_a_value_or_a_refusal_and_nothing_else(protocol: int) -> None:
    good = batch(protocol)
    chance = random.Random(protocol)
    assert loads(good, ARRAYS)["labels"] == [0, 1, 2, 3, 4, 5]
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(data))
            what = chance.randrange(4)
            if what == 0:
                data[place] = chance.randrange(256)
            elif what == 1:
                data[place] ^= 1 << chance.randrange(8)
            elif what == 2:
                del data[place : place + chance.randrange(1, 9)]
            else:
                other = chance.randrange(len(good))
                data[place:place] = good[other : other + chance.randrange(1, 20)]
            data = data or bytearray(b"N")
        with contextlib.suppress(FileError):
            loads(bytes(data), ARRAYS)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_every_truncation_is_refused(protocol: int) -> None:
    good = batch(protocol)
    for end in range(len(good)):
        with pytest.raises(FileError):
            loads(good[:end], ARRAYS)


def test_random_bytes_give_a_value_or_a_refusal() -> None:
    chance = random.Random(0)
    opcodes = b"(.0125FIJKLMNPQRSTUVX]abcdeghijlopqrstu})"
    opcodes += b"\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8e\x8f\x90\x91\x93\x94"
    for _ in range(5000):
        stream = bytes(chance.choices(opcodes, k=chance.randrange(1, 40))) + b"."
        with contextlib.suppress(FileError):
            loads(stream, ARRAYS)
