"""evaluate, compare and calibrate as a person types them, and what predict says that it does not know."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnets.weights.modelfile import load, save
from tests import tiny
from tests.evaluation.test_several import several_model

Type = Callable[..., Any]
CPU = ("--device", "cpu")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(tiny.model(classes=("ant", "bee")), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tiny.write_pictures(tmp_path / "photos" / "test", each=8).parent


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two classes, seen by two cameras; of two pictures nobody knows which, nor of any when but of some."""
    tiny.write_pictures(tmp_path / "pictures", each=6)
    cameras = ("north", "south", "")
    rows = [
        f"pictures/{name}/{k}.png,{name},test,{cameras[k % 3]},{2020 + k if k else ''}"
        for name in ("ant", "bee")
        for k in range(6)
    ]
    path = tmp_path / "photos.csv"
    path.write_text("\n".join(["path,label,split,Camera Site,year", *rows]))
    return path


def test_evaluate_says_everything_in_lines_and_as_json(model: Path, photos: Path, type_: Type) -> None:
    done = type_("evaluate", model, photos, *CPU)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    said = json.loads(type_("evaluate", model, photos, *CPU, "--json").out)
    assert lines[0].startswith(f"top-1     {said['top1']:.2%}  (")
    assert {"top1", "top5", "f1"} == set(said["intervals"])
    assert any(line.startswith("F1 ") for line in lines) and any(line.startswith("ECE ") for line in lines)
    assert [line.split()[0] for line in lines if " of 8" in line] == ["ant", "bee"]
    assert set(said["calibration"]) == {"temperature", "source", "before", "after"}
    assert said["coverage"]["points"][-1]["coverage"] == 1


@pytest.mark.parametrize("views", ["one", "flips"])
def test_evaluate_shows_the_views_that_are_asked_for(views: str, model: Path, photos: Path, type_: Type) -> None:
    said = json.loads(type_("evaluate", model, photos, *CPU, "--views", views, "--json").out)
    plain = json.loads(type_("evaluate", model, photos, *CPU, "--json").out)
    assert (said == plain) == (views == "one")


def test_evaluate_refuses_views_that_are_not_possible(model: Path, photos: Path, refused: Callable[..., str]) -> None:
    assert "resizes to no more than its 8x8; --views flips" in refused(
        "evaluate", model, photos, *CPU, "--views", "ten-crop"
    )
    assert "--views five is not possible; allowed: one, flips, ten-crop" in refused(
        "evaluate", model, photos, "--views", "five"
    )


def test_evaluate_says_how_classes_were_matched(tmp_path: Path, photos: Path, type_: Type) -> None:
    save(tiny.model(classes=("bee", "ant")), tmp_path / "turned.safetensors")
    done = type_("evaluate", tmp_path / "turned.safetensors", photos, *CPU)
    assert done.code == 0
    assert done.out.startswith("the data's classes stand in another order than the model's")
    told = type_("evaluate", tmp_path / "turned.safetensors", photos, *CPU, "--json")
    assert json.loads(told.out)["notes"] == [told.err.strip()]


def test_evaluate_maps_classes_only_where_asked(
    tmp_path: Path, photos: Path, type_: Type, refused: Callable[..., str]
) -> None:
    path = tmp_path / "three.safetensors"
    save(tiny.model(classes=("ant", "cat", "wasp")), path)
    sentence = refused("evaluate", path, photos, *CPU)
    assert "the data lacks cat, wasp; the model does not know bee. --map common" in sentence
    done = type_("evaluate", path, photos, *CPU, "--map", "common")
    assert done.code == 0, done.err
    assert "pictures of bee are left out: the model does not know them" in done.out
    assert "the data lacks cat, wasp" in done.out
    names = tmp_path / "names.json"
    names.write_text('{"bee": "wasp"}')
    told = type_("evaluate", path, photos, *CPU, "--map", names, "--json")
    assert told.code == 0, told.err
    assert "bee is wasp" in told.err
    assert json.loads(told.out)["pictures"] == 16
    names.write_text('{"bee": null}')
    assert json.loads(type_("evaluate", path, photos, *CPU, "--map", names, "--json").out)["pictures"] == 8
    for text, reason in (
        ('["bee"]', "holds something else; give common, or a file with one JSON object"),
        ('{"bee": 3}', "holds something else"),
    ):
        names.write_text(text)
        assert reason in refused("evaluate", path, photos, "--map", names)


