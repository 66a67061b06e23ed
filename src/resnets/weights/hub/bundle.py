"""Bundles: weights and their records in one folder or tar file, to carry to a machine without a network."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from resnets.files import atomic, bounded
from resnets.files.errors import FileError
from resnets.weights.hub import source
from resnets.weights.hub.cache import Finding, Readable, problem, sha256
from resnets.weights.hub.errors import FetchError
from resnets.weights.hub.resolve import WEIGHTS, Place
from resnets.weights.hub.source import Source

MANIFEST = "manifest.json"
SCHEMA = 1
MOST_MANIFEST_BYTES = 16 << 20
MOST_MEMBERS = 10_000

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Shelf:
    """An open bundle: the record of each of its folders, and where a tar file has its members."""

    path: Path
    sources: Mapping[str, Source]
    members: Mapping[str, tuple[int, int]] | None  # name -> (offset, size) in bytes; None for a folder

    @contextlib.contextmanager
    def open(self, folder: str, name: str) -> Iterator[Readable]:
        """Open one file for reading; raise `FileError` if the bundle lacks it."""
        if self.members is None:
            try:
                file = (self.path / folder / name).open("rb")
            except OSError as error:
                raise FileError(f"{self.path / folder / name} cannot be read: {error.strerror}") from None
            with file:
                yield file
            return
        where = self.members.get(f"{folder}/{name}")
        if where is None:
            raise FileError(f"{self.path} lacks {folder}/{name}; make the bundle again")
        with self.path.open("rb") as tar:
            yield _Part(tar, *where)


def write_bundle(sources: Mapping[Path, Source], out: str | Path) -> Path:
    """Write folders of the cache with their records to `out`, a new folder or a file that ends in .tar.

    A folder serves as RESNETS_CACHE; both serve `pull(from_bundle=...)`. Equal weights give equal bundles.
    Raises `FileError` if `out` is there, or if a file is not the recorded one.
    """
    out = Path(out)
    check_free(out)
    if not out.absolute().parent.is_dir():
        raise FileError(f"there is no folder {out.parent} to write {out.name} to; make it first")
    for folder, record in sources.items():
        for file in record.files:
            if wrong := problem(folder / file.name, file):
                raise FileError(f"{folder / file.name} {wrong}; nothing was written")
    listed = [{"folder": folder.name, "source": record.to_dict()} for folder, record in sorted(sources.items())]
    manifest = source.to_bytes({"schema": SCHEMA, "weights": listed})
    if out.suffix == ".tar":
        with atomic.replacing(out) as tar:
            _write_tar(tar, manifest, sources)
    else:
        _write_folder(out, manifest, sources)
    return out


def check_free(out: Path) -> None:
    """Raise `FileError` if something is at `out`."""
    if out.exists() or out.is_symlink():
        raise FileError(f"{out} is there already; give a name that is free, or remove it")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Shelf]:
    """Open a bundle, folder or tar; raise `FileError` for anything else, or a damaged one."""
    if path.is_dir():
        data = bounded.read(path / MANIFEST, MOST_MANIFEST_BYTES)
        yield Shelf(path, _sources(data, path), None)
        return
    if not path.is_file():
        raise FileError(f"there is no bundle {path}; `resnets weights bundle REFERENCE --out {path}` makes one")
    members = _members(path)
    if members.get(MANIFEST, (0, MOST_MANIFEST_BYTES + 1))[1] > MOST_MANIFEST_BYTES:
        raise FileError(f"{path} has no {MANIFEST}, or one that is too large; it is no bundle of weights")
    with path.open("rb") as tar:
        data = _Part(tar, *members[MANIFEST]).read()
    yield Shelf(path, _sources(data, path), members)


def take(path: Path, place: Place, folder: Path) -> None:
    """Copy the weights of a reference from a bundle into a folder of the cache, hashing them as they come.

    Raises `FetchError` if the bundle has not this reference, or has other bytes than its manifest, the hash in
    our catalogue, or both say; nothing is recorded then.
    """
    with opened(path) as shelf:
        record = shelf.sources.get(place.folder)
        if record is None or record.reference != place.reference or not record.whole:
            has = ", ".join(each.reference for each in shelf.sources.values()) or "nothing"
            raise FetchError(f"{path} does not hold {place.reference}; it holds {has}")
        for file in record.files:
            wanted = place.sha256 if file.name in (place.file, WEIGHTS[0]) else None
            if wanted and not file.sha256.startswith(wanted):
                raise FetchError(f"{path}: {file.name} has SHA-256 {file.sha256}, and {wanted} is published")
        for file in record.files:
            with shelf.open(place.folder, file.name) as here, atomic.replacing(folder / file.name) as there:
                shutil.copyfileobj(here, there, 1 << 20)
                there.seek(0)
                if sha256(there) != file.sha256:
                    raise FetchError(f"{path}: {file.name} is not what its manifest says; make the bundle again")
        source.write(folder, record)


def references(path: str | Path) -> tuple[str, ...]:
    """Return the references that a bundle holds."""
    with opened(Path(path)) as shelf:
        return tuple(record.reference for record in shelf.sources.values())


def verify_bundle(path: str | Path) -> list[Finding]:
    """Hash every file of a bundle again; return a finding for each."""
    findings = []
    with opened(Path(path)) as shelf:
        for folder, record in shelf.sources.items():
            for file in record.files:
                wrong = None
                try:
                    with shelf.open(folder, file.name) as data:
                        found = sha256(data)
                    if found != file.sha256:
                        wrong = f"has SHA-256 {found} instead of {file.sha256}"
                except FileError as error:
                    wrong = str(error)
                findings.append(Finding(record.reference, f"{path}/{folder}/{file.name}", wrong))
    return findings


def _sources(data: bytes, path: Path) -> dict[str, Source]:
    try:
        facts = json.loads(data)
        if facts["schema"] != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        return {_folder_name(each["folder"]): Source.from_dict(each["source"]) for each in facts["weights"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileError(f"{path} is no bundle of weights: its {MANIFEST} cannot be read ({error})") from None


def _folder_name(name: object) -> str:
    if not isinstance(name, str) or not name or name.startswith(".") or set(name) & set('/\\:"<>|?*\0'):
        raise ValueError(f"{name!r} is no name of a folder")
    return name


def _write_folder(out: Path, manifest: bytes, sources: Mapping[Path, Source]) -> None:
    """Fill a folder beside it, then give it its name."""
    temporary = out.with_name(f".{out.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    temporary.mkdir()
    try:
        for folder, record in sources.items():
            target = temporary / folder.name
            target.mkdir()
            for file in record.files:
                shutil.copyfile(folder / file.name, target / file.name)
            source.write(target, record)
        atomic.write(temporary / MANIFEST, manifest)
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_tar(tar: BinaryIO, manifest: bytes, sources: Mapping[Path, Source]) -> None:
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:

        def add(name: str, data: BinaryIO, size: int) -> None:
            member = tarfile.TarInfo(name)  # owner 0, time 0
            member.size = size
            archive.addfile(member, data)

        add(MANIFEST, io.BytesIO(manifest), len(manifest))
        for folder, record in sorted(sources.items()):
            text = source.to_bytes(record.to_dict())
            add(f"{folder.name}/{source.NAME}", io.BytesIO(text), len(text))
            for file in record.files:
                with (folder / file.name).open("rb") as data:
                    add(f"{folder.name}/{file.name}", data, file.size)


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Where the files of a plain tar are. The tarfile module would also follow links and read headers without bound."""
    found: dict[str, tuple[int, int]] = {}
    with path.open("rb") as tar:
        while (block := tar.read(_BLOCK)) != bytes(_BLOCK):
            try:
                member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            except (tarfile.TarError, ValueError):
                raise FileError(f"{path} is no plain tar file, or is cut short; it is no bundle of weights") from None
            here = tar.tell()
            if not member.isreg() or member.size < 0 or len(found) >= MOST_MEMBERS:
                raise FileError(f"{path} holds {member.name[:100]!r}, which no bundle of weights does")
            found[member.name] = (here, member.size)
            tar.seek(here + -(-member.size // _BLOCK) * _BLOCK)
    return found


class _Part:
    """A stretch of an open file, read as a file of its own."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        file.seek(offset)
        self._file, self._left = file, size

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data
