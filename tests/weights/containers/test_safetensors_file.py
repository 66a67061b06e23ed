"""safetensors: the tensors its own library writes, and a refusal for every header that lies."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from resnets.files.errors import FileError
from resnets.weights.containers import safetensors_file
from resnets.weights.containers.contents import array

TYPES = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32",
    torch.int64: "I64", torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


def test_every_type_comes_out_as_the_library_wrote_it(tmp_path: Path) -> None:
    numbers = torch.arange(24).reshape(2, 3, 4) - 5
    written = {word: numbers.to(kind) for kind, word in TYPES.items()} | {
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }
    save_file(written, tmp_path / "a", metadata={"format": "pt", "naïve": "\u4e2d"})
    found = safetensors_file.read(tmp_path / "a")
    assert found.container == "safetensors"
    assert found.facts == {"format": "pt", "naïve": "\u4e2d"}
    assert found.not_run == ()
    assert found.tensors.keys() == written.keys()
    for name, tensor in written.items():
        stored = found.tensors[name]
        assert stored.shape == tensor.shape
        assert stored.read() == tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.dim() else True
        if not stored.dtype.startswith("F8"):
            assert np.array_equal(array(stored), tensor.double().numpy())


def header(*tensors: tuple[str, str, list[Any], list[Any]], **more: Any) -> dict[str, Any]:
    rows = {name: {"dtype": dtype, "shape": shape, "data_offsets": at} for name, dtype, shape, at in tensors}
    return rows | more


def file(said: dict[str, Any] | str | bytes, body: bytes = b"", size: int | None = None) -> bytes:
    text = said if isinstance(said, bytes) else (said if isinstance(said, str) else json.dumps(said)).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + body


ONE = ("a", "F32", [2], [0, 8])
ENTRY = '{"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'

REFUSALS = {
    "nothing": (b"", "has 0 bytes"),
    "seven bytes": (b"1234567", "has 7 bytes"),
    "a header over 8 MB": (file("{}", size=(8 << 20) + 1), "at most 8,388,608 are read"),
    "a header of 2^63 bytes": (file("{}", size=1 << 63), "at most 8,388,608 are read"),
    "a header past the end": (file("{}", size=100), "says it has 100 bytes, and 2 follow"),
    "no bracket": (file(" {}"), "does not start with a bracket"),
    "no JSON": (file("{oh}"), "holds no JSON"),
    "a name twice": (file(f'{{"a": {ENTRY}, "a": {ENTRY}}}', b"1"), "says 'a' twice"),
    "NaN": (file('{"a": NaN}'), "NaN"),
    "a deep header": (file('{"a": ' + "[" * 100 + "]" * 100 + "}"), "containers deep"),
    "a number instead of a tensor": (file({"a": 1}), "'a' is not told by dtype, shape and data_offsets"),
    "one more key": (file({"a": header(ONE)["a"] | {"b": 1}}, b"12345678"), "is not told by"),
    "metadata that are numbers": (file({"__metadata__": {"a": 1}}), "metadata are not strings"),
    "metadata that are a list": (file({"__metadata__": [1]}), "metadata are not strings"),
    "an unknown type": (file(header(("a", "F31", [2], [0, 8])), b"12345678"), "has type 'F31'"),
    "a side below 0": (file(header(("a", "F32", [-1], [0, 8])), b"12345678"), "of the wrong kind"),
    "a side of true": (file(header(("a", "U8", [True], [0, 1])), b"1"), "of the wrong kind"),
    "a side of 2.0": (file(header(("a", "U8", [2.0], [0, 2])), b"12"), "of the wrong kind"),
    "nine sides": (file(header(("a", "U8", [1] * 9, [0, 1])), b"1"), "impossible shape"),
    "three offsets": (file(header(("a", "U8", [1], [0, 1, 1])), b"1"), "of the wrong kind"),
    "an end before the start": (file(header(("a", "U8", [1], [1, 0])), b"1"), "takes 1 bytes, not -1"),
    "a shape and offsets that disagree": (
        file(header(("a", "F32", [3], [0, 8])), b"12345678"),
        "takes 12 bytes, not 8",
    ),
    "4 GB in 100 bytes": (file(header(("a", "F32", [1 << 30], [0, 4 << 30])), b"x" * 10), "its tensors take"),
    "8 GB": (file(header(("a", "F32", [1 << 31], [0, 8 << 30]))), "at most 4,294,967,296 are read"),
    "a hole": (file(header(("a", "U8", [1], [0, 1]), ("b", "U8", [1], [2, 3])), b"123"), "starts at byte 2"),
    "a shared byte": (file(header(("a", "U8", [2], [0, 2]), ("b", "U8", [2], [1, 3])), b"123"), "starts at byte 1"),
    "bytes of nobody": (file(header(ONE), b"123456789"), "take 8 bytes, and 9 follow"),
    "bytes cut short": (file(header(ONE), b"1234567"), "take 8 bytes, and 7 follow"),
    "10,001 tensors": (
        file(header(*((str(n), "U8", [1], [n, n + 1]) for n in range(10_001))), b"x" * 10_001),
        "has 10,001 tensors; at most 10,000 are read",
    ),
}


@pytest.mark.parametrize(("data", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_header_that_lies_is_refused_and_costs_no_memory(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(FileError, match="is not read as safetensors: .*" + said):
        safetensors_file.read(tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(data) + (1 << 18)


def test_ten_thousand_tensors_are_read(tmp_path: Path) -> None:
    rows = ((str(n), "U8", [1], [n, n + 1]) for n in range(10_000))
    (tmp_path / "a").write_bytes(file(header(*rows), bytes(range(250)) * 40))
    tensors = safetensors_file.read(tmp_path / "a").tensors
    assert len(tensors) == 10_000
    assert tensors["251"].read() == b"\1"


def test_a_file_cut_short_after_it_was_opened_is_refused_when_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(file(header(ONE), b"12345678"))
    tensor = safetensors_file.read(tmp_path / "a").tensors["a"]
    (tmp_path / "a").write_bytes(file(header(ONE), b"1234"))
    with pytest.raises(FileError, match="cut short or was changed"):
        tensor.read()


def test_safetensors_is_known_by_its_first_bytes() -> None:
    assert safetensors_file.looks_like(file(header(ONE), b"12345678"))
    for other in (b"", b"{}", b"PK\3\4" + bytes(20), b"\x89HDF\r\n\x1a\n" + bytes(20), b"\x80\x02}q" + bytes(20)):
        assert not safetensors_file.looks_like(other)
