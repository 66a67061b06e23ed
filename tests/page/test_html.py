"""The report as a page: one file, nothing from elsewhere, and no text in it is taken for markup."""

from __future__ import annotations

import re

import pytest

from resnets.page.bars import Bar, bars
from resnets.page.html import Group, Report, Section, Shot, render
from tests.page.seen import HOSTILE, Seen

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def report(text: str = "plain") -> Report:
    shot = Shot(uri=PIXEL, name=text, tags=("train", text), window=(0.1, 0.2, 0.5, 0.5))
    group = Group(reason=text, shots=(shot, Shot(uri="", name=text)), places=(text,), more=3)
    section = Section(
        name="unreadable", severity="error", count=30, sentence=text, advice=text, verdict=text, groups=(group,)
    )
    return Report(
        title=text,
        subtitle=text,
        verdict=text,
        is_clean=False,
        tiles=((text, text),),
        table=((text, 3),),
        information=(text,),
        charts=((text, bars(text, [Bar(text, (3, 4))], ("train", "test"))),),
        samples=(shot,),
        sections=(section,),
    )


def test_hostile_texts_change_no_tag() -> None:
    plain, hostile = Seen(render(report())), Seen(render(report(HOSTILE)))
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    assert hostile.open == []


def test_a_page_can_be_written_whatever_the_texts_hold() -> None:
    page = render(report(HOSTILE)).encode("utf-8")
    assert b"\0" not in page


def test_a_page_asks_nobody_for_anything() -> None:
    page = render(report())
    seen = Seen(page)
    links = [value or "" for name, value in seen.attributes if name in ("src", "href", "action", "data", "srcset")]
    assert links
    assert all(link.startswith(("data:image/", "#")) for link in links)
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(seen.tags)
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style is not None and "url(" not in style[1] and "@import" not in style[1]
    assert "default-src 'none'" in page


def test_a_page_says_its_language_and_fits_its_reader() -> None:
    page = render(report())
    assert '<html lang="en">' in page
    assert "width=device-width" in page
    assert "prefers-color-scheme: dark" in page and "@media print" in page


@pytest.mark.parametrize(
    "uri", ["https://example.org/a.png", "javascript:alert(1)", "data:text/html;base64,AAAA", "a.png"]
)
def test_a_picture_from_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="no data: URI"):
        render(Report(title="", subtitle="", verdict="", is_clean=True, samples=(Shot(uri=uri, name="x"),)))


def test_what_is_not_shown_is_counted() -> None:
    page = render(report())
    assert "29 more are not shown" in page
    assert "3 more" in page


def test_bars_are_in_proportion_and_say_their_numbers() -> None:
    chart = bars("Counts", [Bar("cat", (30,)), Bar("dog", (60,)), Bar("eel", (0,))])
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', chart)]
    assert len(widths) == 2 and widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert re.findall(r">(\d+)</text>", chart) == ["30", "60", "0"]


def test_bars_of_nothing_are_a_picture_too() -> None:
    assert bars("Counts", []).startswith("<svg ")
