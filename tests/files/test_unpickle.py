"""Unpickle: the values that pickle gives, and a refusal for everything that is not plain data."""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickle
import random
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.files.pickle_machine import Limits
from resnets.files.pickled_arrays import ARRAYS, SCALARS, Array, ArrayInFile
from resnets.files.pickled_objects import Named, Opaque, Span
from resnets.files.unpickle import load, loads

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
    (b"N)\x81.", "opcode NEWOBJ is not read here"),
    (b"N)}\x92.", "opcode NEWOBJ_EX is not read here"),
    (b"(No.", "opcode OBJ is not read here"),
    (b"NQ.", "opcode BINPERSID is not read here"),
    (b"}}b.", "sets the state of a dict"),
    (b"X\xff\xff\xff\x7fa.", "a string is longer than the rest"),
    (b"\x8d" + b"\xff" * 8 + b".", "a string is longer than the rest"),
    (b"\x8b\xff\xff\xff\x7fa.", "a string is longer than the rest"),
    (b"T\xff\xff\xff\xffa.", "a string is longer than the rest"),
    (b"\xfe.", "0xfe is no opcode"),
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
        (b"S'abcdefgh'\n.", Limits(line_bytes=5), "cut short or damaged"),
        (b"](NNNNe.", Limits(memory_bytes=300), "more than 300 bytes of memory"),
    ):
        with pytest.raises(FileError) as refusal:
            loads(stream, {}, limits)
        assert sentence in str(refusal.value)


def test_copying_one_long_string_again_and_again_is_refused() -> None:
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000
    call = b"c_codecs\nencode\n" + b"h\x00" + b"U\x06latin1" + b"\x86R"
    with pytest.raises(FileError, match="far more data than it holds"):
        loads(b"(" + text + b"q\x00" + call * 1000 + b"l.", ARRAYS)


def test_copies_count_as_memory_also_where_there_are_few() -> None:
    shared = b"}(" + b"".join(b"K%cN" % number for number in range(200)) + b"uq\x00"
    call = b"N0" * 30 + b"ca\nb\nh\x00\x85R"
    with pytest.raises(FileError, match="more than 1,048,576 bytes of memory"):
        loads(b"(" + shared + call * 60 + b"l.", {"a b": dict}, Limits(memory_bytes=1 << 20))


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


def noted(stream: bytes, limits: Limits | None = None, **options: Any) -> tuple[Any, list[str]]:
    """What a stream holds where names outside the table are allowed, and these names."""
    outside: dict[str, None] = {}
    value = load(io.BytesIO(stream), {**ARRAYS, **SCALARS}, limits or Limits(), outside=outside, **options)
    return value, list(outside)


@pytest.mark.parametrize("protocol", range(6))
def test_where_it_is_asked_for_a_command_is_a_record_of_what_it_would_have_been(tmp_path: Path, protocol: int) -> None:
    value, names = noted(pickle.dumps({"labels": Malicious(tmp_path / "ran"), "x": 1}, protocol))
    assert names == [f"{os.name} system"]
    assert value["x"] == 1
    assert isinstance(value["labels"], Opaque)
    assert (value["labels"].name, value["labels"].arguments) == (names[0], (f"touch {tmp_path / 'ran'}",))
    assert not (tmp_path / "ran").exists()


def test_a_record_keeps_what_the_stream_does_to_it() -> None:
    value, names = noted(b"ca\nb\n)\x81q\x00(U\x01kK\x01u(K\x02K\x03e(K\x04\x90}U\x01sK\x05sb.")
    assert names == ["a b"]
    assert (value.name, value.arguments, value.items, value.parts, value.state) == (
        "a b",
        (),
        {"k": 1},
        [2, 3, 4],
        {"s": 5},
    )
    value, _ = noted(b"ca\nb\nK\x01\x85}U\x01kK\x02s\x92.")
    assert (value.name, value.arguments) == ("a b", (1, {"k": 2}))
    for stream in (b"(ia\nb\n.", b"(ca\nb\no.", b"ca\nb\n)R.", b"ca\nb\n)\x81."):
        assert noted(stream)[0].name == "a b"
    assert noted(b"ca\nb\n.")[0] == Named("a b")


