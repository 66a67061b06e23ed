"""Formats: a log of predictions or features as the file that was asked for, chosen by its ending."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from resnets.inference.records_log import Log
from resnets.spec.card import Card


def by_ending(out: str | Path, formats: Mapping[str, Any]) -> Any:
    """Return what stands for a file's ending; raise `ValueError` for one that stands for nothing."""
    ending = Path(out).suffix.lower()
    if ending not in formats:
        raise ValueError(f"--out {out} is not possible; allowed are files that end in {', '.join(formats)}")
    return formats[ending]


# Predictions. JSON lines are the log itself.


def predictions_csv(log: Log, file: BinaryIO, card: Card, top: int) -> None:
    """Write a line for each picture: what its record says, the best `top` classes in columns of their own."""
    several, doubts = card.task == "classes", "unknown_below" in card.calibration
    ranks = range(1, min(top, len(card.classes)) + 1)
    names = ["path", "class", "probability", *["unknown"] * doubts, *["classes"] * several]
    with _csv(file) as write:
        write([*names, *(f"{what}_{rank}" for rank in ranks for what in ("class", "probability")), "error"])
        for records, _ in log.blocks():
            for record in records:
                flat: dict[str, Any] = {name: record.get(name) for name in names}
                if "error" not in record:
                    flat |= {"unknown": "true" if record.get("unknown") else "false"} if doubts else {}
                    flat |= {"classes": _json([each["class"] for each in record["classes"]])} if several else {}
                best = [cell for each in record.get("top", ()) for cell in (each["class"], each["probability"])]
                write([*flat.values(), *(best or [None] * 2 * len(ranks)), record.get("error")])


def predictions_parquet(log: Log, file: BinaryIO, card: Card, top: int) -> None:
    """Write a row for each picture, with the names and the nesting of its record; what it has not is null."""
    pa, parquet = _arrow()
    ranked = pa.list_(pa.struct([("class", pa.string()), ("probability", pa.float32())]))
    columns = {
        "path": pa.string(),
        "class": pa.string(),
        "probability": pa.float32(),
        **({"unknown": pa.bool_()} if "unknown_below" in card.calibration else {}),
        **({"classes": ranked} if card.task == "classes" else {}),
        "top": ranked,
        "error": pa.string(),
    }
    schema = pa.schema(list(columns.items()))
    with parquet.ParquetWriter(file, schema) as writer:
        for records, _ in log.blocks():
            rows: list[dict[str, Any]] = [{**dict.fromkeys(columns), **record} for record in records]
            for row in rows:
                row["path"] = _unicode(row["path"])
                if row["error"] is not None:
                    row["error"] = _unicode(row["error"])
                elif "unknown" in columns:
                    row["unknown"] = bool(row["unknown"])
            writer.write_table(pa.Table.from_pylist(rows, schema))


PREDICTIONS: Mapping[str, Callable[[Log, BinaryIO, Card, int], None] | None] = MappingProxyType(
    {".jsonl": None, ".csv": predictions_csv, ".parquet": predictions_parquet}
)
"""Ending -> what writes it from the log; None where the log is the file."""


# Features: numbers of one shape for each picture; those of a picture that cannot be read are NaN, or null.


def features_npz(log: Log, file: BinaryIO) -> None:
    """Write NumPy's `features` (N, ...) float32, `paths` (N,) and `errors` (N,), "" where there is none."""
    assert log.row is not None
    count, widths = 0, {"path": 1, "error": 1}
    for record, _ in log.whole():
        count += 1
        widths = {name: max(width, len(record.get(name, ""))) for name, width in widths.items()}
    with zipfile.ZipFile(file, "w") as archive:
        with _member(archive, "features", zipfile.ZIP_STORED) as member:
            _npy_header(member, "<f4", (count, *log.row))
            for _, rows in log.blocks():
                assert rows is not None
                member.write(np.ascontiguousarray(rows, "<f4").data)
        for name, key in (("paths", "path"), ("errors", "error")):
            # NumPy's texts are all as long as the longest, in four bytes a character: mostly zeros.
            with _member(archive, name, zipfile.ZIP_DEFLATED) as member:
                kind = f"<U{widths[key]}"
                _npy_header(member, kind, (count,))
                for records, _ in Log(log.path).blocks():
                    member.write(np.array([record.get(key, "") for record in records], kind).tobytes())


def features_parquet(log: Log, file: BinaryIO) -> None:
    """Write a row for each picture: `path`, `features` (a list of fixed length, a map in C order), `error`."""
    assert log.row is not None
    pa, parquet = _arrow()
    length = log.row_bytes // 4
    fields = [("path", pa.string()), ("features", pa.list_(pa.float32(), length)), ("error", pa.string())]
    schema = pa.schema(fields, metadata={"resnets": _json({"shape": list(log.row)})})
    with parquet.ParquetWriter(file, schema) as writer:
        for records, rows in log.blocks():
            assert rows is not None
            errors = [record.get("error") for record in records]
            numbers = pa.FixedSizeListArray.from_arrays(
                pa.array(rows.reshape(-1)), length, mask=pa.array([error is not None for error in errors])
            )
            paths = pa.array([_unicode(record["path"]) for record in records], pa.string())
            told = pa.array([None if error is None else _unicode(error) for error in errors], pa.string())
            writer.write_table(pa.Table.from_arrays([paths, numbers, told], schema=schema))


def features_csv(log: Log, file: BinaryIO) -> None:
    """Write a line for each picture: its path, what is wrong with it, and a column for each number."""
    length = log.row_bytes // 4
    with _csv(file) as write:
        write(["path", "error", *(f"feature_{number}" for number in range(length))])
        for records, rows in log.blocks():
            assert rows is not None
            for record, row in zip(records, rows, strict=True):
                # The shortest text that reads back as the same float32.
                numbers = [None] * length if "error" in record else row.reshape(-1).astype("U").tolist()
                write([record["path"], record.get("error"), *numbers])


FEATURES: Mapping[str, Callable[[Log, BinaryIO], None]] = MappingProxyType(
    {".npz": features_npz, ".parquet": features_parquet, ".csv": features_csv}
)
"""Ending -> what writes it from the log."""


@contextlib.contextmanager
def _csv(file: BinaryIO) -> Iterator[Callable[[list[Any]], Any]]:
    """A writer of lines as RFC 4180 has them; a cell with a line break in it is quoted."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield csv.writer(text).writerow
    finally:
        text.detach()  # which writes the rest, and leaves the file open


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str, packing: int) -> Iterator[Any]:
    """A member of a .npz, whose bytes depend on no clock and no system."""
    info = zipfile.ZipInfo(f"{name}.npy")  # of 1980, the first year of zip
    info.compress_type, info.create_system, info.external_attr = packing, 3, 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as member:
        yield member


def _npy_header(member: Any, kind: str, shape: tuple[int, ...]) -> None:
    npy_format.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})


def _arrow() -> tuple[Any, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install 'resnets[tables]'") from None
    return pyarrow, pyarrow.parquet


def check_installed(out: str | Path) -> None:
    """Raise `ValueError` where a file of this ending needs what is not installed, before anything is spent."""
    if Path(out).suffix.lower() == ".parquet":
        _arrow()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unicode(text: str) -> str:
    """A text without half surrogates, which Parquet cannot hold: each becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()
