"""`resnets evaluate --report`: a page beside what is printed, in the language that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from resnets.weights.modelfile import save
from tests import tiny
from tests.cli.conftest import Type
from tests.page.seen import Seen


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(tiny.model(classes=("ant", "bee")), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tiny.write_pictures(tmp_path / "pictures, mine")


def test_the_page_says_what_is_printed_and_how_to_have_it_again(model: Path, pictures: Path, type_: Type) -> None:
    page = model.parent / "report.html"
    words = ("evaluate", model, pictures, "--device", "cpu", "--lang", "zh", "--report", page)
    done = type_(*words)
    html = page.read_text("utf-8")
    assert done.code == 0
    assert f"report    {page}" in done.out
    assert '<html lang="zh-Hans">' in html and not Seen(html).open
    assert done.out.partition("top-1     ")[2].partition(" ")[0] in html
    assert f"&#39;{pictures}&#39; --device cpu --lang zh --report {page}" in html


def test_a_page_may_be_had_beside_json(model: Path, pictures: Path, type_: Type) -> None:
    page = model.parent / "report.html"
    done = type_("evaluate", model, pictures, "--device", "cpu", "--json", "--report", page)
    assert f"{json.loads(done.out)['top1']:.2%}" in page.read_text("utf-8")


def test_pages_that_cannot_be_are_refused_before_anything_is_spent(tmp_path: Path, refused: Callable[..., str]) -> None:
    absent = ("evaluate", "absent.safetensors", "digits")
    assert f"mkdir -p {tmp_path / 'no'}" in refused(*absent, "--report", tmp_path / "no" / "report.html")
    assert "is a folder" in refused(*absent, "--report", tmp_path)
    assert "--lang fr is not possible; allowed: en, zh" in refused(*absent, "--lang", "fr")


@pytest.mark.parametrize("written", ["model", "device"])
def test_a_page_is_not_written_over_what_is_read_nor_over_a_device(
    written: str, model: Path, pictures: Path, type_: Type
) -> None:
    before = model.read_bytes()
    page = model if written == "model" else Path("/dev/null")
    done = type_("evaluate", model, pictures, "--device", "cpu", "--report", page)
    assert done.code == 2
    assert ("is what is read, and would be lost" if written == "model" else "is no regular file") in done.err
    assert model.read_bytes() == before
    assert not Path("/dev/null").is_file()
    assert type_("calibrate", model, pictures, "--out", model).code == 2
    assert model.read_bytes() == before