def expected_slices(table: Path, column: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in table.read_text().splitlines()[1:]:
        value = line.split(",")[column] or "(empty)"
        counts[value] = counts.get(value, 0) + 1
    return counts


def test_evaluate_slices_by_the_columns_of_a_table(model: Path, table: Path, type_: Type) -> None:
    done = type_("evaluate", model, table, *CPU, "--slice", "camera_site", "--slice", "year", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["slices"]
    for name, column in (("camera_site", 3), ("year", 4)):
        counted = {one["value"]: one["pictures"] for one in found if one["column"] == name}
        assert counted == expected_slices(table, column)
        shares = [one["top1"]["value"] for one in found if one["column"] == name]
        assert shares == sorted(shares)
    text = type_("evaluate", model, table, *CPU, "--slice", "year").out
    assert "year (empty)" in text and "year 2025" in text


@pytest.mark.parametrize("inside", [False, True])
def test_evaluate_slices_by_a_column_of_parquet(inside: bool, model: Path, table: Path, type_: Type) -> None:
    """As pandas writes it, a whole number beside an empty cell is 2021.0; and pictures may lie in the table itself."""
    import pyarrow
    from pyarrow import parquet

    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    paths = [row[0] for row in rows]
    columns: dict[str, Any] = {
        "image": [{"bytes": (table.parent / path).read_bytes(), "path": None} for path in paths] if inside else paths,
        "label": [row[1] for row in rows],
        "split": ["test"] * 12,
        "camera": [row[3] or None for row in rows],
        "year": pyarrow.array([float(row[4]) if row[4] else None for row in rows], pyarrow.float64()),
    }
    parquet.write_table(pyarrow.table(columns), table.with_suffix(".parquet"))
    done = type_(
        "evaluate", model, table.with_suffix(".parquet"), *CPU, "--slice", "camera", "--slice", "year", "--json"
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)["slices"]
    by_hand = json.loads(
        type_("evaluate", model, table, *CPU, "--slice", "Camera Site", "--slice", "year", "--json").out
    )["slices"]
    assert [one | {"column": ""} for one in found] == [one | {"column": ""} for one in by_hand]


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (
            "lens",
            "photos has no columns called 'lens'; its columns are 'path', 'label', 'split', 'Camera Site', 'year'",
        ),
        ("path", "photos has the paths in 'path'"),
    ],
)
def test_a_column_that_is_no_slice_is_refused(
    column: str, sentence: str, model: Path, table: Path, photos: Path, refused: Callable[..., str]
) -> None:
    assert sentence in refused("evaluate", model, table, *CPU, "--slice", column)
    assert "is no table, so it has no column" in refused("evaluate", model, photos, *CPU, "--slice", column)


def test_a_picture_that_comes_twice_has_one_value(model: Path, table: Path, refused: Callable[..., str]) -> None:
    table.write_text(table.read_text() + "\npictures/ant/0.png,ant,test,south,")
    assert "comes twice, with Camera Site 'north'" in refused("evaluate", model, table, *CPU, "--slice", "Camera Site")


