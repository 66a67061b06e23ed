"""Targets: every reader of bytes from outside, good examples for it, and the refusals it has declared."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from resnets.data.decoding.decode import decode, decode_bands
from resnets.data.decoding.transform import fit
from resnets.data.errors import BadImage, DataError
from resnets.data.reading import Columns, Reading
from resnets.data.sources.cifar import read_cifar
from resnets.data.sources.idx import read_array
from resnets.files.errors import FileError
from resnets.files.pickled_arrays import ARRAYS
from resnets.files.unpickle import loads
from resnets.spec.card import CARD_KEY, Card
from resnets.spec.preprocess import FORMATS, Preprocess
from resnets.training import checkpoint
from resnets.training.recipes import recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder
from resnets.weights.modelfile import load, read_card, save
from tests import odd_images, tiny
from tests.encoded import WIDE_PROFILE, grey_profile, with_gamma
from tests.torture import container_targets_torch
from tests.torture.damage import damaged, damaged_json

Examples = Callable[[], list[bytes]]
Make = Callable[[list[bytes], random.Random], bytes]
Read = Callable[[bytes, Path], object]


def of_bytes(examples: list[bytes], chance: random.Random) -> bytes:
    """A case: one of the examples, damaged."""
    return damaged(chance.choice(examples), chance, examples)


def of_json(examples: list[bytes], chance: random.Random) -> bytes:
    """A case: the JSON of an example, damaged as JSON, and now and then as bytes."""
    if chance.random() < 0.2:
        return of_bytes(examples, chance)
    return damaged_json(json.loads(chance.choice(examples)), chance).encode("utf-8", "surrogatepass")


class PassedOver(Exception):
    """What is damaged was left out, as it should be, without a word."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader: it is given damaged examples, and may return, or raise one of the `refusals`; nothing else."""

    examples: Examples
    read: Read
    refusals: tuple[type[Exception], ...]
    make: Make = of_bytes


def _batch(protocol: int, count: int = 4) -> bytes:
    pixels = np.arange(count * 3072, dtype=np.uint32).astype(np.uint8).reshape(count, 3072)
    names = [f"picture_{n}.png" for n in range(count)]
    facts = {"data": pixels, "labels": list(range(count)), "filenames": names, "batch_label": "one"}
    return pickle.dumps(facts, protocol)


_META, _BATCH = pickle.dumps({"label_names": list("abcd"), "num_vis": 3072}, 2), _batch(2, 1)


def pickles() -> list[bytes]:
    plain = {"a": [1, 2.5, None, True, (b"x", "\u4e2d")], 7: {"set": 2**70}, "f": np.asfortranarray(np.eye(3))}
    written = [pickle.dumps(plain, protocol) for protocol in range(6)]
    by_hand = [b"(lp0\nI1\naI01\naL5L\naF2.5\naS'a\\x62'\naVc\\u0064\na.", b"(I1\nI2\n1(I3\nl."]
    return [*written, *by_hand, *(_batch(protocol) for protocol in (0, 2, 5))]


def read_pickle(data: bytes, _: Path) -> object:
    return loads(data, ARRAYS)


def idx_files() -> list[bytes]:
    images = b"\0\0\x08\x03" + struct.pack(">3I", 3, 4, 5) + bytes(range(60))
    labels = b"\0\0\x08\x01" + struct.pack(">I", 3) + b"\1\2\3"
    plain = [images, labels]
    return [b"-" + each for each in plain] + [b"z" + gzip.compress(each, mtime=0) for each in plain]


def read_idx(data: bytes, folder: Path) -> object:
    """The first byte says under which name the rest is read: as it is, or gzipped."""
    path = folder / ("a.gz" if data[:1] == b"z" else "a")
    path.write_bytes(data[1:])
    try:
        return read_array(path, dimensions=3)
    except DataError:
        return read_array(path, dimensions=1)


def cifar_files() -> list[bytes]:
    return [b"m" + _META, *(b"b" + _batch(protocol) for protocol in (0, 2, 4))]


def read_cifar_with(data: bytes, folder: Path) -> object:
    """The first byte says what the rest stands for: the meta file, or the last training batch."""
    if not (folder / "test_batch").exists():
        for name in [*(f"data_batch_{n}" for n in range(1, 5)), "test_batch"]:
            (folder / name).write_bytes(_batch(2, 1))
    is_meta = data[:1] == b"m"
    (folder / "batches.meta").write_bytes(data[1:] if is_meta else _META)
    (folder / "data_batch_5").write_bytes(_BATCH if is_meta else data[1:])
    return read_cifar(folder)


