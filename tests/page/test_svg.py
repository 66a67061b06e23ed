"""The SVG itself: valid, alone, sized to scale, legible, and measured with a real font."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import ImageFont

from resnets.page.colours import BAND, WHITE
from resnets.page.draw_block import block_scene, draw_block
from resnets.page.draw_network import draw_network, network_scene
from resnets.page.measure import shortened, text_width
from resnets.page.scene import Box, Scene
from resnets.page.svg import number
from resnets.spec.plan import Plan
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS

SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(matplotlib.get_data_path(), "fonts/ttf")
NAMES = ("resnet18", "resnet101", "resnet20_cifar", "seresnext50_32x4d", "resnetv2_50", "resnet50_note001")


def network(name: str) -> Plan:
    return plan(VARIANTS[name])


def drawings() -> list[str]:
    return [draw_network(network(name)) for name in NAMES] + [
        draw_block(block, counts=True) for name in NAMES for block in network(name).blocks[:4]
    ]


def scenes() -> list[Scene]:
    return [network_scene(network(name)) for name in NAMES] + [
        block_scene(block, counts=True) for name in NAMES for block in network(name).blocks[:4]
    ]


def test_every_drawing_is_xml_with_a_title_and_a_size_that_scales() -> None:
    for svg in drawings():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
        assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
        assert all(child.text for child in root[:2])


def test_a_drawing_refers_to_nothing_outside_it_and_has_no_ids() -> None:
    for svg in drawings():
        assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
        assert not re.search(r"(?<!-)\b(href|url|id|class|style|@import)\b\s*[=(]", svg)


def test_hostile_names_stay_words() -> None:
    name = '</text><script>alert("&")</script>\x00\ud800'
    svg = draw_network(plan(replace(VARIANTS["resnet18"], name=name)))
    for document in (svg, draw_block(network("resnet18").blocks[0], title=name)):
        assert "<script" not in document
        assert ElementTree.fromstring(document)[0].text == '</text><script>alert("&")</script>'


def test_equal_plans_are_equal_bytes() -> None:
    assert draw_network(network("resnet50")) == draw_network(network("resnet50"))


def test_pictures_stay_small() -> None:
    assert len(draw_network(network("resnet34"), beside=network("plain34")).encode()) < 100_000
    assert len(draw_network(network("resnet1202_cifar")).encode()) < 30_000


@pytest.mark.parametrize(("bold", "file"), [(False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf")])
def test_measured_words_have_room_in_a_wide_font(bold: bool, file: str) -> None:
    font = ImageFont.truetype(FONTS / file, 1000)
    words = {text.words for scene in scenes() for text in scene.texts() if text.bold == bold}
    assert len(words) > 10
    for word in words:
        assert font.getlength(word) <= text_width(word, 1000, bold=bold) + 0.01, word
        assert font.getlength(word) >= text_width(word, 1000, bold=bold) * 0.85, word


def test_words_are_large_enough_at_400_pixels() -> None:
    for scene in [*scenes(), network_scene(network("resnet34"), beside=network("plain34"))]:
        smallest = min(text.size for text in scene.texts())
        assert smallest * min(400 / scene.width, 1) >= 8, scene.title


def test_words_stand_out_from_what_is_behind_them() -> None:
    for scene in scenes():
        for item in scene.items:
            behind = (item.fill,) if isinstance(item, Box) else (WHITE, BAND)
            texts = item.texts if isinstance(item, Box) else [item] if item in set(scene.texts()) else []
            for text in texts:
                assert all(contrast(text.colour, fill) >= 4.5 for fill in behind), text


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.1."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("value", "written"), [(1.0, "1"), (100.0, "100"), (0.126, "0.13"), (-2.5, "-2.5"), (0.0, "0")]
)
def test_lengths_are_written_short(value: float, written: str) -> None:
    assert number(value) == written


def test_words_are_cut_only_where_they_do_not_fit() -> None:
    assert shortened("resnet50", 10, 200) == "resnet50"
    cut = shortened("resnet50" * 20, 10, 200)
    assert cut.endswith("…")
    assert text_width(cut, 10) <= 200
