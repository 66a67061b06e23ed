"""source.json: what a folder of the cache says of its files, where each came from and what its hash is; no clock."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.files import atomic, bounded
from resnets.files.errors import FileError

SCHEMA = 1
NAME = "source.json"
MOST_BYTES = 1 << 20

CHECKS = ("published", "hub", "recorded", "accepted")
"""What a file's hash was held against when it came: the one in our catalogue; the one the hub stated; none, it was
recorded as it came; none, it was put in place by hand and accepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One file of a folder. `url` is None for one that was put there by hand."""

    name: str
    sha256: str
    size: int  # bytes
    checked: str  # one of CHECKS
    url: str | None = None
    etag: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The record of a folder. `whole` is False while files are still missing."""

    reference: str
    licence: str | None
    commit: str | None  # of the repository, if the hub said it
    files: tuple[Kept, ...]
    whole: bool

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values."""
        facts = dataclasses.asdict(self)
        return {"schema": SCHEMA, **facts, "files": [dataclasses.asdict(file) for file in self.files]}

    @classmethod
    def from_dict(cls, facts: object) -> Source:
        """Return the record that `to_dict` wrote; raise `ValueError` for any other."""
        facts = _object(facts, _KINDS, "the record")
        if facts.pop("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}; a newer resnets wrote it, install that one")
        files = tuple(Kept(**_file(file)) for file in facts.pop("files"))
        if len({file.name.lower() for file in files}) < len(files):
            raise ValueError("a file stands in it twice")
        return cls(files=files, **facts)


def read(folder: Path) -> Source | None:
    """Return the record of a folder, or None if it has none; raise `FileError` for one that is damaged."""
    path = folder / NAME
    if not path.exists():
        return None
    return parse(bounded.read(path, MOST_BYTES), str(path))


def parse(data: bytes, name: str) -> Source:
    """Return the record in these bytes; raise `FileError` naming the file they are from."""
    try:
        return Source.from_dict(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{name} is no record of weights: {error}; remove its folder and pull again") from None


def write(folder: Path, source: Source) -> None:
    """Write the record of a folder at once; equal records are equal bytes."""
    atomic.write(folder / NAME, to_bytes(source.to_dict()))


def to_bytes(facts: Mapping[str, Any]) -> bytes:
    """Return JSON that a person can read, sorted."""
    return (json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


_TEXT, _TEXT_OR_NONE = (str,), (str, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "reference": _TEXT,
    "licence": _TEXT_OR_NONE,
    "commit": _TEXT_OR_NONE,
    "files": (list,),
    "whole": (bool,),
}
_FILE_KINDS: dict[str, tuple[type, ...]] = {
    "name": _TEXT,
    "sha256": _TEXT,
    "size": (int,),
    "checked": _TEXT,
    "url": _TEXT_OR_NONE,
    "etag": _TEXT_OR_NONE,
}


def _object(facts: object, kinds: Mapping[str, tuple[type, ...]], what: str) -> dict[str, Any]:
    if not isinstance(facts, dict) or facts.keys() != kinds.keys():
        raise ValueError(f"{what} must have exactly {', '.join(kinds)}")
    for key, allowed in kinds.items():
        if type(facts[key]) not in allowed:  # True is an int to isinstance
            raise ValueError(f"{what}'s {key} must be {' or '.join(kind.__name__ for kind in allowed)}")
    return dict(facts)


def _file(facts: object) -> dict[str, Any]:
    facts = _object(facts, _FILE_KINDS, "a file")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", facts["name"]) or facts["name"].lower() == NAME:
        raise ValueError(f"{facts['name'][:100]!r} is no name of a file of weights")
    if not re.fullmatch(r"[0-9a-f]{64}", facts["sha256"]) or facts["size"] < 0 or facts["checked"] not in CHECKS:
        raise ValueError(f"hash, size or check of {facts['name']} is none")
    return facts