def pictures() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (24, 17, 4), dtype=np.uint8)
    colour, grey = Image.fromarray(noise[:, :, :3]), Image.fromarray(noise[:, :, 0])
    see_through, palette = Image.fromarray(noise), colour.quantize(16)
    deep = Image.fromarray(noise.view("<u2")[:, :, 0].copy())
    exif = Image.Exif()
    exif[0x0112] = 6
    many: dict[str, Any] = {"save_all": True, "append_images": [colour.rotate(180), colour]}
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (colour, "JPEG", {"exif": exif}), (colour, "JPEG", {"progressive": True}), (grey, "JPEG", {}),
        (colour.convert("CMYK"), "JPEG", {}), (colour, "PNG", {}), (see_through, "PNG", {}),
        (palette, "PNG", {"transparency": 3}), (deep, "PNG", {}), (grey.convert("1"), "PNG", {}),
        (grey.convert("LA"), "PNG", {}), (see_through, "WEBP", {"exif": exif}), (colour, "WEBP", {"lossless": True}),
        (colour, "BMP", {}), (palette, "BMP", {}), (palette, "GIF", {"save_all": True, "append_images": [palette]}),
        (colour, "TIFF", {"compression": "tiff_lzw"}), (deep, "TIFF", {}), (colour, "TIFF", {"compression": "jpeg"}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}), (colour, "PPM", {}), (grey, "PPM", {}),
        (colour, "TIFF", {"exif": exif, "icc_profile": WIDE_PROFILE}), (colour.convert("CMYK"), "TIFF", {}),
        (colour.convert("LAB"), "TIFF", {}), (colour, "TIFF", many), (colour, "MPO", many), (colour, "PNG", many),
        (see_through, "WEBP", many), (see_through, "PNG", {"exif": exif, "icc_profile": WIDE_PROFILE}),
        (colour, "JPEG", {"icc_profile": WIDE_PROFILE}), (grey, "JPEG", {"icc_profile": grey_profile(1.0)}),
        (colour.convert("CMYK"), "JPEG", {"icc_profile": WIDE_PROFILE}), (see_through, "BMP", {}),
    ]  # fmt: skip
    found = []
    for image, kind, options in kinds:
        file = io.BytesIO()
        image.save(file, kind, **options)
        found.append(file.getvalue())
    found.append(with_gamma(found[4], 0.6, (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)))
    return [*found, _npy(noise[:, :, :3]), _npy(noise[:, :, 0])]


