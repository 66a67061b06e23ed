"""HDF5: Keras's three layouts as h5py writes them, and a refusal for links, claims and packings that lead astray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.weights.containers import hdf5
from resnets.weights.containers.contents import array

h5py = pytest.importorskip("h5py", reason="h5py is not installed; the extra [keras] brings it")

LAYERS = {
    "input_1": {},
    "conv1": {"kernel:0": (7, 7, 3, 4), "bias:0": (4,)},
    "bn_conv1": {"gamma:0": (4,), "beta:0": (4,), "moving_mean:0": (4,), "moving_variance:0": (4,)},
}
CONFIG = {
    "class_name": "Model",
    "config": {"layers": [
        {"class_name": "Lambda", "config": {"name": "twice", "function": ["4wEAAAA=", None, None]}},
        {"class_name": "Mine", "module": "my_code.layers", "config": {}},
        {"class_name": "Conv2D", "module": "keras.layers", "config": {"activation": {"class_name": "__lambda__"}}},
    ]},
}  # fmt: skip


def numbers(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def write_legacy(group: Any) -> dict[str, np.ndarray[Any, Any]]:
    """What Keras 2 and Keras 3's legacy format write: a group for each layer, its weights' names as attributes."""
    group.attrs["layer_names"] = [name.encode() for name in LAYERS]
    group.attrs["keras_version"], group.attrs["backend"] = b"2.2.4", "tensorflow"
    written = {}
    for layer, weights in LAYERS.items():
        made = group.create_group(layer)
        made.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in weights]
        for name, shape in weights.items():
            made.create_dataset(f"{layer}/{name}", data=numbers(shape))
            written[f"{layer}/{layer}/{name}"] = numbers(shape)
    return written


def check(found: Any, written: dict[str, np.ndarray[Any, Any]]) -> None:
    assert found.container == "hdf5"
    assert found.tensors.keys() == written.keys()
    for name, expected in written.items():
        assert found.tensors[name].shape == expected.shape
        assert np.array_equal(array(found.tensors[name]), expected)


NAMES = {
    "input_1": [],
    "conv1": ["conv1/kernel:0", "conv1/bias:0"],
    "bn_conv1": [f"bn_conv1/{name}:0" for name in ("gamma", "beta", "moving_mean", "moving_variance")],
}


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_legacy_weights_come_out_by_path_with_their_order(libver: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        written = write_legacy(file)
    found = hdf5.read(tmp_path / "a.h5")
    check(found, written)
    assert found.facts == {
        "keras_version": "2.2.4",
        "backend": "tensorflow",
        "layer_names": list(LAYERS),
        "weight_names": NAMES,
    }


def test_a_full_model_brings_its_description_and_its_code_is_named_and_never_run(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG).encode()
        file.attrs["training_config"] = json.dumps({"loss": "mse"})
        file.attrs["keras_version"], file.attrs["backend"] = "2.2.4", "tensorflow"
        written = write_legacy(file.create_group("model_weights"))
        file.create_dataset("optimizer_weights/iteration", data=np.int64(7))
    found = hdf5.read(tmp_path / "a.h5")
    written = {f"model_weights/{name}": each for name, each in written.items()}
    check(found, written | {"optimizer_weights/iteration": np.array(7)})
    assert found.facts["model_config"] == CONFIG
    assert found.facts["training_config"] == {"loss": "mse"}
    assert found.facts["layer_names"] == list(LAYERS)
    assert found.facts["weight_names"] == NAMES
    assert found.not_run == ("Lambda layer twice", "my_code.layers.Mine", "a lambda function")


def test_the_weights_of_keras_3_bring_the_layers_own_names(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for path, name in {"": "model", "layers/conv2d": "stem", "layers/conv2d_1": "conv2d"}.items():
            group = file.create_group(f"{path}/vars")
            group.attrs["name"] = name
            if path:
                group["0"] = numbers((3, 3, 3, 4))
        half = file["layers/conv2d"].create_dataset("vars/1", data=np.array([0x3F80, 0xC000], "<u2").view("V2"))
        half.attrs["dtype"] = "bfloat16"
    found = hdf5.read(tmp_path / "a.weights.h5")
    assert found.facts == {"group_names": {"": "model", "layers/conv2d": "stem", "layers/conv2d_1": "conv2d"}}
    assert found.tensors["layers/conv2d/vars/1"].dtype == "BF16"
    assert list(array(found.tensors["layers/conv2d/vars/1"])) == [1, -2]
    assert np.array_equal(array(found.tensors["layers/conv2d_1/vars/0"]), numbers((3, 3, 3, 4)))


def test_attributes_that_keras_splits_are_joined(tmp_path: Path) -> None:
    layers = [f"layer_{number:05d}_{'x' * 50}" for number in range(3000)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for place, piece in enumerate(np.array_split(np.array(layers, "S"), 12)):
            file.attrs[f"layer_names{place}"] = piece
        group = file.create_group(layers[0])
        group.attrs["weight_names0"], group.attrs["weight_names1"] = [b"a"], [b"b"]
    facts = hdf5.read(tmp_path / "a.h5").facts
    assert facts["layer_names"] == layers
    assert facts["weight_names"][layers[0]] == ["a", "b"]


KINDS = ["?", "u1", "i1", "<u2", ">i2", "<i4", "<u4", ">i8", "<u8", "<f2", "<f4", ">f4", "<f8", ">f8"]
PACKED: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunks": (2, 3)},
    "gzip": {"chunks": (2, 3), "compression": "gzip"},
    "shuffle": {"chunks": (4, 2), "shuffle": True},
    "shuffle and gzip": {"chunks": (3, 3), "compression": 9, "shuffle": True},
    "a larger chunk": {"chunks": (8, 8), "maxshape": (None, None), "compression": "gzip"},
}


def test_every_type_and_packing_comes_out_as_it_went_in(tmp_path: Path) -> None:
    written = {}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for kind in KINDS:
            for how, options in PACKED.items():
                name = f"{kind} {how}"
                written[name] = np.abs(np.arange(35).reshape(5, 7) * 3 - 20).astype(kind)
                file.create_dataset(name, data=written[name], **options)
        written |= {"empty": np.zeros((0, 3), "<f4"), "scalar": np.array(2.5)}
        file["empty"], file["scalar"] = written["empty"], written["scalar"]
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32BE, space, compact).write(
            h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2, 3], "<f4")
        )
        written["compact"] = np.array([1, 2, 3], "<f4")
    check(hdf5.read(tmp_path / "a.h5"), written)


def external_link(file: Any) -> None:
    file["layer"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file: Any) -> None:
    file["a"] = 1.0
    file["layer"] = h5py.SoftLink("/a")


def cycle(file: Any) -> None:
    inner = file.create_group("a/b")
    inner["c"] = file["a"]


def two_ways(file: Any) -> None:
    file["a"] = 1.0
    file["b"] = file["a"]


def external_storage(file: Any) -> None:
    file.create_dataset("a", (100,), "f4", external=[("/etc/passwd", 0, 400)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("a", layout)


def named_type(file: Any) -> None:
    file["a"] = np.dtype("f4")


def unwritten(file: Any) -> None:
    file.create_dataset("a", (1 << 30,), "f4", fillvalue=1)


def unwritten_chunks(file: Any) -> None:
    file.create_dataset("a", (1 << 10, 1 << 10), "f4", chunks=(1 << 9, 1 << 9))[0, 0] = 1


def gzip_bomb(file: Any) -> None:
    file.create_dataset("a", data=np.zeros((1 << 22,), "f4"), chunks=(1 << 20,), compression=9)


def large_chunk(file: Any) -> None:
    file.create_dataset("a", (1,), "f4", chunks=(1 << 22,), maxshape=(None,), compression=9)[0] = 0


def many_chunks(file: Any) -> None:
    file.create_dataset("a", (1 << 29,), "f4", chunks=(1 << 10,))


def eight_gigabytes(file: Any) -> None:
    file.create_dataset("a", (1 << 31,), "f4")[0] = 1


def deep(file: Any) -> None:
    file.create_group("/".join("x" * 40))


def odd_float(file: Any) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 20, 11, 0, 20)
    kind.set_ebias(1023)
    h5py.h5d.create(file.id, b"a", kind, h5py.h5s.create_simple((2,))).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(2, "f4")
    )


def put(value: Any, **options: Any) -> Callable[[Any], None]:
    return lambda file: file.create_dataset("a", data=value, **options)


def attribute(name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: file.attrs.__setitem__(name, value)


REFUSALS: dict[str, tuple[Callable[[Any], object], str]] = {
    "an external link": (external_link, "'layer' is a link into another file, '/etc/passwd', which is not opened"),
    "a soft link": (soft_link, "'layer' is a soft link"),
    "a circle": (cycle, "'a/b/c' is linked from two places"),
    "two names": (two_ways, "'b' is linked from two places"),
    "numbers in another file": (external_storage, "'a' keeps its numbers in another file, which is not opened"),
    "a virtual dataset": (virtual, "'a' is virtual: its numbers are in other files, which are not opened"),
    "a named type": (named_type, "'a' is neither a group nor a dataset"),
    "4 GB that were never written": (unwritten, "says it has 4,294,967,296 bytes, and none were ever written"),
    "chunks that were never written": (unwritten_chunks, "has 1 of its 4 chunks; the others were never written"),
    "zeros packed by 1,000": (gzip_bomb, "a chunk of 4,194,304 bytes, of which 4,"),
    "a chunk for one number": (large_chunk, "a chunk of 16,777,216 bytes, of which 16,"),
    "half a million chunks": (many_chunks, "more than 100,000 chunks"),
    "33 groups deep": (deep, "its groups are more than 32 deep"),
    "lzf": (put(np.ones(9), compression="lzf"), "packed by filter 32000; gzip is read"),
    "checksums": (put(np.ones(9), fletcher32=True), "packed by filter 3; gzip is read"),
    "scaled numbers": (put(np.ones(9, "i4"), scaleoffset=0), "packed by filter 6; gzip is read"),
    "text": (put("text"), "holds object, and not plain numbers"),
    "fields": (put(np.zeros(2, [("a", "f4"), ("b", "i4")])), "and not plain numbers"),
    "arrays of arrays": (put(np.zeros(2, [("a", "f4", 3)])["a"].astype("c8")), "and not plain numbers"),
    "bytes": (put(np.array([b"ab", b"cd"])), "and not plain numbers"),
    "a float of another form": (odd_float, "and not plain numbers"),
    "nothing": (put(h5py.Empty("f4")), "is empty, without even a shape"),
    "a description that is no JSON": (attribute("model_config", "{oh}"), "model_config: it holds no JSON"),
    "a description that is NaN": (attribute("model_config", "[NaN]"), "model_config: its JSON holds NaN"),
    "a name of bytes": (attribute("keras_version", b"\xff"), "not UTF-8"),
}


@pytest.mark.parametrize(("write", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_leads_out_of_the_file_or_lies_is_refused(
    write: Callable[[Any], object], said: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
    tracemalloc.start()
    with pytest.raises(FileError, match="is not read as HDF5: .*" + said):
        hdf5.read(tmp_path / "a.h5")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_more_than_eight_megabytes_of_attributes_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.attrs["model_config"] = "x" * (9 << 20)
    with pytest.raises(FileError, match=r"model_config: its JSON has 9,437,184 bytes"):
        hdf5.read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w", libver="latest") as file:
        file.attrs["layer_names"] = np.array([b"x" * 1000] * 9000)
    with pytest.raises(FileError, match=r"attribute 'layer_names' of '' has more than 8,388,608 bytes"):
        hdf5.read(tmp_path / "b.h5")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_legacy(file)
    whole = (tmp_path / "a.h5").read_bytes()
    for size in (0, 8, 95, 96, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b.h5").write_bytes(whole[:size])
        with pytest.raises(FileError, match="is not read as HDF5"):
            hdf5.read(tmp_path / "b.h5")


@pytest.mark.parametrize(("back", "stored"), [(8, 400), (400, 8)], ids=["behind the end", "too few"])
def test_a_dataset_that_lies_elsewhere_than_in_the_file_is_refused(back: int, stored: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        offset = file.create_dataset("a", data=np.ones(100, "f4")).id.get_offset()
    data = (tmp_path / "a.h5").read_bytes()
    place, lie = (offset.to_bytes(8, "little") + (400).to_bytes(8, "little") for offset in (offset, len(data) - back))
    assert data.count(place) == 1
    (tmp_path / "a.h5").write_bytes(data.replace(place, lie[:8] + stored.to_bytes(8, "little")))
    with pytest.raises(FileError, match=r"says it has 400 bytes from byte .*; it is cut short|invalid dataset size"):
        hdf5.read(tmp_path / "a.h5")


def test_a_chunk_that_does_not_unpack_is_refused_when_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("a", data=np.arange(1000.0), chunks=(1000,), compression=9)
        start, size = made.id.get_chunk_info(0).byte_offset, made.id.get_chunk_info(0).size
    data = bytearray((tmp_path / "a.h5").read_bytes())
    data[start + 2 : start + size] = bytes(size - 2)
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(FileError, match=r"is damaged|does not unpack"):
        hdf5.read(tmp_path / "a.h5").tensors["a"].read()


ROW = {"dtype": "F32", "big": False, "shape": [4]}
CHUNKED = ROW | {"chunk": [2], "filters": ["gzip"], "chunks": [[0, 0, 50], [2, 50, 50]]}
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "bytes behind the end": (ROW | {"at": 90}, "says it has 16 bytes, and 10 are stored"),
    "bytes before the start": (ROW | {"at": -1}, "says it has 16 bytes, and 0 are stored"),
    "an unknown type": (ROW | {"dtype": "OBJECT"}, "has type 'OBJECT'"),
    "8 GB": (ROW | {"shape": [1 << 31], "at": 0}, "at most 4,294,967,296 are read"),
    "too few bytes inside": (ROW | {"inline": "AAAA"}, "says it has 16 bytes, and 3 are stored"),
    "no base64": (ROW | {"inline": "!"}, "is damaged"),
    "a chunk behind the end": (CHUNKED | {"chunks": [[0, 0, 50], [2, 60, 50]]}, "a chunk outside the file"),
    "a chunk twice": (CHUNKED | {"chunks": [[0, 0, 50], [0, 50, 50]]}, "has 1 of its 2 chunks"),
    "a chunk beside its grid": (CHUNKED | {"chunks": [[0, 0, 50], [1, 50, 50]]}, "or outside its shape"),
    "a chunk of another size": (CHUNKED | {"filters": []}, "a chunk of 8 bytes, of which 50 are stored"),
}


@pytest.mark.parametrize(("row", "said"), LIES.values(), ids=LIES)
def test_what_the_child_says_is_held_against_the_file_again(row: dict[str, Any], said: str) -> None:
    report = {"datasets": {"a": row}, "attributes": {}}
    with pytest.raises(FileError, match=said):
        hdf5.contents(report, lambda start, size: bytes(size), 100, "hdf5")


def test_tables_without_an_end_end_the_child_and_not_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").write_bytes(hdf5.SIGNATURE + bytes(100))
    said = {"end": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "loop": "while True: pass"}
    monkeypatch.setattr(hdf5, "_CHILD", said["end"])
    with pytest.raises(FileError, match=r"its tables end the process that reads them \(-9\); it is damaged"):
        hdf5.read(tmp_path / "a.h5")
    monkeypatch.setattr(hdf5, "_CHILD", said["loop"])
    monkeypatch.setattr(hdf5, "SECONDS", 0.2)
    with pytest.raises(FileError, match="its tables are not read within"):
        hdf5.read(tmp_path / "a.h5")


def test_without_h5py_the_message_says_what_to_install(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = 1.0
    program = (
        "import importlib.util, sys; from pathlib import Path; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'h5py' else find(name, *rest)\n"
        "from resnets.weights.containers import hdf5\n"
        "try: hdf5.read(Path(sys.argv[1]))\n"
        "except ValueError as error: print(error)\n"
        "assert 'h5py' not in sys.modules and 'numpy' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.h5")],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert "h5py is not installed; add it with: pip install 'resnets[keras]'" in done.stdout
