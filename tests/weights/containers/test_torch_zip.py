"""torch's zip files: the tensors that torch.load gives, nothing run, and refusals within 64 MB for files that lie."""

from __future__ import annotations

import collections
import os
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnets.weights.containers.contents import array
from resnets.weights.containers.torch_zip import read
from tests.weights.containers.torch_files import (
    FACTS,
    Call,
    Identity,
    Small,
    assert_same,
    assert_whole,
    named,
    pickled,
    raw,
    refusal,
    storage,
    strange_tensors,
    training_checkpoint,
    view,
    write_zip,
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_of_every_type_and_stride_have_the_bytes_that_torch_gives_them(
    tmp_path: Path, seed: int, protocol: int
) -> None:
    tensors = strange_tensors(seed)
    torch.save(tensors, tmp_path / "a.pth", pickle_protocol=protocol)
    found = read(tmp_path / "a.pth")
    assert found.container == "torch zip"
    assert found.not_run == ()
    assert_same(found, tensors)


def test_a_training_checkpoint_gives_its_weights_and_its_facts(tmp_path: Path) -> None:
    checkpoint, state = training_checkpoint()
    torch.save(checkpoint, tmp_path / "a.pth")
    found = read(tmp_path / "a.pth")
    for name, tensor in state.items():
        assert found.tensors[f"state_dict.module.{name}"].read() == raw(tensor)
    for name, tensor in named(checkpoint["optimizer"]["state"]):
        assert found.tensors[f"optimizer.state.{name}"].read() == raw(tensor)
    assert {name: found.facts.get(name) for name in FACTS} == FACTS
    assert np.array_equal(array(found.tensors["history"]), checkpoint["history"])
    assert found.not_run == ("torch.optim.lr_scheduler.StepLR", "torch.optim.adamw.AdamW")


def test_a_whole_pickled_module_gives_the_names_of_its_state(tmp_path: Path) -> None:
    model = Small()
    torch.save({"model": model, "epoch": 1}, tmp_path / "a.pth")
    found = read(tmp_path / "a.pth")
    assert_same(found, {f"model.{name}": tensor for name, tensor in model.state_dict().items()})
    assert found.facts["model.norm.eps"] == 0.003
    assert found.facts["model.conv.kernel_size"] == (3, 3)
    assert found.facts["model.classes"] == ["ant", "bee"]
    assert found.facts["model.passing"] == "not read: a buffer that is no part of the state"
    assert found.facts["model.beside"] == "not read: a tensor that is no part of the state"
    assert "torch.nn.modules.conv.Conv2d" in found.not_run
    assert f"{Small.__module__}.Small" in found.not_run


def test_a_torchscript_archive_gives_its_modules_tensors_and_none_of_its_code(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and its files remain
        torch.jit.save(torch.jit.script(model), tmp_path / "a.pt")  # type: ignore[no-untyped-call]
    found = read(tmp_path / "a.pt")
    assert found.container == "torchscript"
    assert_same(found, dict(model.state_dict()))
    assert "__torch__.torch.nn.modules.conv.Conv2d" in found.not_run


def test_a_tensor_alone_and_a_list_of_tensors_have_names_too(tmp_path: Path) -> None:
    torch.save(torch.arange(3), tmp_path / "a.pth")
    assert_same(read(tmp_path / "a.pth"), {"tensor": torch.arange(3)})
    torch.save([torch.arange(3), (torch.arange(2),)], tmp_path / "a.pth")
    assert_same(read(tmp_path / "a.pth"), {"0": torch.arange(3), "1.0": torch.arange(2)})


def test_big_endian_storages_come_out_little_endian(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype=">f4")
    path = write_zip(
        tmp_path / "a.pth",
        {"a": view(storage("1"), 0, (3, 2), (1, 3))},
        byteorder=b"big",
        **{"data/1": numbers.tobytes()},
    )
    assert np.array_equal(array(read(path).tensors["a"]), numbers.reshape(2, 3).T)


@pytest.mark.parametrize("location", ["cpu", "cuda:0", "mps", "xla:1"])
def test_where_a_tensor_was_does_not_matter(tmp_path: Path, location: str) -> None:
    path = write_zip(tmp_path / "a.pth", {"a": view(storage(location=location))})
    assert np.array_equal(array(read(path).tensors["a"]), np.arange(6).reshape(2, 3))


def test_a_deflated_archive_is_read_too(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.pth", {"a": view(offset=1, shape=(5,), strides=(1,))}, zipfile.ZIP_DEFLATED)
    assert np.array_equal(array(read(path).tensors["a"]), np.arange(1, 6))


def test_what_has_no_numbers_or_none_of_ours_is_named_and_not_read(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    values = {
        "meta": torch.empty(3, device="meta"),
        "complex": torch.ones(3, dtype=torch.complex64),
        "quantised": quantised,
        "storage": torch.ones(3).untyped_storage(),
        "weights": torch.ones(3),
    }
    torch.save(values, tmp_path / "a.pth")
    found = read(tmp_path / "a.pth")
    assert_same(found, {"weights": torch.ones(3)})
    assert found.facts == {
        "meta": "not read: a tensor on the device meta, which has no numbers",
        "complex": "not read: a tensor of type complex64",
        "quantised": "not read: a quantised tensor",
        "storage": "not read: a storage of 12 bytes",
    }
    found = read(write_zip(tmp_path / "b.pth", {"a": view(storage("absent", location="meta"))}))
    assert found.facts == {"a": "not read: a tensor on the device meta, which has no numbers, of type float32"}


def test_two_names_for_one_tensor_are_both_given(tmp_path: Path) -> None:
    tensor = torch.arange(3)
    torch.save({"a": tensor, "b": [tensor, tensor]}, tmp_path / "a.pth")
    assert_same(read(tmp_path / "a.pth"), {"a": tensor, "b.0": tensor, "b.1": tensor})


def test_a_tensor_that_is_an_attribute_and_an_item_of_one_name_is_given_once(tmp_path: Path) -> None:
    tensor = view()
    config = Call(subprocess.Popen)  # any name outside the table
    config.reduced = (subprocess.Popen, (), {"a": tensor}, None, iter([("a", tensor)]))
    assert list(read(write_zip(tmp_path / "a.pth", {"config": config})).tensors) == ["config.a"]


def test_opening_a_large_file_reads_none_of_its_tensors(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(20_000_000)}, tmp_path / "a.pth")
    import tracemalloc

    tracemalloc.start()
    found = read(tmp_path / "a.pth")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert found.tensors["a"].size == 80_000_000


def test_a_file_that_shrinks_after_it_was_opened_is_refused_when_it_is_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pth")
    found = read(tmp_path / "a.pth")
    os.truncate(tmp_path / "a.pth", 1000)
    with pytest.raises(ValueError, match="it is cut short or was changed; fetch it again"):
        found.tensors["a"].read()


DANGERS: tuple[tuple[Any, str], ...] = (
    (os.system, f"{os.system.__module__}.system"),
    (eval, "builtins.eval"),
    (subprocess.Popen, "subprocess.Popen"),
    (__import__, "builtins.__import__"),
)


@pytest.mark.parametrize("protocol", range(1, 5))
@pytest.mark.parametrize(("function", "name"), DANGERS, ids=[name for _, name in DANGERS])
def test_what_would_run_is_named_never_run_and_the_weights_still_come(
    tmp_path: Path, function: Any, name: str, protocol: int
) -> None:
    command = f"open({str(tmp_path / 'ran')!r}, 'w')" if function is eval else f"touch {tmp_path / 'ran'}"
    danger = Call(function, command, state={"a": 1})
    value = {"bad": danger, "weights": view(), "worse": collections.OrderedDict(x=danger)}
    found = read(write_zip(tmp_path / "a.pth", pickled(value, protocol)))
    assert found.not_run == (name,)
    assert np.array_equal(array(found.tensors["weights"]), np.arange(6).reshape(2, 3))
    assert not (tmp_path / "ran").exists()


OPCODES = [
    (b"(ios\nsystem\n.", "os.system"),
    (b"(cos\nsystem\nX\x04\x00\x00\x00trueo.", "os.system"),
    (b"cos\nsystem\n)\x81}b.", "os.system"),
    (b"cos\nsystem\n)}\x92.", "os.system"),
    (b"cos\nsystem\n)R)R.", "os.system"),
    (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x94)R.", "os.system"),
    (b"cos\nsystem\n.", "os.system"),
    (b"ccopyreg\n_reconstructor\n(cos\nsystem\nNNtR.", "os.system"),
    (b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN)NtR.", "os.system"),
]


@pytest.mark.parametrize(("stream", "name"), OPCODES, ids=lambda value: repr(value)[:40])
def test_every_opcode_that_makes_an_object_makes_a_record(tmp_path: Path, stream: bytes, name: str) -> None:
    assert read(write_zip(tmp_path / "a.pth", stream)).not_run == (name,)


def deep(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


def laughs(levels: int, inner: bytes) -> bytes:
    """Lists that hold the one before ten times: 10 ** levels ways to `inner`, in a few bytes."""
    stream = b"\x80\x02" + inner + b"q\x640"
    for level in range(100, 100 + levels):
        stream += b"](" + b"h%c" % level * 10 + b"eq%c0" % (level + 1)
    return stream + b"h%c." % (100 + levels)


NUMBER = view(shape=(), strides=())
ONE = pickled(NUMBER)[2:-1]
COPIES = b"}(" + b"".join(b"K%cN" % n for n in range(256)) + b"uq\x000("
COPIES += b"ccollections\nCounter\nh\x00\x85R" * 9000 + b"l."
BIG = view(storage("1", 50 << 20), 0, (50 << 20,), (1,))
REFUSALS: list[tuple[str, Any, str]] = [
    ("a claim of 4 GB", {"a": view(storage("0", 1 << 30), 0, (1 << 30,), (1,))}, "have 4,294,967,296 bytes and has 24"),
    ("4 GB by repeating", {"a": view(shape=(1 << 30,), strides=(0,))}, "they have 4,294,967,296 bytes, in a file of"),
    ("above 4 GB", {"a": view(shape=(1 << 31,), strides=(0,))}, "at most 4,294,967,296 are read"),
    ("an absent storage", {"a": view(storage("1"))}, "should have 24 bytes and is absent"),
    ("a storage elsewhere", {"a": view(storage("../data.pkl"))}, "is absent"),
    ("outside its storage", {"a": view(offset=1)}, "'a' of shape (2, 3) reaches outside its storage of 24 bytes"),
    ("outside by its stride", {"a": view(strides=(3, 2))}, "reaches outside"),
    ("a negative offset", {"a": view(offset=-1)}, "impossible strides"),
    ("a negative stride", {"a": view(strides=(-3, 1))}, "impossible strides"),
    ("fewer strides", {"a": view(strides=(1,))}, "impossible strides"),
    ("a negative side", {"a": view(shape=(-2, 3))}, "impossible shape"),
    ("nine sides", {"a": view(shape=(1,) * 9, strides=(1,) * 9)}, "impossible shape"),
    ("a shape of texts", {"a": view(shape=("2", 3))}, "not tuples of whole numbers"),
    ("half a tensor", b"ctorch._utils\n_rebuild_tensor_v2\nN\x85R.", "rebuilt from only 1 things"),
    ("no storage", {"a": view(3)}, "made of what is no storage"),
    ("negative elements", {"a": view(storage(elements=-1))}, "its length no whole number"),
    ("a strange storage", {"a": view(storage(kind=collections.OrderedDict))}, "of a class that torch does not have"),
    ("a strange id", {"a": Identity(("module", 1))}, "outside itself that is no storage"),
    ("a sparse tensor", torch.eye(3).to_sparse, "it holds a sparse tensor"),
    ("equal names", {"a.b": view(), "a": {"b": view()}}, "two tensors are called 'a.b'"),
    ("ten thousand and one", [NUMBER] * 10_001, "more than 10,000 tensors"),
    ("long names", {"x" * 4000 + str(n): view() for n in range(2200)}, "more than 8,388,608 bytes of names"),
    ("laughter with tensors", laughs(9, ONE), "more than 10,000 tensors"),
    ("too deep", deep(70, NUMBER), "more than 64 deep"),
    ("marks without end", b"(" * 1000, "more than 256 deep"),
    ("a memo bomb", b"\x80\x04N" + b"\x94" * 470_000 + b".", "bytes of memory"),
    ("sets without end", b"\x80\x04(" + b"\x8f" * 400_000 + b"l.", "bytes of memory"),
    ("copies without end", COPIES, "more data than it holds"),
    ("a huge number", b"\x8b\xff\xff\xff\x7f.", "a string is longer than the rest"),
    ("a long number", b"\x8a\xff" + b"\x01" * 255 + b".", "whole number of more than 64 bytes"),
    ("a huge text", b"\x8d" + b"\xff" * 8 + b".", "a string is longer than the rest"),
    ("a line without end", b"S'" + b"a" * (2 << 20) + b"'\n.", "cut short or damaged"),
    ("many names", b"(" + b"".join(b"ca\n%d\n" % n for n in range(10_001)), "more than 10,000 different things"),
    ("an extension", b"\x82\x01.", "opcode EXT1 is not read here"),
    ("a buffer", b"\x97.", "opcode NEXT_BUFFER is not read here"),
    ("no end", b"\x80\x02}", "ends without STOP"),
    ("nothing", b"", "ends without STOP"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "sentence"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_checkpoint_that_lies_is_refused_with_its_reason_within_64_mb(
    tmp_path: Path, value: Any, sentence: str
) -> None:
    path = tmp_path / "a.pth"
    if callable(value):
        torch.save(value(), path)
    else:
        write_zip(path, value)
    told = refusal(read, path)
    assert sentence in told
    assert "a.pth" in told


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = b"N0" * (40 << 20) + b"N."
    path = write_zip(tmp_path / "a.pth", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 200_000
    assert "its data.pkl has 83,886,082 bytes; at most 67,108,864 are read" in refusal(read, path)
    path = write_zip(
        tmp_path / "a.pth",
        {"a": view(storage("1", 50 << 20), 0, (50 << 20,), (1,))},
        zipfile.ZIP_DEFLATED,
        **{"data/1": bytes(200 << 20)},
    )
    assert "its tensors say they have 209,715,200 bytes, in a file of" in refusal(read, path)


def test_laughter_without_tensors_is_looked_at_once(tmp_path: Path) -> None:
    found = read(write_zip(tmp_path / "a.pth", laughs(30, b"]")))
    assert not found.tensors


def test_a_part_that_holds_itself_is_not_entered_again(tmp_path: Path) -> None:
    value: dict[str, Any] = {"weights": view()}
    value["me"] = [value, {"again": value}]
    assert list(read(write_zip(tmp_path / "a.pth", value)).tensors) == ["weights"]


def test_an_archive_that_torch_did_not_write_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    assert "zip archive without one data.pkl in one folder" in refusal(read, tmp_path / "a.npz")
    path = write_zip(tmp_path / "a.pth", {}, **{"../other/data.pkl": b"N."})
    assert "which is no path inside an archive" in refusal(read, path)
    path = write_zip(tmp_path / "a.pth", {}, byteorder=b"middle")
    assert "its byte order is b'middle'" in refusal(read, path)


def test_the_real_imagenet_checkpoint_has_the_tensors_that_torch_reads(shared_data: Path, tmp_path: Path) -> None:
    import lzma

    packed = shared_data / "weights-imagenet-NC" / "resnet18_pqf.pth.tar.xz"
    path = tmp_path / "resnet18_pqf.pth.tar"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    found = read(path)
    assert_same(found, dict(named(torch.load(path, map_location="cpu", weights_only=True))))
    assert_whole(found)
    assert found.facts == {"epoch": 90, "arch": "resnet18"}
