"""Manifest: which pictures of a data set are left out, and why; a file that people read and edit.

`resnets check` writes it, and `train` and `evaluate` obey it. It belongs to one state of the data: after a
change of the files it is refused, and the check is run again.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.source import FileSource, Source
from resnets.data.sources.members import MemberSource
from resnets.files import atomic, bounded, strict_json
from resnets.files.errors import FileError

SCHEMA = 1
MOST_BYTES = 256 << 20
"""Of a manifest: two hundred thousand pictures, each with a path of a kilobyte."""

SPLITS = ("train", "test")
_SHOWN = 5
_PARTS: dict[str, type] = {"schema": int, "data": dict, "settings": dict, "left_out": list, "kept": dict}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One picture that is left out: its name in its split, by which rule, and why."""

    name: str
    split: str
    rule: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Return it as the file holds it."""
        return {"name": self.name, "split": self.split, "rule": self.rule, "reason": self.reason}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What is left out of the data set with this name and fingerprint, and how many findings of each rule are not."""

    name: str
    fingerprint: str
    counts: dict[str, int]  # pictures in train and test before anything is left out
    settings: dict[str, Any]  # how the data were read and split
    left_out: tuple[LeftOut, ...]
    kept: dict[str, int]

    def to_bytes(self) -> bytes:
        """Return the canonical text: sorted keys, an entry a line, so that equal manifests are equal bytes.

        Raises `DataError` for one that is too large to be read back.
        """
        facts = {
            "schema": SCHEMA,
            "data": {"name": self.name, "fingerprint": self.fingerprint, **self.counts},
            "settings": self.settings,
            "kept": self.kept,
        }
        lines = [f"{json.dumps(key)}: {_dumps(facts[key])}" for key in sorted(facts)]
        entries = ",\n".join("  " + _dumps(entry.to_dict()) for entry in self.left_out)
        lines.append('"left_out": [' + (f"\n{entries}\n" if entries else "") + "]")
        data = ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")
        try:
            strict_json.loads(data, MOST_BYTES)
        except FileError as error:
            raise DataError(
                f"the manifest would leave out {len(self.left_out):,} pictures, more than a manifest can hold "
                f"({error}); mend or remove them, or keep some rules: --keep RULE"
            ) from None
        return data

    @property
    def by_rule(self) -> dict[str, int]:
        """Return how many pictures each rule leaves out."""
        return dict(Counter(entry.rule for entry in self.left_out))


def write_manifest(path: str | Path, manifest: Manifest) -> None:
    """Write a manifest at once; raises as `Manifest.to_bytes` and `atomic.write` do."""
    atomic.write(path, manifest.to_bytes())


