"""`resnets check`: its exit codes, what it prints and writes, and that no name moves the terminal's cursor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from resnets.cli import check
from resnets.data.errors import DataError
from resnets.data.manifest import obey, read_manifest
from resnets.data.open import open_data

app = typer.Typer()
app.command()(check.command)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESNETS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "data" / part / name
            folder.mkdir(parents=True)
            for number in range(4):
                Image.fromarray(chance.integers(0, 256, (48, 48, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "data"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_clean_data_exit_with_0(pictures: Path) -> None:
    result = run(pictures)
    assert result.exit_code == 0, result.output
    assert "Nothing was found in 16 pictures." in result.output
    assert "The manifest leaves nothing out." in result.output


def test_findings_exit_with_3_and_are_shown_with_an_example(pictures: Path) -> None:
    (pictures / "train/cat/empty.png").touch()
    result = run(pictures)
    assert result.exit_code == 3
    assert "train/cat/empty.png: it holds nothing: the file is empty" in result.output
    assert "The manifest leaves out 1 pictures: 1 unreadable." in result.output


def test_the_manifest_and_the_report_are_written_and_obeyed(pictures: Path, tmp_path: Path) -> None:
    shutil.copy(pictures / "train/cat/0.png", pictures / "test/cat/same.png")
    result = run(pictures, "--manifest", tmp_path / "m.json", "--report", tmp_path / "r.html")
    assert result.exit_code == 3
    left = obey(open_data(pictures), read_manifest(tmp_path / "m.json"))
    assert left.train is not None and left.test is not None
    assert (len(left.train), len(left.test)) == (7, 9)
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_rules_are_kept_and_left_out_as_asked(pictures: Path) -> None:
    shutil.copy(pictures / "train/cat/0.png", pictures / "test/cat/same.png")
    Image.new("RGB", (48, 48)).save(pictures / "train/dog/black.png")
    result = run(pictures, "--keep", "duplicate-across-splits", "--leave-out", "constant", "--json")
    facts = json.loads(result.stdout)
    assert [entry["rule"] for entry in facts["left_out"]] == ["constant"]
    assert facts["counts"] == {"duplicate-across-splits": 1, "constant": 1}


def test_formats_are_read_when_named(pictures: Path) -> None:
    Image.open(pictures / "train/cat/0.png").rotate(90).save(pictures / "train/cat/a.bmp")
    assert run(pictures).exit_code == 3
    assert run(pictures, "--read", "formats=png,bmp").exit_code == 0


def test_the_stride_is_the_networks(pictures: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(noise).save(pictures / "train/cat/small.png")
    assert "the stride is 32" in run(pictures, "--model", "resnet50").output
    assert run(pictures, "--model", "resnet20_cifar").exit_code == 0


def test_a_refused_folder_says_why_train_would_not_take_it(pictures: Path) -> None:
    for part in ("train", "test"):
        (pictures / part / "eel").mkdir()
    result = run(pictures)
    assert result.exit_code == 3
    assert "train and evaluate refuse these data" in result.output
    assert "empty-class" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--keep", "nonsense"), "'nonsense' is no rule"),
        (("--read", "formats=XCF"), "formats=XCF is not possible"),
        (("--model", "resnet51"), "resnet50"),
        (("--size", "0"), "--size 0 is no size"),
    ],
)
def test_a_wrong_request_is_refused(words: tuple[str, ...], said: str, pictures: Path) -> None:
    result = run(pictures, *words)
    assert isinstance(result.exception, ValueError)  # main() makes 2 of it
    assert said in str(result.exception)


def test_data_that_are_none_are_refused(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere")
    assert isinstance(result.exception, DataError)


def test_a_name_cannot_move_the_cursor(pictures: Path) -> None:
    (pictures / "train/cat/\x1b[2J\u202e.png").touch()
    result = run(pictures)
    assert "\x1b" not in result.output and "\u202e" not in result.output
    assert r"\x1b[2J\u202e.png" in result.output
