"""Table columns: which column says what, by its usual headings or by the reading's word."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from resnets.data.errors import DataError
from resnets.data.reading import Columns
from resnets.data.sources.table_rows import Rows, plain

SEVERAL = ("labels", "classes", "categories", "targets", "tags")
"""Headings in the plural: an empty cell is a picture with no class."""

USUAL: dict[str, tuple[str, ...]] = {
    "path": (
        *("path", "file", "filename", "file_name", "filepath", "file_path", "fname"),
        *("image", "image_path", "image_file", "image_name", "image_filename", "img", "img_path", "picture"),
    ),
    "label": ("label", "class", "target", "category", "class_name", "label_name", *SEVERAL),
    "split": ("split", "set", "subset", "partition"),
    "group": ("group", "group_id", "patient", "patient_id", "patientid", "subject", "subject_id"),
}
"""Role -> headings that mean it, in any case, with spaces or hyphens for underscores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """The headings of the columns that are read."""

    path: str
    label: str | None
    numbers: tuple[str, ...]
    split: str | None
    group: str | None

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        columns = (self.path, self.label, self.split, self.group, *self.numbers)
        return tuple(dict.fromkeys(column for column in columns if column is not None))


def find_columns(rows: Rows, columns: Columns) -> Use:
    """Return which columns of a table are read.

    A role that `columns` names is that column; "" is none at all, for `split` and `group`. Any other is the column
    whose type is made for it, or whose heading is usual. Raises `DataError`, listing the columns, where a named one is
    not there, where two could be meant, and where there is no path or no class.
    """
    if columns.numbers and columns.label:
        numbers = ",".join(columns.numbers)
        raise DataError(f"label={columns.label} and numbers={numbers} are both given; give one of them")
    path = _column(rows, "path", columns.path)
    label = None if columns.numbers else _column(rows, "label", columns.label)
    use = Use(
        path=path or "",
        label=label,
        numbers=tuple(_named(rows, "numbers", name) for name in columns.numbers),
        split=_column(rows, "split", columns.split),
        group=_column(rows, "group", columns.group),
    )
    if not path:
        raise DataError(f"{_has(rows)}, and none is known as the path of a picture; {_name_it('path')}")
    if label is None and not columns.numbers:
        raise DataError(f"{_has(rows)}, and none is known as the class; {_name_it('label')}")
    roles = [use.path, *filter(None, (use.label, use.split, use.group)), *use.numbers]
    twice = [column for column in roles if roles.count(column) > 1]
    if twice:
        raise DataError(f"the column {twice[0]!r} of {rows.name} cannot be two things; {_has(rows)}")
    return use


def _column(rows: Rows, role: str, named: str | None) -> str | None:
    if named:
        return _named(rows, role, named)
    if named is not None and role in ("split", "group"):
        return None
    hinted = rows.hints(role)
    found = [column for column in hinted or rows.heading if plain(column) in USUAL[role]]
    if len(hinted) == 1:
        return hinted[0]
    if len(found) == 1:
        return found[0]
    could = found or hinted
    if could:
        names = " and ".join(map(repr, could))
        raise DataError(f"{_has(rows)}, and {names} could each be the {role}; {_name_it(role)}")
    return None


def _named(rows: Rows, role: str, named: str) -> str:
    same = [column for column in rows.heading if column == named]
    same = same or [column for column in rows.heading if plain(column) == plain(named)]
    if len(same) == 1:
        return same[0]
    if same:
        raise DataError(f"{_has(rows)}, and {len(same)} of them are called {named!r}; give each another heading")
    near = difflib.get_close_matches(named, rows.heading, n=1, cutoff=0.5)
    meant = f". Did you mean {near[0]!r}?" if near else ""
    raise DataError(f"{_has(rows)}, and no {named!r} (--read {role}=){meant}")


def _has(rows: Rows) -> str:
    shown = ", ".join(map(repr, rows.heading[:40])) + (" ..." if len(rows.heading) > 40 else "")
    return f"{rows.name} has the columns {shown}"


def _name_it(role: str) -> str:
    usual = ", ".join(USUAL[role][:4])
    return f"name it (--read {role}=COLUMN), or give it a usual heading ({usual})"
