"""A judgement as a page: all of it in one file, nothing from elsewhere, no text in it is markup, in two languages."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import string
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from resnets.page.charts import SHARES, Axis, Curve, axis, curve_chart, loss_axis, share_axis
from resnets.page.judgement import (
    Chart,
    Code,
    Gallery,
    Judgement,
    Line,
    Matrix,
    Picture,
    Section,
    Share,
    Table,
    Tile,
    Words,
    render,
)
from resnets.page.matrix import heat_map, matrix_table
from resnets.page.reliability import Bin, reliability_chart
from resnets.page.texts import LANGUAGES, TEXTS, Language, probability, text
from tests.page.seen import HOSTILE, Seen

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def page(words: str = "plain", uri: str = PIXEL, language: Language = "en") -> Judgement:
    counts = np.array([[3, 1], [0, 2]])
    matrix = matrix_table(counts, (words, "b"), title=words, caption=words, said="{count} of {true} {answer}")
    line = Line(label=words, words=words, figure=words, tone="wrong")
    bins = [Bin(0.0, 0.5, 0, None, None), Bin(0.5, 1.0, 4, 0.75, 0.5)]
    diagram = reliability_chart(words, bins, happened=words, gap=words, x_label=words, counts_label=words)
    rows = ((words, "1,000", Share(words=words, value=0.5)), ("b", "2", Share(words="c", value=0.5, ends=(0.1, 0.9))))
    blocks = (
        Words(words=words, is_english=True),
        Chart(title=words, svg=diagram, caption=words),
        Chart(title=words, svg=heat_map(counts, title=words, true=words, answer=words), is_wide=True),
        Table(columns=(words, "n", "f"), rows=rows, figures=(1, 2), title=words, is_sortable=True),
        Table(columns=(), rows=((words, words),), is_code=True),
        Table(columns=(words,), rows=((words,),), fold=words),
        matrix,
        Gallery(pictures=(Picture(uri=uri, name=words, lines=(line,)), Picture(uri="", name=words))),
        Code(words=words),
    )
    sections = (
        Section(name="one", title=words, blocks=blocks),
        Section(name="two", title=words, blocks=(Words(words=words),), is_half=True),
        Section(name="three", title=words, blocks=(Words(words=words),), is_half=True),
    )
    tile = Tile(figure=words, label=words, detail=words)
    return Judgement(language=language, title=words, subtitle=words, tiles=(tile,), sections=sections, footer=words)


def test_hostile_texts_change_no_tag() -> None:
    plain, hostile = Seen(render(page())), Seen(render(page(HOSTILE)))
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    assert hostile.open == plain.open == []
    assert b"\0" not in render(page(HOSTILE)).encode("utf-8")


def test_a_page_asks_nobody_for_anything() -> None:
    seen = Seen(html := render(page()))
    named = ("src", "href", "action", "data", "srcset", "xlink:href")
    links = [value or "" for name, value in seen.attributes if name in named]
    assert links and all(link.startswith(("data:image/", "#")) for link in links)
    assert not {"link", "iframe", "object", "form", "base"} & set(seen.tags)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]


def test_the_policy_allows_the_one_script_and_no_other() -> None:
    html = render(page())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy[1].replace("&#39;", "'") == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_a_page_without_a_table_to_sort_has_no_script() -> None:
    html = render(Judgement(language="en", title="", subtitle="", tiles=(), sections=(), footer=""))
    assert "script" not in html


@pytest.mark.parametrize("uri", ["https://example.org/a.png", "javascript:alert(1)", "data:text/html;base64,AAAA"])
def test_a_picture_from_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="no data: URI"):
        render(page(uri=uri))


def test_sections_that_stand_beside_each_other_are_kept_together() -> None:
    assert [[section.name for section in run] for run in page().runs()] == [["one"], ["two", "three"]]


@pytest.mark.parametrize(("language", "said"), [("en", 'lang="en"'), ("zh", 'lang="zh-Hans"')])
def test_a_page_says_its_language(language: Language, said: str) -> None:
    assert f"<html {said}>" in render(page(language=language))


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_has_the_same_values_in_both_languages(key: str) -> None:
    named = [sorted(name for _, name, _, _ in string.Formatter().parse(one) if name) for one in TEXTS[key]]
    assert named[0] == named[1]
    assert all(TEXTS[key])
    assert len(TEXTS[key]) == len(LANGUAGES) == len(get_args(Language))


def test_another_language_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="allowed: en, zh"):
        text("none", "fr")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "<0.1%"), (0.0006, "0.1%"), (0.5, "50.0%"), (0.9994, "99.9%"), (1.0, ">99.9%")]
)
def test_no_probability_is_rounded_to_none_or_all(share: float, said: str) -> None:
    assert probability(share) == said


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 2.3], (0.0, 1.0, 2.0, 3.0)),
        ([0.0, 0.1], (0.0, 0.025, 0.05, 0.075, 0.1)),
        ([5.0, 5.0], (0.0, 2.5, 5.0, 7.5, 10.0)),
        ([0.0, 0.0], (0.0, 0.25, 0.5, 0.75, 1.0)),
        ([1e-9, 3e-9], (1e-9, 1.5e-9, 2e-9, 2.5e-9, 3e-9)),
    ],
)
def test_an_axis_has_round_numbers_around_its_values(values: list[float], ticks: tuple[float, ...]) -> None:
    found = axis(values)
    assert found.ticks == pytest.approx(ticks)
    assert found.low <= min(values) and max(values) <= found.high


@pytest.mark.parametrize(("values", "said"), [([0.0, 1.0], "100%"), ([0.98, 0.99], "99.00%"), ([0.0, 0.09], "10.0%")])
def test_an_axis_of_shares_has_as_many_decimals_as_it_needs(values: list[float], said: str) -> None:
    found = share_axis(values)
    assert found.form.format(found.ticks[-1]) == said
    assert found.low >= 0 and found.high <= 1
    assert len({found.form.format(tick) for tick in found.ticks}) == len(found.ticks)


def test_one_loss_that_dwarfs_the_others_leaves_them_apart() -> None:
    values = [350.0, 2.0, 1.0, 0.5]
    found = loss_axis(values)
    shares = [found.share(value) for value in values]
    assert found.is_log and shares == sorted(shares, reverse=True)
    assert shares[2] - shares[3] > 0.05
    assert found.share(0.0) == 0
    assert not loss_axis([2.3, 1.0, 0.5]).is_log


def test_a_curve_leaves_out_what_is_no_number_and_keeps_its_last_point() -> None:
    points = (*((float(place), 0.5) for place in range(5_000)), (5_000.0, float("nan")), (5_001.0, 1.0))
    chart = curve_chart("t", [Curve(name="a", points=points)], x_label="x", x=Axis(0, 5_001, (0.0,)), y=SHARES)
    places = re.search(r' d="M([^"]+)"', chart)
    assert places is not None and "nan" not in chart
    found = places[1].split("L")
    assert len(found) <= 1_001
    assert found[-1] == "320 32"  # the top right corner
    assert curve_chart("t", [Curve(name="a", points=())], x_label="x") == ""


def test_bars_of_a_reliability_diagram_are_as_high_as_what_happened() -> None:
    bins = [Bin(0.0, 0.5, 1, 0.4, 0.25), Bin(0.5, 1.0, 3, 0.9, 0.5)]
    chart = reliability_chart("t", bins, happened="h", gap="g", x_label="x", counts_label="c")
    heights = [float(one) for one in re.findall(r'height="([\d.]+)" fill="var\(--first\)" fill-opacity', chart)]
    gaps = [float(one) for one in re.findall(r'height="([\d.]+)" fill="var\(--second\)" fill-opacity', chart)]
    assert heights[1] == pytest.approx(2 * heights[0])
    assert gaps[1] / heights[1] == pytest.approx(0.4 / 0.5)
    assert "75%</text>" in chart  # the share of the answers in the largest bin, and a tick


def test_a_matrix_colours_what_is_right_and_what_is_wrong() -> None:
    matrix = matrix_table(np.array([[6, 3, 0], [0, 9, 0], [0, 0, 0]]), "abc", title="", caption="", said="{count}")
    assert isinstance(matrix, Matrix)
    first, second, last = matrix.rows
    assert [square.words for square in first] == ["6", "3", "·"]
    assert first[0].is_right and not first[1].is_right
    assert first[1].strength > 0 == first[2].strength
    assert second[1].strength == max(square.strength for row in matrix.rows for square in row)
    assert {square.strength for square in last} == {0.0}


def test_a_heat_map_has_a_pixel_for_each_pair_of_classes() -> None:
    counts = np.diag(np.arange(40) + 1)
    counts[3, 7] = 2
    chart = heat_map(counts, title="t", true="true", answer="answer")
    found = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)", chart)
    assert found is not None
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))
    assert pixels.shape == (40, 40, 4)
    assert np.array_equal(pixels[..., 3] > 0, counts > 0)
    assert pixels[0, 0, 2] > pixels[0, 0, 0] and pixels[3, 7, 0] > pixels[3, 7, 2]  # blue, orange
