"""Judgement: a page of numbers, charts, tables and pictures about one model, as plain data and as one HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from resnets.page.html import check_image, fill
from resnets.page.texts import HTML_LANGUAGES, Language, text

TEMPLATE, SCRIPT = "judgement.html.j2", "sort.js"

Tone = Literal["plain", "right", "wrong"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One number to go by, what it is, and a word more, such as its interval."""

    figure: str
    label: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A paragraph; `is_english` is said of what stays English on a page of another language."""

    kind: ClassVar[str] = "words"
    words: str
    is_quiet: bool = False
    is_english: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A drawing made by us, as SVG."""

    kind: ClassVar[str] = "chart"
    title: str
    svg: str
    caption: str = ""
    is_wide: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A share in [0, 1] within a table: its words, drawn as a bar, or with `ends` as a mark on a line between them."""

    words: str
    value: float
    ends: tuple[float, float] | None = None


Cell = str | Share


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of cells below names of columns (none: no head); with a `fold` it is shown where that is opened.

    Columns named in `figures` are numbers and stand right.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    figures: tuple[int, ...] = ()
    title: str = ""
    fold: str = ""
    is_sortable: bool = False
    is_code: bool = False  # the first column holds names as they are in files


@dataclass(frozen=True, kw_only=True, slots=True)
class Square:
    """One cell of a matrix: how many, how strongly it is coloured in [0, 1], and whether on the diagonal."""

    words: str
    strength: float
    is_right: bool
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """A confusion matrix of few classes: a row for each class of the pictures, a column for each answer."""

    kind: ClassVar[str] = "matrix"
    title: str
    classes: tuple[str, ...]
    rows: tuple[tuple[Square, ...], ...]
    caption: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line below a picture: a label, what it says, and a number beside it."""

    label: str
    words: str
    figure: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One picture: a data: URI ("" where it cannot be shown), its name, and lines about it."""

    uri: str
    name: str
    lines: tuple[Line, ...] = ()
    is_tiny: bool = False  # its pixels are enlarged, not smoothed


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """Pictures side by side."""

    kind: ClassVar[str] = "gallery"
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """What to type."""

    kind: ClassVar[str] = "code"
    words: str


Block = Words | Chart | Table | Matrix | Gallery | Code


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One part of the page; `is_half` parts stand beside each other where there is room."""

    name: str  # of its place in the page
    title: str
    blocks: tuple[Block, ...]
    is_half: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A whole page."""

    language: Language
    title: str
    subtitle: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    footer: str

    def runs(self) -> Iterator[tuple[Section, ...]]:
        """Yield the sections, those that stand beside each other together."""
        beside: list[Section] = []
        for section in self.sections:
            if section.is_half:
                beside.append(section)
                continue
            if beside:
                yield tuple(beside)
                beside = []
            yield (section,)
        if beside:
            yield tuple(beside)


def render(page: Judgement) -> str:
    """Return the page as an HTML document that asks nobody for anything; every text in it is escaped.

    The one script sorts tables, and may run because the page's policy names its hash; all is there without it. Raises
    `ValueError` for a picture that is no data: URI of an image.
    """
    blocks = [block for section in page.sections for block in section.blocks]
    for block in blocks:
        for picture in block.pictures if isinstance(block, Gallery) else ():
            check_image(picture.uri, picture.name)
    sorts = any(isinstance(block, Table) and block.is_sortable for block in blocks)
    script = Path(__file__).with_name(SCRIPT).read_text("utf-8").strip() if sorts else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return fill(
        TEMPLATE,
        page=page,
        title=page.title,
        language=HTML_LANGUAGES[page.language],
        unseen=text("unseen", page.language),
        contents=text("contents", page.language),
        script=script,
        digest=digest,
    )
