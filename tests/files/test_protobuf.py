"""Protobuf's wire format: fields come out as they went in, and nothing runs past its end or its budget."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from resnets.files.errors import FileError
from resnets.files.protobuf import FIXED32, LENGTH, VARINT, Budget, Message, outline
from tests import wire


def message(data: bytes, **budget: int) -> Message:
    return Message(memoryview(data), Budget(**budget))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_a_whole_number_comes_out_as_it_went_in(number: int) -> None:
    (found,) = message(wire.field(5, number))
    assert (found.number, found.wire, found.integer()) == (5, VARINT, number)


def test_fields_come_in_order_with_their_place_in_the_file() -> None:
    data = wire.field(1, 7) + wire.field(2, "naïve") + wire.field(3, 0.5) + wire.field(1 << 28, b"\0\1")
    found = [*message(data)]
    assert [each.number for each in found] == [1, 2, 3, 1 << 28]
    assert found[1].text() == "naïve"
    assert found[2].floats() == [0.5]
    assert bytes(found[3].view()) == b"\0\1"
    for each in found[1:]:
        assert data[each.start : each.start + len(each.value)] == bytes(each.value)  # type: ignore[arg-type]


def test_a_repeated_field_is_the_same_packed_and_one_by_one() -> None:
    numbers = [0, 1, 127, 128, -1, 2**62]
    (packed,) = message(wire.packed(4, numbers))
    single = [number for found in message(wire.field(4, *numbers)) for number in found.integers()]
    assert packed.integers() == single == numbers
    (floats,) = message(wire.field(4, struct.pack("<3f", 1, 2, 3)))
    assert floats.floats() == [1, 2, 3]


def test_a_message_inside_a_message_knows_its_place_in_the_file() -> None:
    data = wire.field(9, wire.field(9, wire.field(1, "inside")))
    (outer,) = message(data)
    (middle,) = outer.message()
    (inner,) = middle.message()
    assert data[inner.start : inner.start + 6] == b"inside" == bytes(inner.view())


REFUSALS = {
    "a varint without an end": (b"\x08" + b"\xff" * 10, "has no end"),
    "a varint cut short": (b"\x08\x80", "has no end"),
    "a length past the end": (wire.tag(1, 2) + wire.varint(2**40) + b"x", "says it has 1,099,511,627,776 bytes, and 1"),
    "a fixed number past the end": (wire.tag(1, 5) + b"abc", "says it has 4 bytes, and 3 are left"),
    "a group": (wire.tag(1, 3), "wire type 3"),
    "an unknown wire type": (wire.tag(1, 7), "wire type 7"),
    "field number 0": (wire.tag(0, 0) + b"\0", "impossible number 0"),
    "a field number too large": (wire.tag(1 << 29, 0) + b"\0", "impossible number"),
}


@pytest.mark.parametrize(("data", "said"), REFUSALS.values(), ids=REFUSALS)
def test_damaged_fields_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(FileError, match=said):
        [*message(data)]


def test_a_field_of_another_kind_than_asked_for_is_refused() -> None:
    number, text, real = message(wire.field(1, 1) + wire.field(2, b"\xff") + wire.field(3, 1.5))
    for ask in (
        number.text,
        number.view,
        number.floats,
        text.integer,
        text.text,
        text.floats,
        real.integers,
        real.view,
    ):
        with pytest.raises(FileError, match=r"field [123] is"):
            ask()


def test_fields_text_and_depth_have_a_budget_for_all_messages_together() -> None:
    numbers = wire.packed(1, range(50))
    with pytest.raises(FileError, match="too many fields"):
        [found.integers() for found in message(numbers * 3, fields=100)]
    with pytest.raises(FileError, match="too much text"):
        [found.text() for found in message(wire.field(1, "x" * 60) * 2, text_bytes=100)]
    deep = b""
    for _ in range(5):
        deep = wire.field(1, deep)
    level = message(deep, depth=3)
    with pytest.raises(FileError, match="too deep"):
        for _ in range(5):
            (found,) = level
            level = found.message()


def test_many_empty_fields_cost_no_memory() -> None:
    data = wire.field(1, 0) * (1 << 16)
    tracemalloc.start()
    assert sum(1 for _ in message(data)) == 1 << 16
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 14


def test_the_outline_of_a_head_goes_as_far_as_the_head() -> None:
    data = wire.field(1, 300) + wire.field(2, "text") + wire.field(3, 1.0) + wire.field(100, b"x" * 1000)
    assert outline(data[:40]) == [(1, VARINT), (2, LENGTH), (3, FIXED32), (100, LENGTH)] == outline(data)
    assert outline(b"PK\3\4") == []
    assert outline(b"") == []
