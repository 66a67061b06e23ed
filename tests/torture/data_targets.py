"""Data as targets: archives, shards, tables and files of class names, and good examples of them."""

from __future__ import annotations

import io
import json
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from resnets.data.dataset import DataSet
from resnets.data.decoding.picture import pixels
from resnets.data.errors import BadImage, DataError
from resnets.data.manifest import LeftOut, Manifest, read_manifest
from resnets.data.open import open_data
from resnets.data.pack import pack
from resnets.data.source import ArraySource
from resnets.data.sources import packed
from resnets.data.sources.packed import read_pack
from resnets.data.sources.shard_labels import class_names
from resnets.files.errors import FileError
from resnets.spec.preprocess import FORMATS, Preprocess
from tests import tiny
from tests.data.packing import joined, picture
from tests.torture.damage import damaged
from tests.torture.targets import Make, Read, Target, of_bytes, of_json, pictures

REFUSALS = (DataError, FileError)
MOST_READ = 20
"""Pictures of a case that are read too."""

PHOTOS = joined([""], ("cat", "dog"), 5) | {"cat/x.txt": b"x", ".hidden": b""}
PARTS = joined(["photos/train", "photos/test"], ("1", "2", "10"))


def reads(name: str) -> Read:
    """Open a case as a file of this name, and read its pictures: each has the bytes it says, or is a bad image."""

    def read(data: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(data)
        found = open_data(path)
        assert len(found.fingerprint) == 64
        for source in (found.train, found.test):
            for index in range(min(MOST_READ, 0 if source is None else len(source))):
                assert source is not None and isinstance(source.name(index), str)
                assert 0 <= source.labels[index] < len(found.classes)
                try:
                    source.raw(index)
                except BadImage:
                    continue
        return found

    return read


def _zip(members: Mapping[str, bytes], method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def _tar(members: Mapping[str, bytes], kind: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as made:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return file.getvalue()


def zips() -> list[bytes]:
    big = io.BytesIO()
    with zipfile.ZipFile(big, "w") as made:
        for name, data in PARTS.items():
            with made.open(name, "w", force_zip64=True) as member:
                member.write(data)
    return [_zip(PHOTOS, zipfile.ZIP_DEFLATED), _zip(PARTS, zipfile.ZIP_STORED), big.getvalue()]


def tars() -> list[bytes]:
    long = {f"./{name.replace('cat/', 'cat/' + 'é' * 90)}": data for name, data in PHOTOS.items()}
    kinds = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    return [_tar(PARTS, kinds[0]), *(_tar(long, kind) for kind in kinds[1:])]


def shards() -> list[bytes]:
    labels = {"cls": b"%d", "json": b'{"label": %d}', "txt": b"a%d"}
    return [
        _tar({f"{n}.{e}": d for n in range(12) for e, d in (("png", picture(n)), (kind, text % (n % 2)))}, k)
        for (kind, text), k in zip(labels.items(), (0, 1, 2), strict=True)
    ]


def make_tar(examples: list[bytes], chance: random.Random) -> bytes:
    """A tar damaged in its bytes; often its headers are then summed again, so that what they say is believed."""
    data = bytearray(of_bytes(examples, chance) if chance.random() < 0.5 else _with_new_header(examples, chance))
    if chance.random() < 0.8:
        for at in range(0, len(data) - 511, 512):
            if data[at + 257 : at + 262] == b"ustar":
                total = sum(data[at : at + 148]) + sum(data[at + 156 : at + 512]) + 256
                data[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(data)


def _with_new_header(examples: list[bytes], chance: random.Random) -> bytes:
    """Damage one block that is a header, and nothing else."""
    data = bytearray(chance.choice(examples))
    headers = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    at = chance.choice(headers)
    data[at : at + 512] = damaged(bytes(data[at : at + 512]), chance, examples)[:512].ljust(512, b"\0")
    if chance.random() < 0.3:
        data[at + 156 : at + 157] = chance.choice([b"1", b"2", b"5", b"7", b"x", b"g", b"L", b"K", b"S", b"V", b"\0"])
    return bytes(data)


def tables() -> list[bytes]:
    rows = [f"{name},{name[:3]},{'train' if n % 5 else 'test'},p{n // 5}" for n, name in enumerate(PHOTOS)][:-2]
    several = [f"{name};a|{name[:3]}" for name in PHOTOS][:-2]
    return [
        "\n".join(["path,label,split,patient", *rows]).encode(),
        "\n".join(["file;labels", *several]).encode("utf-8-sig"),
        "\n".join(['"path","label"', *(f'"{name}","{name[:3]}, ""x"""' for name in [*PHOTOS][:-2])]).encode(),
    ]


def read_table(data: bytes, folder: Path) -> object:
    """Read a case beside the pictures that its good examples name."""
    if not (folder / "cat").exists():
        for name, each in PHOTOS.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(each)
    (folder / "case.csv").write_bytes(data)
    found = open_data(folder / "case.csv")
    for source in (found.train, found.test):
        for index in range(min(MOST_READ, 0 if source is None else len(source))):
            try:
                source.raw(index)  # type: ignore[union-attr]
            except BadImage:
                continue
    return found


def names_of_classes() -> list[bytes]:
    info = {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}
    return [
        json.dumps(each).encode() for each in (["cat", "dog"], {"0": "cat", "1": "dog"}, {"cat": 0, "dog": 1}, info)
    ]


def read_names(data: bytes, folder: Path) -> object:
    (folder / "labels.json").write_bytes(data)
    (folder / "dataset_info.json").write_bytes(data)
    try:
        found, _ = class_names([folder])
    except REFUSALS:
        (folder / "labels.json").unlink()
        found, _ = class_names([folder])
    if found is None:
        raise DataError("nothing is named")
    assert found and len(set(found)) == len(found) and all(isinstance(name, str) for name in found)
    return found


def _target(examples: list[bytes], read: Read, make: Make = of_bytes) -> Target:
    return Target(lambda: examples, read, REFUSALS, make)


def packs() -> list[bytes]:
    """Two small packs: pictures of several sizes with a class each, and bands with several classes and groups."""
    made = []
    with tempfile.TemporaryDirectory() as place:
        folder = tiny.write_pictures(Path(place, "photos"), each=5, side=9)
        numbers = np.arange(6 * 4 * 4 * 2, dtype=np.uint8).reshape(6, 4, 4, 2)
        bands = ArraySource(
            numbers,
            np.eye(6, 3) > 0,
            "a",
            groups=np.arange(6) // 2,
        )
        several = DataSet(name="bands", classes=("a", "b", "c"), train=bands, test=None, fingerprint="0" * 64)
        policy = Preprocess(size=(4, 4))
        for name, dataset, preprocess in (
            ("a", open_data(folder), policy),
            ("b", several, replace(policy, colour="bands", mean=(0.5, 0.5), std=(1.0,))),
        ):
            pack(dataset, Path(place, f"{name}.pack"), preprocess, workers=1)
            made.append(Path(place, f"{name}.pack").read_bytes())
    return made


def read_packed(data: bytes, folder: Path) -> object:
    path = folder / "case.pack"
    path.unlink(missing_ok=True)  # the last case may still be mapped
    path.write_bytes(data)
    found = read_pack(path)
    for source in (found.train, found.test):
        for index in range(0 if source is None else len(source)):
            assert source is not None and isinstance(source.name(index), str)
            assert source.raw(index).shape[2] == source.channels
    packed._MAPS.clear()
    return found


def manifests() -> list[bytes]:
    entries = tuple(LeftOut(f"cat/{k}.jpg", "train", "unreadable", "cut short") for k in range(3))
    made = Manifest(
        name="photos",
        fingerprint="0" * 64,
        counts={"train": 9, "test": 3},
        settings={"a": [1]},
        left_out=entries,
        kept={"small": 2},
    )
    return [made.to_bytes()]


def read_left_out(data: bytes, folder: Path) -> object:
    (folder / "manifest.json").write_bytes(data)
    found = read_manifest(folder / "manifest.json")
    assert all(isinstance(entry.name, str) and entry.split in ("train", "test") for entry in found.left_out)
    return found


def read_fast(data: bytes, folder: Path) -> object:
    """Fast decoding gives a picture where exact decoding does, and no other answer than a picture or a refusal."""
    policy = Preprocess(size=(9, 7), formats=tuple(FORMATS))
    fast = pixels(data, replace(policy, decoding="fast"))
    assert fast.shape == (3, 9, 7) and fast.dtype == np.uint8
    assert pixels(data, policy).shape == fast.shape
    return fast


DATA = {
    "pack": _target(packs(), read_packed),
    "manifest": _target(manifests(), read_left_out, of_json),
    "fast picture": Target(pictures, read_fast, (BadImage,)),
    "zip": _target(zips(), reads("case.zip")),
    "tar": _target(tars(), reads("case.tar"), make_tar),
    "shard": _target(shards(), reads("case.tar"), make_tar),
    "csv": _target(tables(), read_table),
    "class names": _target(names_of_classes(), read_names, of_json),
}
"""Every reader of a data set's files but those of `targets`, by its word."""
