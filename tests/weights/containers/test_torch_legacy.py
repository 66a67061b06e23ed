"""torch's legacy files: the tensors that torch.load gives, nothing run, and refusals for files that lie."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnets.weights.containers.contents import array
from resnets.weights.containers.torch_legacy import MAGIC, PROTOCOL, read
from tests.weights.containers.torch_files import (
    FACTS,
    Call,
    Identity,
    Small,
    assert_same,
    named,
    pickled,
    raw,
    refusal,
    strange_tensors,
    training_checkpoint,
    view,
)


def save(value: Any, path: Path, **options: Any) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=False, **options)
    return path


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", [1, 2, 3, 4])
def test_tensors_of_every_type_and_stride_have_the_bytes_that_torch_gives_them(
    tmp_path: Path, seed: int, protocol: int
) -> None:
    unsigned = ("uint16", "uint32", "uint64", "float8")  # the legacy file has no words for them
    tensors = {name: part for name, part in strange_tensors(seed).items() if not any(word in name for word in unsigned)}
    found = read(save(tensors, tmp_path / "a.th", pickle_protocol=protocol))
    assert found.container == "torch legacy"
    assert found.not_run == ()
    assert_same(found, tensors)


def test_a_training_checkpoint_gives_its_weights_and_its_facts(tmp_path: Path) -> None:
    checkpoint, state = training_checkpoint()
    found = read(save(checkpoint, tmp_path / "a.th"))
    for name, tensor in state.items():
        assert found.tensors[f"state_dict.module.{name}"].read() == raw(tensor)
    assert {name: found.facts.get(name) for name in FACTS} == FACTS
    assert found.not_run == ("torch.optim.lr_scheduler.StepLR", "torch.optim.adamw.AdamW")


def test_a_whole_pickled_module_gives_the_names_of_its_state(tmp_path: Path) -> None:
    model = Small()
    found = read(save(model, tmp_path / "a.th"))
    assert_same(found, dict(model.state_dict()))
    assert f"{Small.__module__}.Small" in found.not_run


def test_the_real_checkpoints_have_the_tensors_that_torch_reads(shared_data: Path) -> None:
    paths = sorted((shared_data / "weights-cifar10-akamaster").glob("*.th"))
    assert len(paths) == 4
    for path in paths:
        found = read(path)
        assert_same(found, dict(named(torch.load(path, map_location="cpu", weights_only=True))))
        assert list(found.facts) == ["best_prec1"]


def identity(key: Any = "0", elements: Any = 6, part: Any = None, kind: Any = torch.FloatStorage) -> Identity:
    return Identity(("storage", kind, key, "cpu", elements, part))


def write(
    path: Path, value: Any, keys: Any = ("0",), count: int = 6, magic: int = MAGIC, protocol: int = PROTOCOL
) -> Path:
    """A legacy file of six float32, unless told otherwise."""
    head = [pickle.dumps(part, 2) for part in (magic, protocol, {"little_endian": True})]
    storages = b"".join(struct.pack("<q", count) + np.arange(6, dtype="<f4").tobytes() for _ in keys)
    body = value if isinstance(value, bytes) else pickled(value)
    path.write_bytes(b"".join([*head, body, pickle.dumps(keys if isinstance(keys, str) else list(keys), 2), storages]))
    return path


def test_a_storage_that_is_part_of_another_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    value = {"whole": view(identity()), "part": view(identity(part=("9", 2, 4)), 1, (3,), (1,))}
    path = write(tmp_path / "a.th", value)
    found = read(path)
    assert_same(found, dict(named(torch.load(path, weights_only=False))))
    assert np.array_equal(array(found.tensors["part"]), [3, 4, 5])


def test_a_class_with_its_source_code_is_only_named(tmp_path: Path) -> None:
    kind = Identity(("module", Small, "net.py", "class Small: ..."))
    found = read(write(tmp_path / "a.th", {"class": kind, "a": view(identity())}))
    assert found.not_run == (f"{Small.__module__}.Small",)
    assert list(found.tensors) == ["a"]


@pytest.mark.parametrize("protocol", range(1, 5))
def test_what_would_run_is_named_never_run_and_the_weights_still_come(tmp_path: Path, protocol: int) -> None:
    value = {"bad": Call(os.system, f"touch {tmp_path / 'ran'}"), "a": view(identity())}
    found = read(write(tmp_path / "a.th", pickled(value, protocol)))
    assert found.not_run == (f"{os.system.__module__}.system",)
    assert np.array_equal(array(found.tensors["a"]), np.arange(6).reshape(2, 3))
    assert not (tmp_path / "ran").exists()


A = {"a": view(identity())}
REFUSALS: list[tuple[str, Any, dict[str, Any], str]] = [
    ("another magic", A, {"magic": 3}, "does not begin with torch's magic number"),
    ("another protocol", A, {"protocol": 1002}, "it is of protocol 1002; 1001 is read"),
    ("a name in the head", A, {"protocol": Call(os.system, "true")}, "which is not allowed; nothing of it was run"),
    ("no list of keys", A, {"keys": "0"}, "no list of strings"),
    ("a key of nothing", A, {"keys": ("0", "1")}, "'1' belongs to nothing, or comes twice"),
    ("a key twice", A, {"keys": ("0", "0")}, "'0' belongs to nothing, or comes twice"),
    ("no keys", A, {"keys": ()}, "'0' is not among those behind the value"),
    ("another count", A, {"count": 7}, "has 7 elements, and should have 6"),
    ("a negative count", A, {"count": -1}, "has -1 elements, and should have 6"),
    ("a claim of 4 GB", {"a": view(identity(elements=1 << 30))}, {"count": 1 << 30}, "ends behind the file"),
    ("an endless claim", {"a": view(identity(elements=1 << 60))}, {}, "its length no whole number"),
    ("two lengths", [view(identity()), view(identity(elements=5))], {}, "two lengths or types"),
    ("two types", [view(identity()), view(identity(kind=torch.IntStorage))], {}, "two lengths or types"),
    ("part outside", {"a": view(identity(part=("9", 3, 4)))}, {}, "a part of another that it is not inside"),
    ("part before", {"a": view(identity(part=("9", -1, 4)))}, {}, "a part of another that it is not inside"),
    ("more than its part", {"a": view(identity(part=("9", 1, 4)))}, {}, "reaches outside its storage of 16 bytes"),
    ("a strange id", {"a": Identity(("storage", 1))}, {}, "outside itself that is no storage"),
    ("a number as key", {"a": view(identity(key=0))}, {}, "the key of a storage is no string"),
]


@pytest.mark.parametrize(
    ("value", "facts", "sentence"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_file_that_lies_is_refused_with_its_reason_within_64_mb(
    tmp_path: Path, value: Any, facts: dict[str, Any], sentence: str
) -> None:
    told = refusal(read, write(tmp_path / "a.th", value, **facts))
    assert sentence in told
    assert "a.th" in told


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.th", {"a": view(identity())})
    good = path.read_bytes()
    assert list(read(path).tensors) == ["a"]
    for end in range(len(good)):
        path.write_bytes(good[:end])
        refusal(read, path)