def test_keys_that_are_objects_are_not_compared() -> None:
    value, _ = noted(b"}(ca\nb\n)RK\x01)2\x86K\x02]K\x03u.")
    assert list(value.values()) == [1, 2, 3]
    start = time.perf_counter()
    noted(b"})" + b"2\x86" * 60 + b"Ns.")
    assert time.perf_counter() - start < 5


def test_a_table_that_cannot_take_what_it_is_given_leaves_a_record_but_a_lying_array_is_refused() -> None:
    value, names = noted(pickle.dumps([np.array(["a", None], object), np.ones(2)]))
    assert isinstance(value[0], Opaque)
    assert isinstance(value[1], Array)
    assert names == []
    with pytest.raises(FileError, match="an array says it has 1,026 elements of 1 bytes, and has 600"):
        noted(pickle.dumps(np.zeros((2, 300), np.uint8), 2).replace(b"M,\x01", b"M\x01\x02"))


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_come_out_as_numbers(protocol: int) -> None:
    numbers = [np.float32(1.5), np.float64(-2), np.int8(-3), np.uint64(2**63), np.bool_(True), np.float16(0.5)]
    value, names = noted(pickle.dumps(numbers, protocol))
    assert value == [number.item() for number in numbers]
    assert [type(number) for number in value] == [float, float, int, int, bool, float]
    assert names == []


def test_persistent_ids_are_what_the_caller_says() -> None:
    assert load(io.BytesIO(b"(P12\nK\x03Ql."), {}, Limits(), persistent=lambda given: [given]) == [["12"], [3]]


def test_long_strings_can_be_left_where_they_are() -> None:
    array = np.arange(1000, dtype="<u2")
    for protocol in (2, 3, 4, 5):
        data = b"before" + pickle.dumps({"a": array, "b": "c" * 99}, protocol)
        stream = io.BytesIO(data)
        stream.seek(6)
        value = load(stream, ARRAYS, Limits(data_bytes=1500), span_bytes=500)
        left = value["a"]
        assert isinstance(left, ArrayInFile)
        assert (left.dtype, left.shape, value["b"]) == ("<u2", (1000,), "c" * 99)
        found = data[left.span.offset : left.span.offset + left.span.size]
        assert (found.decode().encode("latin-1") if left.span.is_text else found) == array.tobytes()
    assert load(io.BytesIO(b"X\x05\x00\x00\x00abcde."), {}, Limits(), span_bytes=5) == Span(5, 5, True)


def test_all_strings_of_a_stream_together_are_bounded() -> None:
    for string in (b"U\x05abcde", b"X\x05\x00\x00\x00abcde", b"S'abc'\n"):
        with pytest.raises(FileError, match="its strings have more than 20 bytes"):
            load(io.BytesIO(b"(" + string * 5 + b"l."), {}, Limits(data_bytes=20))


def test_a_stream_is_left_behind_its_end() -> None:
    stream = io.BytesIO(b"K\x01.K\x02.rest")
    assert [load(stream, {}, Limits()) for _ in range(2)] == [1, 2]
    assert stream.read() == b"rest"


PIECES = {
    "lists": b"](Ne", "dictionaries": b"}(K\x01Nu", "more of a dictionary": b"}K\x01Ns", "sets": b"\x8f",
    "filled sets": b"\x8f(K\x01K\x02\x90", "tuples": b"N\x85", "threes": b"NNN\x87", "numbers": b"J\xff\xff\xff\x7f",
    "floats": b"G12345678", "texts": b"X\x03\x00\x00\x00\xe4\xb8\xad", "names": b"ca\nb\n", "records": b"ca\nb\n)R",
    "new records": b"ca\nb\n)\x81", "filled records": b"(ia\nb\n(K\x01K\x02u(K\x03e", "frozen": b"(K\x01\x91",
    "memory": b"N\x940", "nothing": b"N", "arrays of bytes": b"\x96\x01" + bytes(7) + b"a",
}  # fmt: skip


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
def test_the_memory_that_is_counted_is_no_less_than_what_python_takes(piece: bytes) -> None:
    stream = io.BytesIO(b"(" + piece * (1 << 17) + b"l.")
    limit = 1 << 20
    tracemalloc.start()
    with pytest.raises(FileError, match="more than 1,048,576 bytes of memory"):
        load(stream, {}, Limits(memory_bytes=limit), outside={})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * limit  # a list or a memo that grows is copied
