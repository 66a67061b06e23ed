"""Several classes in one picture, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnets.weights.modelfile import save
from tests import tiny
from tests.evaluation.test_several import several_model

Type = Callable[..., Any]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(several_model(("ant", "bee", "owl")), tmp_path / "several.safetensors")
    return tmp_path / "several.safetensors"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    tiny.write_pictures(tmp_path, each=6)
    rows = [f"ant/{k}.png,{'ant|owl' if k % 2 else 'ant'},test\nbee/{k}.png,bee|ant,test" for k in range(6)]
    (tmp_path / "photos.csv").write_text("\n".join(["path,labels,split", *rows]))
    return tmp_path / "photos.csv"


def test_evaluate_prints_how_each_class_was_found(model: Path, table: Path, type_: Type) -> None:
    done = type_("evaluate", model, table, "--device", "cpu")
    assert done.code == 0, done.err
    first, _, calibrated, header, *classes = done.out.splitlines()[-7:]
    assert first.startswith("mAP ")
    assert first.endswith("at 95 %); mean of the classes that occur, 12 pictures")
    assert calibrated.startswith("ECE ")
    assert header.split()[:4] == ["AP", "precision", "recall", "F1"]
    assert [(line.split()[0], line.split()[-1]) for line in classes] == [("ant", "12"), ("bee", "6"), ("owl", "3")]
    told = json.loads(type_("evaluate", model, table, "--device", "cpu", "--json").out)
    assert f"{told['map']:.2%}" in first
    assert [f"{row['average_precision']:.2%}" for row in told["per_class"]] == [line.split()[1] for line in classes]


def test_evaluate_says_what_to_do_where_model_and_pictures_do_not_go_together(
    model: Path, table: Path, tmp_path: Path, type_: Type
) -> None:
    one = tmp_path / "one.safetensors"
    save(tiny.model(classes=("ant", "bee", "owl")), one)
    for words, sentence in (((one, table), "of photos may have several; give"), ((model, "digits"), "names one for e")):
        done = type_("evaluate", *words)
        assert done.code == 2
        assert sentence in done.err


def test_predict_names_all_that_are_above_one_half_or_says_that_none_is(model: Path, table: Path, type_: Type) -> None:
    pictures = table.parent / "ant"
    lines = type_("predict", model, pictures, "--device", "cpu", "--top", "1").out.splitlines()
    records = [
        json.loads(line)
        for line in type_("predict", model, pictures, "--device", "cpu", "--top", "1", "--json").out.splitlines()
    ]
    assert len(lines) == len(records) == 6
    for line, record in zip(lines, records, strict=True):
        found = ", ".join(f"{one['class']} {one['probability']:.1%}" for one in record["classes"])
        nearest = f"none above 50 %: {record['class']} {record['probability']:.1%}"
        assert line == f"{record['path']}  {found or nearest}"