def test_compare_says_what_differs_and_whether_a_gap_is_noise(
    tmp_path: Path, model: Path, photos: Path, type_: Type
) -> None:
    other = tmp_path / "other.safetensors"
    save(tiny.model(1, classes=("bee", "ant"), norm_eps=1e-3), other)
    done = type_("compare", model, other, photos, *CPU)
    assert done.code == 0, done.err
    assert done.out.startswith("second: the data's classes stand in another order")
    assert "norm_eps           1e-05 | 0.001  (changes answers where a channel varies little)" in done.out
    assert "preprocess: the same" in done.out and "ant, bee | bee, ant" in done.out
    assert done.out.rstrip().splitlines()[-1].startswith("gap ") and "McNemar's p" in done.out
    told = type_("compare", model, other, photos, *CPU, "--json")
    facts = json.loads(told.out)
    assert facts["paired"]["pictures"] == 16
    assert [fact["fact"] for fact in facts["architecture"]] == ["norm_eps"]
    assert len(facts["reports"]) == 2 and facts["notes"] == [told.err.strip()]


def test_compare_needs_no_data_and_refuses_other_classes_on_some(
    tmp_path: Path, model: Path, photos: Path, type_: Type, refused: Callable[..., str]
) -> None:
    other = tmp_path / "other.safetensors"
    save(tiny.model(classes=("ant", "bee", "cow")), other)
    done = type_("compare", model, other)
    assert done.code == 0
    assert "classes            none | cow  (what each has and the other lacks)" in done.out
    assert json.loads(type_("compare", model, other, "--json").out)["paired"] is None
    assert "only the second knows cow. On pictures only models of the same" in refused("compare", model, other, photos)
    assert "--split some is not possible" in refused("compare", model, model, photos, "--split", "some")


def test_compare_names_calibration_and_equal_weights(tmp_path: Path, model: Path, type_: Type) -> None:
    again = tmp_path / "again.safetensors"
    loaded = load(model)
    save(replace(loaded, card=replace(loaded.card, calibration={"temperature": 1.5})), again)
    done = type_("compare", model, again)
    assert "  temperature        None | 1.5  (what logits are divided by" in done.out
    assert "weights: the same, to the bit" in done.out
    assert json.loads(type_("compare", model, again, "--json").out)["same_numbers"] is True
    other = tmp_path / "other.safetensors"
    save(tiny.model(classes=("ant", "bee"), seed=5), other)
    assert "weights: other ones" in type_("compare", model, other).out


def test_every_picture_of_a_folder_that_gives_no_split_is_asked_about(model: Path, tmp_path: Path, type_: Type) -> None:
    flat = tiny.write_pictures(tmp_path / "flat", each=10)
    out = tmp_path / "out.safetensors"
    for words in (("evaluate", model, flat), ("calibrate", model, flat, "--out", out)):
        for split, pictures in (("test", 4), ("train", 16), ("all", 20)):
            done = type_(*words, *CPU, "--split", split, "--json")
            assert json.loads(done.out)["pictures"] == pictures
    said = json.loads(type_("compare", model, model, flat, *CPU, "--split", "all", "--json").out)
    assert [report["pictures"] for report in said["reports"]] == [20, 20]


def test_calibrate_says_where_it_does_not_help(tmp_path: Path, type_: Type) -> None:
    path, out = tmp_path / "model.safetensors", tmp_path / "out.safetensors"
    save(tiny.model(classes=("ant", "bee"), seed=5), path)
    few = tiny.write_pictures(tmp_path / "few", each=3)
    done = type_("calibrate", path, few, *CPU, "--split", "all", "--out", out, "--json")
    found = json.loads(done.out)
    before, after = (found["cross_fitted"][when]["loss"] for when in ("before", "after"))
    assert after > before, "six pictures, and a network that was never trained: this plants it"
    assert done.code == 3 and out.exists()
    assert found["warning"].startswith("the temperature does not help: on pictures it was not fitted to, the loss grew")


