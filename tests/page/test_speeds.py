"""Speeds as bars: as long as they are fast, with every word inside the picture."""

from __future__ import annotations

from xml.etree import ElementTree

from resnets.page.speeds import SpeedBar, speed_chart

SVG = "{http://www.w3.org/2000/svg}"
LINES = (
    SpeedBar(label="torch fp32", value=50.0, low=40.0, high=60.0, note="50"),
    SpeedBar(label="openvino int8", kind=2, value=100.0, low=90.0, high=105.0, note="100"),
    SpeedBar(label="onnx & <odd>", note="cannot run: " + "a very long reason " * 20),
)


def test_bars_are_as_long_as_they_are_fast() -> None:
    root = ElementTree.fromstring(speed_chart("A model", LINES, "pictures a second"))
    slow, fast = [each for each in root.iter(f"{SVG}rect") if each.get("rx") == "2"]
    assert abs(2 * float(slow.get("width", "")) - float(fast.get("width", ""))) < 0.02
    assert slow.get("fill") != fast.get("fill"), "another precision, another colour"


def test_no_word_is_outside_and_what_cannot_run_says_why() -> None:
    drawn = speed_chart("A model", LINES, "pictures a second")
    root = ElementTree.fromstring(drawn)
    texts = {each.text or "": each for each in root.iter(f"{SVG}text")}
    assert "onnx & <odd>" in texts
    (reason,) = [text for text in texts if text.startswith("cannot run")]
    assert reason.endswith("…")
    assert all(0 <= float(each.get("x", "")) <= 680 for each in texts.values())
    assert drawn == speed_chart("A model", LINES, "pictures a second"), "equal inputs give equal bytes"


def test_where_nothing_could_run_there_are_only_reasons() -> None:
    root = ElementTree.fromstring(speed_chart("A model", LINES[2:], "pictures a second"))
    assert [each for each in root.iter(f"{SVG}rect") if each.get("rx") == "2"] == []
