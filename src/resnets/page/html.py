"""HTML: a report of pictures as one file that asks nobody for anything, in light and dark, on paper and telephone."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from resnets.page.svg import NOT_XML

TEMPLATE = "report.html.j2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One picture: a data: URI ("" where there is nothing to show), its name, and what is said below it.

    `window` is the part that is marked, as (left, top, width, height) in shares of the picture.
    """

    uri: str
    name: str
    tags: tuple[str, ...] = ()
    window: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Pictures that belong side by side, with why they are shown; `places` are files without a picture."""

    reason: str
    shots: tuple[Shot, ...] = ()
    places: tuple[str, ...] = ()
    more: int = 0  # pictures of the group that are not shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One kind of finding."""

    name: str
    severity: str
    count: int
    sentence: str
    advice: str
    verdict: str
    groups: tuple[Group, ...]

    @property
    def more(self) -> int:
        """How many findings are not shown."""
        return self.count - len(self.groups)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A whole report; `charts` are (title, SVG made by us), `table` what is done as (what, how many)."""

    title: str
    subtitle: str
    verdict: str
    is_clean: bool
    tiles: tuple[tuple[str, str], ...] = ()
    table: tuple[tuple[str, int], ...] = ()
    information: tuple[str, ...] = ()
    charts: tuple[tuple[str, str], ...] = ()
    samples: tuple[Shot, ...] = ()
    sections: tuple[Section, ...] = field(default_factory=tuple)


def render(report: Report) -> str:
    """Return the report as an HTML document of ASCII and UTF-8 text; every text in it is escaped.

    Raises `ValueError` for a picture that is no data: URI of an image.
    """
    shots = [*report.samples, *(shot for part in report.sections for group in part.groups for shot in group.shots)]
    for shot in shots:
        check_image(shot.uri, shot.name)
    return fill(TEMPLATE, report=report, title=report.title, language="en")


def fill(template: str, **values: object) -> str:
    """Return a template of this folder with its values in place, every text among them escaped."""
    return _environment().get_template(template).render(values)


def check_image(uri: str, name: str) -> None:
    """Raise `ValueError` for a picture that is neither "" nor a data: URI of an image."""
    if uri and not _IMAGE.fullmatch(uri):
        raise ValueError(f"the picture of {name!r} is no data: URI of an image")


_IMAGE = re.compile(r"data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/=]+")


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # A name may hold what no HTML may, such as half of a surrogate pair or the byte 0.
        finalize=lambda value: NOT_XML.sub("\ufffd", value) if type(value) is str else value,
    )
    made.filters["percent"] = lambda share: f"{100 * share:.2f}%"
    return made