@pytest.mark.parametrize(
    ("verb", "option", "place", "reason"),
    [
        ("evaluate", "--report", "absent/page.html", "there is no folder"),
        ("evaluate", "--report", "", "is a folder; give the name of a file in it"),
        ("calibrate", "--out", "absent/m.safetensors", "there is no folder"),
        ("calibrate", "--out", "", "is a folder; give the name of a file in it"),
    ],
)
def test_what_could_not_be_written_is_refused_before_anything_is_read(
    verb: str, option: str, place: str, reason: str, model: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    sentence = refused(verb, model, tmp_path / "nowhere", option, tmp_path / place)
    assert sentence.startswith(f"{option} {tmp_path / place}") and reason in sentence


@pytest.mark.parametrize(("verb", "option"), [("evaluate", "--report"), ("calibrate", "--out"), ("train", "--out")])
def test_a_folder_in_which_nobody_may_write_is_named(
    verb: str,
    option: str,
    model: Path,
    photos: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    words = (verb, photos) if verb == "train" else (verb, model, photos)
    sentence = refused(*words, option, tmp_path / "page")
    assert f"cannot be written in: {tmp_path} is read-only to you" in sentence
    assert "give another" in sentence


@pytest.mark.parametrize("text", ["[", "nothing"])
def test_a_map_that_cannot_be_read_is_named_with_its_option(
    text: str, tmp_path: Path, model: Path, photos: Path, refused: Callable[..., str]
) -> None:
    path = tmp_path / "map.json"
    if text == "[":
        path.write_text(text)
    for words in (("evaluate", model, photos), ("compare", model, model, photos)):
        sentence = refused(*words, "--map", path)
        assert sentence.startswith(f"--map {path}")
        assert 'give common, or a file with one JSON object: {"data\'s name"' in sentence


@pytest.mark.parametrize("verb", ["compare", "calibrate"])
def test_a_picture_that_cannot_be_read_is_named_and_ends_in_3(
    verb: str, model: Path, photos: Path, tmp_path: Path, type_: Type
) -> None:
    bad = photos / "test" / "ant" / "2.png"
    bad.write_bytes(b"no picture")
    words = {"compare": (model, model, photos), "calibrate": (model, photos, "--out", tmp_path / "out.safetensors")}
    done = type_(verb, *words[verb], *CPU)
    assert done.code == 3
    assert done.out.count(f"skipped {bad}: ") == 1
    told = type_(verb, *words[verb], *CPU, "--json")
    assert told.code == 3
    assert str(bad) in json.dumps(json.loads(told.out))


def test_calibrate_writes_a_model_that_predict_and_evaluate_obey(
    model: Path, photos: Path, tmp_path: Path, type_: Type
) -> None:
    out = tmp_path / "calibrated.safetensors"
    done = type_("calibrate", model, photos, "--out", out, "--coverage", "0.75", *CPU)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].startswith("temperature ") and "75% of such pictures get an answer" in done.out
    told = json.loads(type_("calibrate", model, photos, "--out", out, "--coverage", "0.75", *CPU, "--json").out)
    assert told["calibration"].keys() == {"temperature", "unknown_below", "coverage"} and told["pictures"] == 16
    lines = type_("predict", out, photos, *CPU).out.splitlines()
    assert sum("  unknown: " in line for line in lines) == 4
    records = [json.loads(line) for line in type_("predict", out, photos, *CPU, "--json").out.splitlines()]
    assert sum(record["class"] is None and record["unknown"] for record in records) == 4
    assert "unknown" not in type_("predict", model, photos, *CPU).out
    judged = json.loads(type_("evaluate", out, photos, *CPU, "--json").out)
    assert judged["calibration"]["temperature"] == told["calibration"]["temperature"]
    assert "at temperature" in type_("evaluate", out, photos, *CPU).out


def test_calibrate_refuses_what_is_not_possible_and_writes_nothing(
    model: Path, photos: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    out, several = tmp_path / "out.safetensors", tmp_path / "several.safetensors"
    save(several_model(("ant", "bee")), several)
    assert "coverage=2.0 is not possible" in refused("calibrate", model, photos, "--out", out, "--coverage", "2")
    assert "each class has its own answer" in refused("calibrate", several, photos, "--out", out, "--coverage", "0.9")
    assert "names one for each" in refused("calibrate", several, photos, "--out", out)
    assert "has no train pictures" in refused("calibrate", model, photos, "--out", out, "--split", "train")
    assert not out.exists()