def read_manifest(path: str | Path) -> Manifest:
    """Return the manifest in a file; raise `DataError` naming the file and what in it is wrong."""
    try:
        return parse_manifest(bounded.read(path, MOST_BYTES))
    except (FileError, DataError) as error:
        raise DataError(f"the manifest {path} cannot be used: {error}") from None


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest that `to_bytes` wrote; raise `DataError` or `FileError` saying what in it is wrong."""
    return _manifest(strict_json.loads(data, MOST_BYTES))


def name_in_manifest(source: Source, index: int) -> str:
    """Return what a manifest calls a picture: its path below the data's folder, or in its archive, where it has one.

    The data may lie elsewhere tomorrow, so the path to the folder is no part of it. Of several archives the archive's
    own name comes first. Bytes of a name that are no Unicode are written as \\xNN, as JSON cannot hold them.
    """
    name = source.names[index] if isinstance(source, FileSource | MemberSource) else source.name(index)
    if isinstance(source, MemberSource) and len(source.archives.paths) > 1:
        name = f"{Path(source.archives.paths[source.places.array[index]['archive']]).name}/{name}"
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def obey(dataset: DataSet, manifest: Manifest) -> DataSet:
    """Return the data set without the pictures that the manifest leaves out, and with a note of how many by rule.

    Raises `DataError` for a manifest of other data, an entry that names no picture, and where a class would
    be left without pictures that had some.
    """
    _check_same(dataset, manifest)
    wanted: dict[str, dict[str, LeftOut]] = {split: {} for split in SPLITS}
    for entry in manifest.left_out:
        wanted[entry.split][entry.name] = entry
    train = _without(dataset, dataset.train, "train", wanted["train"])
    test = _without(dataset, dataset.test, "test", wanted["test"])
    if not manifest.left_out:
        return dataset
    said = ", ".join(f"{count:,} {rule}" for rule, count in manifest.by_rule.items())
    note = f"Left out by the manifest: {len(manifest.left_out):,} pictures ({said})."
    return replace(dataset, train=train, test=test, notes=(*dataset.notes, note))


def _without(dataset: DataSet, source: Source | None, split: str, wanted: dict[str, LeftOut]) -> Source | None:
    if not wanted:
        return source
    count = 0 if source is None else len(source)
    places: dict[str, int] = {}
    for index in range(count):
        assert source is not None
        name = name_in_manifest(source, index)
        if name in wanted:
            if name in places:
                raise DataError(f"the manifest names {name!r}, and {split} has two pictures of that name; rename one")
            places[name] = index
    missing = [name for name in wanted if name not in places]
    if missing or source is None:
        shown = ", ".join(map(repr, missing[:_SHOWN]))
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"the manifest leaves out {shown}{more}, and {split} has no such picture; "
            "correct the name, or run resnets check again"
        )
    stay = np.ones(count, bool)
    stay[list(places.values())] = False
    rest = source.take(np.nonzero(stay)[0])
    _check_classes(dataset, source, rest, split)
    return rest


def _check_classes(dataset: DataSet, source: Source, rest: Source, split: str) -> None:
    if not len(rest):
        raise DataError(f"the manifest leaves out every picture of {split}; check again with --keep RULE")
    if source.labels.dtype.kind != "i":
        return
    emptied = np.setdiff1d(source.labels, rest.labels)
    if len(emptied):
        names = ", ".join(dataset.classes[place] for place in emptied[:_SHOWN])
        raise DataError(
            f"the manifest leaves no picture of {names} in {split}; add pictures, or check again with --keep RULE"
        )


def _check_same(dataset: DataSet, manifest: Manifest) -> None:
    if dataset.fingerprint == manifest.fingerprint:
        return
    now = {
        split: 0 if part is None else len(part)
        for split, part in zip(SPLITS, (dataset.train, dataset.test), strict=True)
    }
    changes = [
        f"{split} had {manifest.counts[split]:,} pictures and has {now[split]:,}"
        for split in SPLITS
        if manifest.counts[split] != now[split]
    ]
    if manifest.name != dataset.name:
        changes.append(f"it was made for {manifest.name!r} and this is {dataset.name!r}")
    said = "; ".join(changes) or "as many pictures as before, but files were renamed, moved or changed in size"
    raise DataError(f"the manifest was made for other data ({said}); run resnets check again")


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _manifest(facts: Any) -> Manifest:
    _check_kind("the file", facts, dict)
    for key, kind in _PARTS.items():
        _check_kind(key, facts.get(key), kind)
    unknown = facts.keys() - _PARTS.keys()
    if unknown:
        raise DataError(f"{min(unknown)!r} is no part of a manifest; remove it")
    if not 1 <= facts["schema"] <= SCHEMA:
        raise DataError(f"it has schema {facts['schema']}, and up to {SCHEMA} is read; install a newer resnets")
    data = facts["data"]
    for key in ("name", "fingerprint"):
        _check_kind(f"data's {key}", data.get(key), str)
    for split in SPLITS:
        _check_kind(f"data's {split}", data.get(split), int)
    for rule, count in facts["kept"].items():
        _check_kind(f"kept's {rule}", count, int)
    entries = tuple(_entry(number, entry) for number, entry in enumerate(facts["left_out"]))
    twice = [key for key, count in Counter((entry.split, entry.name) for entry in entries).items() if count > 1]
    if twice:
        raise DataError(f"{twice[0][1]!r} is left out of {twice[0][0]} twice; remove one of the entries")
    return Manifest(
        name=data["name"],
        fingerprint=data["fingerprint"],
        counts={split: data[split] for split in SPLITS},
        settings=facts["settings"],
        left_out=entries,
        kept=facts["kept"],
    )


def _entry(number: int, entry: Any) -> LeftOut:
    _check_kind(f"entry {number} of left_out", entry, dict)
    keys = ("name", "split", "rule", "reason")
    for key in keys:
        _check_kind(f"entry {number} of left_out: its {key}", entry.get(key), str)
    if unknown := entry.keys() - set(keys):
        raise DataError(f"entry {number} of left_out: {min(unknown)!r} is not known; allowed: {', '.join(keys)}")
    if entry["split"] not in SPLITS:
        raise DataError(f"entry {number} of left_out: split is {entry['split']!r}; allowed: train, test")
    return LeftOut(**entry)


def _check_kind(what: str, value: Any, kind: type) -> None:
    if type(value) is not kind:  # True is an int to isinstance
        words = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}
        raise DataError(f"{what} must be {words[kind]}" + ("" if value is not None else ", and is missing"))
