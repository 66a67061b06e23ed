"""Parquet rows: a Parquet file as rows, and the pictures in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from resnets.data.errors import DataError
from resnets.data.sources.arrow_source import Pictures
from resnets.data.sources.table_rows import MAX_ROWS
from resnets.files import strict_json
from resnets.files.byte_ranges import opened
from resnets.files.errors import FileError

MAX_UNPACKED = 4 << 30
"""Bytes that pictures in a table may take in memory."""

_TOGETHER = 4_096  # rows unpacked at once
_PICTURES_TOGETHER = 64
_MAX_NAMES = 16 << 20  # bytes of the description that Hugging Face adds


class ParquetRows:
    """A Parquet file. Raises `DataError` or `FileError` for what is none, or has more than the limits."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError:
            raise DataError(f"{path} is Parquet, which needs pyarrow: pip install 'resnets[tables]'") from None
        self.path, self.name, self.folder = path, path.stem, str(path.parent)
        with opened(path):  # whatever is no file on disk is refused as everywhere
            pass
        with _Refusing(path):
            self._file: Any = pyarrow.parquet.ParquetFile(
                path
            )  # not mapped: a file cut short meanwhile would end the process
            self._schema: Any = self._file.schema_arrow
            self.heading = tuple(map(str, self._schema.names))
        rows = self._file.metadata.num_rows
        if rows > MAX_ROWS:
            raise DataError(f"{path} has {rows:,} rows; at most {MAX_ROWS:,} are read")
        self._classes = _class_names(self._schema.metadata or {})

    def cells(self, columns: Sequence[str]) -> Iterator[Sequence[object]]:
        """Yield the cells of these columns, row by row; lists become tuples, NaN becomes None."""
        with _Refusing(self.path):
            for batch in self._file.iter_batches(batch_size=_TOGETHER, columns=list(columns)):
                yield from zip(*(map(plain_cell, batch.column(column).to_pylist()) for column in columns), strict=True)

    def where(self, row: int) -> str:
        """Return "labels.parquet, row 3"; rows are counted from 1."""
        return f"{self.path}, row {row + 1}"

    def hints(self, role: str) -> tuple[str, ...]:
        """Return the columns that hold pictures, or those whose classes have names."""
        fits = {"path": self._holds_pictures, "label": self._classes.__contains__}.get(role)
        return tuple(filter(fits, self.heading)) if fits else ()

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Return the names that Hugging Face stores beside the numbers of classes."""
        return self._classes.get(column)

    def is_float(self, column: str) -> bool:
        """Whether a column is of floating-point or decimal numbers."""
        import pyarrow.types as types

        kind = self._schema.field(column).type
        return bool(types.is_floating(kind) or types.is_decimal(kind))

    def pictures(self, column: str) -> Pictures | None:
        """Return the pictures of a column of bytes, all in memory; None for a column of paths."""
        if not self._holds_pictures(column):
            return None
        import pyarrow

        # What a column will take is counted as it comes: pyarrow's account of it ends the process where it is damaged.
        batches, size = [], 0
        with _Refusing(self.path):
            for batch in self._file.iter_batches(batch_size=_PICTURES_TOGETHER, columns=[column]):
                batches.append(batch)
                size += batch.nbytes
                if size > MAX_UNPACKED:
                    raise DataError(
                        f"{self.path}: the pictures take more than {MAX_UNPACKED:,} bytes, and are all held in memory; "
                        "load it with Hugging Face `datasets`, which maps them, or write them as files"
                    )
            return ArrowColumn(pyarrow.Table.from_batches(batches, self._schema_of(column)).column(0), self.path.name)

    def _schema_of(self, column: str) -> Any:
        import pyarrow

        return pyarrow.schema([self._schema.field(column)])

    def _holds_pictures(self, column: str) -> bool:
        import pyarrow.types as types

        kind = self._schema.field(column).type
        if types.is_struct(kind):
            index = kind.get_field_index("bytes")
            return index >= 0 and _is_bytes(kind.field(index).type)
        return _is_bytes(kind)


class ArrowColumn:
    """Pictures in memory, in a column of Arrow."""

    def __init__(self, column: Any, part: str) -> None:
        self.column, self.part = column, part

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: int) -> object:
        return self.column[row].as_py()

    def name(self, row: int) -> str:
        """Return "photos.parquet[17]"."""
        return f"{self.part}[{row}]"


class _Refusing:
    """Turns whatever a Parquet reader raises on damaged bytes into a `DataError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, DataError | FileError) or not isinstance(error, Exception):
            return
        said = str(error).partition("\n")[0][:200]
        raise DataError(f"{self.path} is no readable Parquet: {type(error).__name__}: {said}") from error


def plain_cell(cell: object) -> object:
    """Return a cell as rows give it: a list as a tuple, and NaN, which pandas puts for nothing, as None."""
    if isinstance(cell, list):
        return tuple(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Return column -> names of its classes, as Hugging Face writes them into a file; what is odd says nothing."""
    try:
        features = strict_json.loads(metadata.get(b"huggingface", b"{}"), _MAX_NAMES)["info"]["features"]
        found = {column: _feature_names(feature) for column, feature in features.items()}
    except (FileError, KeyError, TypeError, AttributeError):
        return {}
    return {column: names for column, names in found.items() if names}


def _feature_names(feature: Any) -> tuple[str, ...]:
    inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
    if not isinstance(inner, dict) or inner.get("_type") != "ClassLabel":
        return ()
    names = inner.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names) if len(set(names)) == len(names) else ()
