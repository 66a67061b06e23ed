"""Archive: class folders in a zip or tar are what they are on the disk, and a hostile archive is refused."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.dataset import DataSet
from resnets.data.errors import BadImage, DataError
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.data.sources import members
from resnets.data.sources.members import MemberSource
from resnets.files.errors import FileError
from tests.data.packing import joined, picture, tarred, unpacked, zipped

CATS = ("cat", "dog")

LAYOUTS = {
    "classes": joined([""], CATS, 10),
    "natural order": joined(["train", "test"], ("1", "2", "10")),
    "train and val": joined(["train", "val"], CATS, 3),
    "only something to test on": joined(["test"], CATS, 3),
    "one folder around all": joined(["photos"], CATS, 10),
    "two folders around train and test": joined(["a/b/train", "a/b/test"], CATS, 2),
    "hidden and others": joined([""], CATS, 10)
    | {"cat/a.txt": b"", ".git/x": b"", "__MACOSX/cat/._1.png": b"", "cat/.DS_Store": b"", "8.png": picture()},
    "folders in classes": joined(["cat/deep/deeper", "dog/x"], ("a", "b"), 5),
    "parts and others": joined(["train", "test", "extra"], CATS, 2) | {"train/x.png": b"", "readme": b""},
    "non-ASCII": joined([""], ("猫", "ñandú"), 5),
}


def pixels(source: Source | None) -> list[bytes]:
    assert source is not None
    return [source.image(index).tobytes() for index in range(len(source))]


def names(source: Source | None, root: Path) -> list[str]:
    assert source is not None
    return [source.name(index).removeprefix(str(root)).lstrip("/") for index in range(len(source))]


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_archive_is_what_it_would_be_unpacked(
    tmp_path: Path, layout: str, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    inside = unpacked(tmp_path / "photos", LAYOUTS[layout])
    while layout.endswith(("around all", "around train and test")) and len(list(inside.iterdir())) == 1:
        inside = next(inside.iterdir())
    archive = pack(tmp_path / "photos.archive", LAYOUTS[layout]).rename(tmp_path / f"photos.{pack.__name__[:3]}")
    disk, packed = open_data(inside), open_data(archive)
    root = Path(archive, inside.relative_to(tmp_path / "photos"))
    assert packed.classes == disk.classes
    assert packed.fingerprint == disk.fingerprint
    assert packed.name == "photos"
    assert [note.replace(str(root), str(inside)) for note in packed.notes] == list(disk.notes)
    for ours, theirs in ((packed.train, disk.train), (packed.test, disk.test)):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours.labels.tolist() == theirs.labels.tolist()
            assert names(ours, root) == names(theirs, inside)
            assert pixels(ours) == pixels(theirs)


@pytest.mark.parametrize("layout", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_of_a_zip_are_stored_or_deflated(tmp_path: Path, layout: int) -> None:
    some = joined(["train", "test"], CATS, 2)
    read = open_data(zipped(tmp_path / "a.zip", some, layout))
    assert isinstance(read.train, MemberSource)
    assert [read.train.raw(index) for index in range(4)] == [data for name, data in some.items() if "train" in name]
    assert read.train.name(1) == f"{tmp_path}/a.zip/train/cat/1.png"


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_every_format_are_read_with_names_of_any_length(tmp_path: Path, kind: int) -> None:
    long = "/".join(["a" * 60] * 3) if kind == tarfile.USTAR_FORMAT else "é" * 150
    some = {f"./{part}/{name}/{long}/1.png": picture(7) for part in ("train", "test") for name in CATS}
    read = open_data(tarred(tmp_path / "a.tar", some, format=kind, uname="bigdata", mtime=1.5))
    assert isinstance(read.train, MemberSource)
    assert list(read.train.names) == [f"train/{name}/{long}/1.png" for name in CATS]
    assert read.train.raw(0) == picture(7)


def test_what_is_zipped_under_another_name_is_known_by_what_it_holds(tmp_path: Path) -> None:
    assert open_data(zipped(tmp_path / "a.tar", joined([""], CATS, 5))).classes == CATS


def test_zips_of_old_programs_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", joined([""], CATS, 5))
    path.write_bytes(path.read_bytes().replace(b"cat/", b"cat\\").replace(b"dog/", b"dog\\"))
    assert open_data(path).classes == CATS
    path = zipped(tmp_path / "b.zip", joined([""], ("cat", "dó"), 5))
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # as a Mac packs it: UTF-8 that does not say so
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + flags + 1] &= ~8
    path.write_bytes(data)
    assert open_data(path).classes == ("cat", "dó")


def test_an_empty_class_of_an_archive_is_refused_unless_it_is_declared(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", joined(["train", "test"], CATS) | {"train/emu/": b"", "test/emu/": b""})
    with pytest.raises(DataError, match=r"a\.zip/train/emu holds no pictures"):
        open_data(path)
    assert open_data(path, Reading(empty_classes=("emu",))).classes == (*CATS, "emu")


def test_pictures_without_class_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.zip holds 2 pictures and 0 class folders; expected two or more"):
        open_data(zipped(tmp_path / "a.zip", {"1.png": picture(), "2.png": picture()}))
    with pytest.raises(DataError, match=r"b\.tar/photos holds 0 class folders|b\.tar holds 1 class folders \(photos\)"):
        open_data(tarred(tmp_path / "b.tar", {"photos/1.png": picture()}))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "A.TAR.BZ2", "a.tar.xz", "a.tar.zst", "a.7z", "a.rar"])
def test_what_is_compressed_as_a_whole_is_refused_with_advice(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"unpack it and give the folder, or pack it again as \.zip or \.tar"):
        open_data(tmp_path / name)


def hashes(sources: list[Source]) -> list[str]:
    return [hashlib.sha256(bytes(source.raw(index))).hexdigest() for source in sources for index in range(20)]


def in_a_worker(sources: list[Source], said: Any) -> None:
    said.put(hashes(sources))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[DataSet]:
    folder, some = tmp_path_factory.mktemp("archives"), joined(["train", "test"], CATS, 50)
    return [open_data(zipped(folder / "a.zip", some)), open_data(tarred(folder / "a.tar", some))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_process_opens_the_archive_for_itself(both: list[DataSet], method: Any) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    context = multiprocessing.get_context(method)
    sources = [read.train for read in both if read.train is not None]
    wanted, said = hashes(sources), context.SimpleQueue()
    worker = context.Process(target=in_a_worker, args=(sources, said))
    worker.start()
    assert said.get() == wanted
    worker.join()


def test_many_threads_read_one_archive(both: list[DataSet]) -> None:
    for source in (read.train for read in both):
        assert source is not None
        order = np.random.default_rng(0).integers(0, len(source), 2000).tolist()
        alone = [source.raw(index) for index in range(len(source))]
        fresh = pickle.loads(pickle.dumps(source))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(fresh.raw, order)) == [alone[index] for index in order]


def test_archives_beyond_a_limit_are_opened_for_each_picture(
    both: list[DataSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MOST_OPEN", 0)
    source = pickle.loads(pickle.dumps(both[1].train))
    assert source.raw(3) == both[1].train.raw(3)  # type: ignore[union-attr]
    assert not source.archives._open


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")
def test_an_archive_is_closed_when_its_source_is_gone(both: list[DataSet]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    source = pickle.loads(pickle.dumps(both[0].train))
    source.raw(0)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del source
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_archive_that_was_changed_since_is_a_bad_image(tmp_path: Path) -> None:
    read = open_data(tarred(tmp_path / "a.tar", joined(["train", "test"], CATS)))
    tarred(tmp_path / "a.tar", joined(["train", "test"], CATS, 2))
    with pytest.raises(BadImage, match=r"a\.tar/train/cat/0\.png: .* was changed since it was listed; start again"):
        read.train.raw(0)  # type: ignore[union-attr]


def test_a_member_whose_bytes_were_damaged_is_a_bad_image_by_name(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", joined(["train", "test"], CATS), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.find(b"\x89PNG") + 20] ^= 1
    path.write_bytes(data)
    read = open_data(path)
    with pytest.raises(BadImage, match=r"a\.zip/train/cat/0\.png: it is damaged \(its size or its checksum is wrong\)"):
        read.train.raw(0)  # type: ignore[union-attr]
    read.train.raw(1)  # type: ignore[union-attr]


def test_a_member_above_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = open_data(zipped(tmp_path / "a.zip", joined(["train", "test"], CATS)))
    monkeypatch.setattr(members, "MAX_BYTES", 10)
    with pytest.raises(BadImage, match=r"it has \d+ bytes; at most 10 are read"):
        read.train.raw(0)  # type: ignore[union-attr]


def edited(data: bytes, signature: bytes, offset: int, kind: str, value: int, which: int = 0) -> bytes:
    """Set a field of the `which`-th record that begins with a signature."""
    at = -1
    for _ in range(which + 1):
        at = data.find(signature, at + 1)
    changed = bytearray(data)
    struct.pack_into(kind, changed, at + offset, value)
    return bytes(changed)


ENTRY, END = b"PK\1\2", b"PK\5\6"

HOSTILE_ZIPS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "encrypted": (lambda z: edited(z, ENTRY, 8, "<H", 1), "is encrypted; unpack the archive"),
    "packed by LZMA": (lambda z: edited(z, ENTRY, 10, "<H", 14), "is packed by LZMA; stored and deflated members"),
    "a size that deflate cannot reach": (lambda z: edited(z, ENTRY, 24, "<L", 1 << 31), "which is impossible"),
    "more packed bytes than there are": (lambda z: edited(z, ENTRY, 20, "<L", 99_999), "which is impossible"),
    "outside of the file": (lambda z: edited(z, ENTRY, 42, "<L", 1 << 30), "more than there are"),
    "members that share bytes": (lambda z: edited(z, ENTRY, 42, "<L", 0, which=1), "two of its members share bytes"),
    "more members than it has": (
        lambda z: edited(edited(z, END, 8, "<H", 99), END, 10, "<H", 99),
        "its directory is cut short",
    ),
    "a directory of a gigabyte": (lambda z: edited(z, END, 12, "<L", 2 << 30), "at most 10,000,000 in 1,073,741,824"),
    "a directory elsewhere": (lambda z: edited(z, END, 16, "<L", 5), "its directory is not where it says"),
    "cut short": (lambda z: z[:-30], "it does not end with a directory"),
    "bytes behind": (lambda z: z + b"x", "there are bytes behind its end"),
    "a name that leads out": (lambda z: z.replace(b"cat/0", b"../.0"), "which is no path inside an archive"),
    "a name twice": (lambda z: z.replace(b"cat/1", b"cat/0"), "has two members '0.png'"),
    "zip64 without its field": (lambda z: edited(z, ENTRY, 20, "<L", 0xFFFFFFFF), "no zip64 size where it needs one"),
}


@pytest.mark.parametrize("name", HOSTILE_ZIPS)
def test_a_hostile_zip_is_refused(tmp_path: Path, name: str) -> None:
    damage, sentence = HOSTILE_ZIPS[name]
    path = zipped(tmp_path / "a.zip", joined([""], CATS, 5))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises((DataError, FileError)) as refusal:
        open_data(path)
    assert str(path) in str(refusal.value)
    assert sentence in str(refusal.value)


def test_a_bomb_is_not_unpacked_beyond_what_it_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", joined(["train", "test"], CATS) | {"train/cat/big.png": bytes(50 << 20)})
    data = path.read_bytes()
    said = struct.pack("<L", 50 << 20)
    path.write_bytes(data.replace(said, struct.pack("<L", 60_000)))
    read = open_data(path)
    assert read.train is not None
    index = names(read.train, path).index("train/cat/big.png")
    with pytest.raises(BadImage, match="its size or its checksum is wrong"):
        read.train.raw(index)


def resummed(block: bytes) -> bytes:
    total = sum(block[:148]) + sum(block[156:512]) + 8 * 32
    return block[:148] + b"%06o\0 " % total + block[156:]


HOSTILE_TARS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no tar": (lambda t: b"hello" * 1000, "it is no tar file (the checksum of a header is wrong)"),
    "damaged in the middle": (lambda t: t[:1024] + b"\xff" + t[1025:], "it is damaged at byte 1,024; fetch it again"),
    "cut short in a member": (lambda t: t[:600], "it is cut short: a member says it goes on to byte 1,024 of 600"),
    "cut short between members": (lambda t: t[:2048], "it is cut short: it stops at byte 2,048 without an end"),
    "empty": (lambda t: b"", "it is cut short: it stops at byte 0"),
    "two joined": (lambda t: t + t, "there are bytes behind its end"),
    "a negative size": (lambda t: resummed(t[:124] + b"\xff" * 12 + t[136:]), "where a number should be"),
    "a size of eight exabytes": (lambda t: resummed(t[:124] + b"\x80" + b"\x7f" * 11 + t[136:]), "it is cut short"),
    "a header of a gigabyte": (lambda t: resummed(t[:156] + b"x" + t[157:]), "it is cut short|pax header"),
    "a name that leads out": (lambda t: resummed(b"../x.png".ljust(100, b"\0") + t[100:]), "no path inside an archive"),
    "no name": (lambda t: resummed(bytes(100) + t[100:]), "is no path inside an archive"),
    "too deep": (lambda t: resummed(b"a/" * 49 + b"b\0" + t[100:]), "is 50 folders deep"),
}
KINDS = {b"1": "a link", b"2": "a symbolic link", b"3": "a device", b"6": "a pipe", b"S": "a sparse file", b"Z": "b'Z'"}


@pytest.mark.parametrize("name", HOSTILE_TARS)
def test_a_hostile_tar_is_refused(tmp_path: Path, name: str) -> None:
    damage, sentence = HOSTILE_TARS[name]
    path = tarred(tmp_path / "a.tar", joined([""], CATS, 5))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises((DataError, FileError)) as refusal:
        open_data(path)
    assert str(path) in str(refusal.value)
    assert any(part in str(refusal.value) for part in sentence.split("|"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_tar_of_anything_but_files_and_folders_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tarred(tmp_path / "a.tar", joined([""], CATS, 5))
    data = path.read_bytes()
    path.write_bytes(resummed(data[:156] + kind + data[157:]))
    with pytest.raises(FileError, match=f"'cat/0.png' is .*{KINDS[kind]}.*; pack files and folders only"):
        open_data(path)


PAX = {
    "a sparse file": ({"GNU.sparse.major": "1"}, "is a sparse file"),
    "a size that is none": ({"size": "-7"}, "says its size is '-7'"),
    "a huge size": ({"size": "9" * 18}, "it is cut short"),
    "a long header": ({"comment": "x" * 70_000}, "a header has 70,"),
}


@pytest.mark.parametrize("name", PAX)
def test_a_hostile_pax_header_is_refused(tmp_path: Path, name: str) -> None:
    headers, sentence = PAX[name]
    path = tarred(tmp_path / "a.tar", joined([""], CATS, 5), pax_headers=headers)
    with pytest.raises(FileError, match=sentence):
        open_data(path)


def test_checksums_of_signed_bytes_are_right_too(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", joined([""], ("é", "dog"), 5), format=tarfile.GNU_FORMAT)
    data = path.read_bytes()
    signed = sum(struct.unpack("148b", data[:148])) + sum(struct.unpack("356b", data[156:512])) + 8 * 32
    path.write_bytes(data[:148] + b"%06o\0 " % signed + data[156:])
    assert open_data(path).classes == ("dog", "é")


def test_what_every_program_adds_to_a_tar_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "of git"}) as file:
        file.add(unpacked(tmp_path / "photos", joined(["train", "test"], CATS)), ".")
    assert open_data(path).classes == CATS
