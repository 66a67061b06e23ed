"""Caffe: blobs by layer as Caffe uses them, the mean file, and a refusal for what is neither."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resnets.files.errors import FileError
from resnets.weights.containers import caffe, onnx_file
from resnets.weights.containers.contents import Contents, array
from tests import caffe_writer, wire
from tests.caffe_writer import Layer, blob, caffemodel, small_net


def read(path: Path, data: bytes) -> Contents:
    path.write_bytes(data)
    return caffe.read(path)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "one by one"])
@pytest.mark.parametrize("old", [False, True], ids=["shapes", "four sides"])
def test_blobs_come_out_by_layer_and_word(old: bool, packed: bool, tmp_path: Path) -> None:
    layers = {layer.name: layer for layer in small_net()}
    found = read(tmp_path / "a", caffemodel([*layers.values()], old=old, packed=packed))
    assert found.container == "caffe"
    expected = {
        "conv1/weight": layers["conv1"].blobs[0], "conv1/bias": layers["conv1"].blobs[1],
        "bn_conv1/mean": layers["bn_conv1"].blobs[0] * (1 / layers["bn_conv1"].blobs[2]),
        "bn_conv1/variance": layers["bn_conv1"].blobs[1] * (1 / layers["bn_conv1"].blobs[2]),
        "scale_conv1/scale": layers["scale_conv1"].blobs[0], "scale_conv1/bias": layers["scale_conv1"].blobs[1],
        "fc2/weight": layers["fc2"].blobs[0], "fc2/bias": layers["fc2"].blobs[1],
    }  # fmt: skip
    assert found.tensors.keys() == expected.keys()
    for name, numbers in expected.items():
        assert found.tensors[name].shape == numbers.shape
        assert np.array_equal(array(found.tensors[name]), numbers)


def test_what_the_file_says_of_its_layers_are_facts(tmp_path: Path) -> None:
    data = Layer("data", "Input", [], ["data"])
    shape = wire.field(143, wire.field(1, wire.packed(1, (1, 3, 8, 8))))
    inputs = wire.field(100, wire.field(1, data.name) + wire.field(2, data.type) + wire.field(4, "data") + shape)
    found = read(tmp_path / "a", caffemodel(small_net(), "ResNet-50") + inputs)
    assert found.facts["net"] == "ResNet-50"
    assert found.facts["layers"] == [*([layer.name, layer.type] for layer in small_net()), ["data", "Input"]]
    assert found.facts["inputs"] == {"data": [1, 3, 8, 8]}
    conv = {"num_output": 4, "kernel_size": 3, "pad": 1, "stride": 2, "bias_term": 1}
    assert found.facts["settings"]["conv1"] == conv
    assert found.facts["settings"]["bn_conv1"] == {"use_global_stats": 1, "eps": 1e-5}


def test_inputs_of_older_nets_are_facts(tmp_path: Path) -> None:
    layers = caffemodel(small_net())
    sides = wire.field(3, "data") + wire.field(4, 1, 3, 224, 224)
    assert read(tmp_path / "a", layers + sides).facts["inputs"] == {"data": [1, 3, 224, 224]}
    shapes = wire.field(3, "data", "more") + wire.field(8, wire.packed(1, (1, 2)), wire.packed(1, (3,)))
    assert read(tmp_path / "a", layers + shapes).facts["inputs"] == {"data": [1, 2], "more": [3]}


def test_layers_of_the_older_form_are_read(tmp_path: Path) -> None:
    weight = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    conv = wire.field(4, "conv1") + wire.field(5, 4) + wire.field(6, blob(weight, old=True)) + wire.field(2, "data")
    dense = np.arange(6, dtype=np.float32).reshape(2, 3)
    fc = wire.field(4, "fc") + wire.field(5, 14) + wire.field(6, blob(dense, old=True))
    found = read(tmp_path / "a", wire.field(1, "old") + wire.field(2, conv, fc))
    assert found.facts["layers"] == [["conv1", "Convolution"], ["fc", "InnerProduct"]]
    assert np.array_equal(array(found.tensors["conv1/weight"]), weight)
    assert np.array_equal(array(found.tensors["fc/weight"]), dense)


def test_a_factor_of_zero_gives_zeros_as_in_caffe(tmp_path: Path) -> None:
    numbers = [np.ones(3, np.float32), np.ones(3, np.float32), np.zeros(1, np.float32)]
    found = read(tmp_path / "a", caffemodel([Layer("bn", "BatchNorm", blobs=numbers)]))
    assert [list(array(found.tensors[f"bn/{word}"])) for word in ("mean", "variance")] == [[0, 0, 0]] * 2


def test_doubles_stay_doubles_and_a_layer_without_words_numbers_its_blobs(tmp_path: Path) -> None:
    found = read(tmp_path / "a", caffemodel([Layer("x", "LSTM", blobs=[np.eye(2), np.ones(3)])]))
    assert [found.tensors[name].dtype for name in ("x/0", "x/1")] == ["F64", "F64"]
    assert np.array_equal(array(found.tensors["x/0"]), np.eye(2))


def net(*blobs: bytes, kind: str = "Convolution") -> bytes:
    return wire.field(100, wire.field(1, "a") + wire.field(2, kind) + wire.field(7, *blobs))


ONE = blob(np.ones(2, np.float32))
CLAIM = wire.field(7, wire.packed(1, (1 << 15, 1 << 15)))

REFUSALS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no layers with a name and a type"),
    "a name alone": (wire.field(1, "net"), "no layers with a name and a type"),
    "text": (b"name: 'ResNet-50'\nlayer {", "wire type|impossible number|has no end|cut short"),
    "cut short": (caffemodel(small_net())[:-9], "cut short or damaged"),
    "4 GB in 100 bytes": (net(CLAIM + wire.field(5, bytes(8))), "takes 4,294,967,296 bytes, and has 8"),
    "8 GB": (net(wire.field(7, wire.packed(1, (1 << 31,)))), "at most 4,294,967,296 are read"),
    "a side below 0": (net(wire.field(7, wire.packed(1, (-2,))) + wire.field(5, bytes(8))), "impossible shape"),
    "no numbers": (net(wire.field(7, wire.packed(1, (2,)))), "takes 8 bytes, and has 0"),
    "numbers as varints": (net(wire.field(7, wire.packed(1, (2,))) + wire.field(5, 1, 2)), "of wire type 0, not 5"),
    "half a number": (net(wire.field(7, wire.packed(1, (2,))) + wire.field(5, bytes(7))), "takes 8 bytes, and has 7"),
    "a thousand pieces": (net(wire.field(5, *[bytes(4)] * 1001)), "in too many pieces"),
    "a blob twice": (net(ONE) * 2, "two blobs 'a/weight'"),
    "a norm without its factor": (net(ONE, ONE, kind="BatchNorm"), "has 2 blobs, not mean, variance and factor"),
    "a norm with two factors": (net(ONE, ONE, ONE, kind="BatchNorm"), "a factor of shape \\(2,\\), not one"),
    "Caffe's first form": (wire.field(2, wire.field(1, b"")), "upgrade_net_proto_binary"),
    "a name of bytes": (wire.field(100, wire.field(1, b"\xff")), "not UTF-8"),
    "20,001 layers": (wire.field(100, b"") * 20_001, "more than 20,000 layers"),
    "fifty thousand empty blobs": (wire.field(100, wire.field(7, b"") * 50_000), "too many fields"),
    "10,001 blobs": (net(*[ONE] * 10_001, kind="x"), "more than 10,000 blobs"),
    "9 MB of names": (net() + wire.field(3, *["x" * (1 << 20)] * 9), "too much text"),
}


@pytest.mark.parametrize(("data", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_file_that_lies_or_costs_too_much_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    is_large = len(data) > 1 << 15  # what is large takes long to trace
    if not is_large:
        tracemalloc.start()
    with pytest.raises(FileError, match=r"is not read as a \.caffemodel: .*" + f"(?:{said})"):
        read(tmp_path / "a", data)
    if not is_large:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


def test_a_mean_file_gives_one_tensor(tmp_path: Path) -> None:
    mean = np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 5)).astype(np.float32)
    (tmp_path / "a").write_bytes(blob(mean, old=True))
    found = caffe.read_mean(tmp_path / "a")
    assert found.container == "caffe mean"
    assert np.array_equal(array(found.tensors["mean"]), mean)
    (tmp_path / "a").write_bytes(blob(mean[0, 0]))
    with pytest.raises(FileError, match=r"its shape is \(4, 5\), and a mean's is"):
        caffe.read_mean(tmp_path / "a")


MEAN = blob(np.ones((1, 3, 2, 2), np.float32), old=True)
HEADS: dict[str, tuple[bytes, Callable[[bytes], bool] | None]] = {
    "caffemodel": (caffemodel(small_net(), "ResNet-50"), caffe.looks_like),
    "without a name": (caffemodel(small_net(), "")[2:], caffe.looks_like),
    "with inputs": (wire.field(1, "net") + wire.field(3, "data") + caffemodel(small_net()), caffe.looks_like),
    "old layers": (wire.field(1, "CaffeNet") + wire.field(2, b"x" * 5000), caffe.looks_like),
    "mean": (MEAN, caffe.looks_like_mean),
    "onnx": (wire.field(1, 8) + wire.field(2, "pytorch") + wire.field(7, b"x" * 900), onnx_file.looks_like),
    "safetensors": (b"\x40\0\0\0\0\0\0\0{" + b'"a": ' * 20, None),
    "zip": (b"PK\3\4" + bytes(60), None),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(60), None),
    "pickle": (b"\x80\x02}q\0(X\5\0\0\0epochq\1K\x0aX\4", None),
    "prototxt": (b'name: "ResNet-50"\ninput: "data"\n', None),
    "text": (b"import torch\n", None),
    "nothing": (b"", None),
}


@pytest.mark.parametrize("size", [32, 64, 4096])
@pytest.mark.parametrize(("data", "known"), HEADS.values(), ids=HEADS)
def test_each_protobuf_file_is_known_by_its_first_bytes(
    data: bytes, known: Callable[[bytes], bool] | None, size: int
) -> None:
    for look in (caffe.looks_like, caffe.looks_like_mean, onnx_file.looks_like):
        assert look(data[:size]) == (look == known), look


def test_the_writer_of_the_tests_writes_the_text_that_caffe_reads() -> None:
    text = caffe_writer.prototxt(small_net(), (1, 3, 8, 8))
    assert 'name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4' in text