def real_pictures() -> list[bytes]:
    """The small ones of the odd images beside the repository that are decoded; without them, what is made here."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        return pictures()
    golden = [folder / row.path for row in odd_images.read() if row.size != "refused"]
    return [path.read_bytes() for path in golden if path.stat().st_size < 65_536]


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read_picture(data: bytes, _: Path) -> object:
    """Decode the second frame where there is one, and the first."""
    preprocess = Preprocess(size=(8, 8), formats=tuple(FORMATS))
    with suppress(BadImage):
        fit(decode(data, replace(preprocess, frame=1)), preprocess)
    return fit(decode(data, preprocess), preprocess)


def files_of_bands() -> list[bytes]:
    """Three bands each, so that every reader of pictures is tried for them too."""
    noise = np.random.default_rng(0).integers(0, 65536, (24, 17, 3), dtype=np.uint16)
    arrays = [noise, noise.astype(np.uint8), noise / 65535, np.asfortranarray(noise), noise.astype(">u2")]
    colour, deep = Image.fromarray(noise.astype(np.uint8)), io.BytesIO()
    colour.save(deep, "TIFF", save_all=True, append_images=[colour], exif={0x0112: 6})
    packed = []
    for options in ({"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "packbits"}):
        file = io.BytesIO()
        colour.save(file, "TIFF", **options)
        packed.append(file.getvalue())
    return [*map(_npy, arrays), deep.getvalue(), *packed, pictures()[0]]


def read_bands(data: bytes, _: Path) -> object:
    """Decode and resize three bands."""
    preprocess = Preprocess(size=(8, 8), formats=tuple(FORMATS), colour="bands", mean=(0.5, 0.5, 0.5))
    bands = decode_bands(data, preprocess)
    assert bands.shape[2] == 3 and bands.dtype in (np.uint8, np.float32)
    assert bands.min() >= 0 and bands.max() <= 255
    return fit(bands, preprocess)


def model_files() -> list[bytes]:
    return [_saved(1, False), _saved(3, False), _saved(3, True)]


@cache
def _saved(channels: int, full: bool) -> bytes:
    import tempfile

    differences: dict[str, Any] = {"block": "bottleneck", "order": "pre", "se_reduction": 4, "head": "mlp"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        save(tiny.model(channels=channels, **(differences | {"head_width": 4} if full else {})), path)
        return path.read_bytes()


def make_model(examples: list[bytes], chance: random.Random) -> bytes:
    """A model file damaged in its bytes, in its header, or in the card in that header."""
    whole = chance.choice(examples)
    end = 8 + int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8:end]), whole[end:]
    match chance.randrange(4):
        case 0:
            return of_bytes(examples, chance)
        case 1:
            text = damaged_json(header, chance)
        case _:
            header["__metadata__"][CARD_KEY] = damaged_json(json.loads(header["__metadata__"][CARD_KEY]), chance)
            text = json.dumps(header)
    said = text.encode("utf-8", "surrogatepass")
    said += b" " * (-len(said) % 8)
    return len(said).to_bytes(8, "little") + said + body[: chance.choice((len(body), len(body), len(body) - 4))]


def read_model(data: bytes, folder: Path) -> object:
    path = folder / "model.safetensors"
    path.write_bytes(data)
    read_card(path).to_json()
    model = load(path)
    return model.network(torch.zeros(1, model.card.architecture.in_channels, 8, 8))


def cards() -> list[bytes]:
    return [tiny.model(channels=channels).card.to_json().encode() for channels in (1, 3)]


def read_card_text(data: bytes, _: Path) -> object:
    card = Card.from_json(data.decode("utf-8"))
    text = card.to_json()
    assert Card.from_json(text).to_json() == text
    return card


@cache
def _data() -> Any:
    return tiny.data_set()


def recipes() -> list[bytes]:
    facts = {"data_name": "noise", "data_sha256": _data().fingerprint, "data_split": "given"}
    requests = [
        Request(**facts, model="resnet18", facts=tiny.SMALL, recipe=recipe("digits")),
        Request(
            **facts,
            model="a.safetensors",
            size=(8, 8),
            pixels={"alpha": (0, 1, 2), "fit": "pad"},
            reading=Reading(formats=("TIFF",), columns=Columns(numbers=("a", "b"))),
            cached=True,
            recipe=recipe("cifar-he2015", freeze="C2"),
        ),
    ]
    return [json.dumps(request.to_dict()).encode() for request in requests]


def read_recipe(data: bytes, folder: Path) -> object:
    """What resuming believes of a run: a request whose parts have the types that it needs."""
    (folder / "recipe.json").write_bytes(data)
    request = RunFolder(folder).read_request()
    assert isinstance(request.model, str)
    assert isinstance(request.facts, dict)
    assert request.size is None or [type(side) for side in request.size] == [int, int]
    hash(request.recipe), hash(request.reading)
    return request.to_dict()


def metrics() -> list[bytes]:
    lines = [{"step": step, "epoch": step / 2, "loss": 0.5, "accuracy": 0.5} for step in (1, 2, 3)]
    test = {"step": 3, "split": "test", "top1": 0.5}
    return ["".join(json.dumps(line) + "\n" for line in [*lines, test]).encode()]


def read_metrics(data: bytes, folder: Path) -> object:
    run = RunFolder(folder)
    run.metrics.write_bytes(data)
    before = run.lines()
    run.keep_lines_to(2)
    after = run.lines()
    assert after == [line for line in before if line["step"] <= 2 and "epoch" in line]
    run.append({"step": 3})
    assert run.lines() == [*after, {"step": 3}]
    if len(before) < 4:
        raise PassedOver
    return after


@cache
def _pair() -> tuple[Any, torch.optim.Optimizer]:
    network = tiny.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return network, optimizer


def checkpoints() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return [checkpoint.save(Path(folder), *_pair(), checkpoint.Progress(1, 7, 0.5)).read_bytes()]


def read_checkpoint(data: bytes, folder: Path) -> object:
    """Alone in its folder, a damaged checkpoint is none; nothing of it reaches the network."""
    (folder / "step-000000007.safetensors").write_bytes(data)
    network, optimizer = _pair()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    progress = checkpoint.restore(folder, network, optimizer)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    if progress is None:
        raise PassedOver
    return progress


TARGETS = {
    "unpickle": Target(pickles, read_pickle, (FileError,)),
    "idx": Target(idx_files, read_idx, (DataError, FileError)),
    "cifar": Target(cifar_files, read_cifar_with, (DataError, FileError)),
    "picture": Target(pictures, read_picture, (BadImage,)),
    "real picture": Target(real_pictures, read_picture, (BadImage,)),
    "bands": Target(files_of_bands, read_bands, (BadImage,)),
    "model": Target(model_files, read_model, (ValueError,), make_model),
    "card": Target(cards, read_card_text, (ValueError,), of_json),
    "recipe": Target(recipes, read_recipe, (ValueError,), of_json),
    "metrics": Target(metrics, read_metrics, (PassedOver,)),
    "checkpoint": Target(checkpoints, read_checkpoint, (PassedOver,)),
    **{name: Target(*row) for name, row in container_targets_torch.ROWS.items()},
}
"""Every reader of bytes from outside, by name."""
