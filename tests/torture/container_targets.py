"""Containers as targets: the readers of safetensors, HDF5, .keras, .npz, Caffe and ONNX, and good examples for them."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from resnets.files.errors import FileError
from resnets.weights.containers import caffe, hdf5, keras_zip, npz, onnx_file, safetensors_file
from resnets.weights.containers.contents import Contents
from tests import caffe_writer, wire
from tests.torture.damage import damaged, damaged_json
from tests.torture.targets import Make, Read, Target, of_bytes

MOST_READ = 64 << 20
"""Bytes of a case's tensors that are fetched too."""


def reads(reader: Callable[[Path], Contents]) -> Read:
    """Read a case, and fetch its tensors as far as they are small: each is refused, or has the bytes it says."""

    def read(data: bytes, folder: Path) -> object:
        path = folder / "case"
        path.write_bytes(data)
        found = reader(path)
        left, refused = MOST_READ, None
        for tensor in found.tensors.values():
            if (left := left - tensor.size) < 0:
                break
            try:
                assert len(tensor.read()) == tensor.size
            except FileError as refusal:
                refused = refusal
        json.dumps([found.facts, found.not_run]).encode()
        if refused:
            raise refused
        return found

    return read


def safetensors_files() -> list[bytes]:
    network = {"conv1.weight": torch.ones(4, 3, 3, 3), "bn1.num_batches_tracked": torch.tensor(7)}
    return [save(network, {"format": "pt"}), save({"half": torch.ones(5).half(), "none": torch.zeros(0, 2)})]


def make_safetensors(examples: list[bytes], chance: random.Random) -> bytes:
    """A file damaged in its bytes, or in the JSON of its header."""
    if chance.random() < 0.4:
        return of_bytes(examples, chance)
    whole = chance.choice(examples)
    end = 8 + int.from_bytes(whole[:8], "little")
    said = damaged_json(json.loads(whole[8:end]), chance).encode("utf-8", "surrogatepass")
    return len(said).to_bytes(8, "little") + said + whole[end:]


def make_archive(examples: list[bytes], chance: random.Random) -> bytes:
    """An archive damaged in its bytes, or one of its members damaged in a good archive."""
    if chance.random() < 0.3:
        return of_bytes(examples, chance)
    with zipfile.ZipFile(io.BytesIO(chance.choice(examples))) as file:
        members = {member.filename: (member, file.read(member)) for member in file.infolist()}
    name = chance.choice(sorted(members))
    member, data = members[name]
    others = [each or b"-" for _, each in members.values()]
    if name.endswith(".json") and chance.random() < 0.7:
        data = damaged_json(json.loads(data), chance).encode("utf-8", "surrogatepass")
    else:
        data = damaged(data, chance, others)
    members[name] = member, data
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for each, bytes_ in members.values():
            file.writestr(each.filename, bytes_, each.compress_type)
    return made.getvalue()


def npz_files() -> list[bytes]:
    arrays = {"a": np.eye(3, dtype="f4"), "b": np.asfortranarray(np.arange(6).reshape(2, 3).astype(">i4")), "c": True}
    found = []
    for write in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        write(file, **arrays)
        found.append(file.getvalue())
    return found


@cache
def hdf5_files() -> list[bytes]:
    """The two layouts of Keras, and everything that is read beside them."""
    import h5py

    found = []
    for libver in ("earliest", "latest"):
        for is_legacy in (True, False):
            file = io.BytesIO()
            with h5py.File(file, "w", libver=libver) as made:
                if is_legacy:
                    made.attrs["model_config"] = json.dumps({"class_name": "Lambda", "config": {"name": "twice"}})
                    made.attrs["layer_names"] = [b"conv1"]
                    made.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
                    made["conv1/conv1/kernel:0"] = np.ones((3, 3, 3, 4), "f4")
                    made.create_dataset(
                        "x", data=np.arange(60.0).reshape(6, 10), chunks=(4, 4), compression=9, shuffle=True
                    )
                else:
                    for number in range(12):
                        made[f"layers/conv2d_{number}/vars/0"] = np.arange(number, dtype=">f4")
                        made[f"layers/conv2d_{number}/vars"].attrs["name"] = f"conv{number}"
            found.append(file.getvalue())
    return found


def keras_files() -> list[bytes]:
    config = {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "config": {"name": "twice"}}]}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}), zipfile.ZIP_DEFLATED)
        made.writestr("config.json", json.dumps(config))
        made.writestr("model.weights.h5", hdf5_files()[1])
    return [file.getvalue()]


def caffemodels() -> list[bytes]:
    layers = caffe_writer.small_net()
    dense = caffe_writer.blob(np.eye(2), old=True)
    v1 = wire.field(2, wire.field(4, "fc") + wire.field(5, 14) + wire.field(6, dense))
    inputs = wire.field(3, "data") + wire.field(4, 1, 3, 8, 8)
    return [
        caffe_writer.caffemodel(layers),
        caffe_writer.caffemodel(layers[:3], old=True, packed=False),
        wire.field(1, "old") + v1 + inputs,
    ]


def means() -> list[bytes]:
    mean = np.ones((1, 3, 4, 5), "f4")
    return [caffe_writer.blob(mean, old=True), caffe_writer.blob(mean)]


def onnx_models() -> list[bytes]:
    raw = wire.field(1, 2, 3) + wire.field(2, 1) + wire.field(8, "w") + wire.field(9, bytes(24))
    typed = wire.field(1, 3) + wire.field(2, 7) + wire.field(8, "n") + wire.packed(7, (1, -1, 300))
    conv = wire.field(1, "x", "w") + wire.field(2, "y") + wire.field(4, "Conv")
    conv += wire.field(5, wire.field(1, "strides") + wire.packed(8, (2, 2)) + wire.field(20, 7))
    constant = (
        wire.field(2, "c") + wire.field(4, "Constant") + wire.field(5, wire.field(1, "value") + wire.field(5, raw))
    )
    value = wire.field(1, "x") + wire.field(2, wire.field(1, wire.field(2, wire.field(1, wire.field(1, 3)))))
    graph = wire.field(1, constant, conv) + wire.field(2, "g") + wire.field(5, raw, typed) + wire.field(11, value)
    head = wire.field(1, 8) + wire.field(2, "tests")
    return [head + wire.field(7, graph) + wire.field(8, wire.field(2, 17)), head + wire.field(7, b"")]


def _target(examples: Callable[[], list[bytes]], reader: Callable[[Path], Contents], make: Make = of_bytes) -> Target:
    return Target(examples, reads(reader), (FileError,), make)


CONTAINERS = {
    "safetensors": _target(safetensors_files, safetensors_file.read, make_safetensors),
    "npz": _target(npz_files, npz.read, make_archive),
    "hdf5": _target(hdf5_files, hdf5.read),
    "keras": _target(keras_files, keras_zip.read, make_archive),
    "caffe": _target(caffemodels, caffe.read),
    "caffe mean": _target(means, caffe.read_mean),
    "onnx": _target(onnx_models, onnx_file.read),
}
"""Every reader of a container but torch's, by its word."""

NEEDS_H5PY = {"hdf5", "keras"}
