"""Pictures from the command line: nothing is left out silently, and a refusal costs nothing."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resnets
from tests import tiny

TINY = ["--model", tiny.ROW, "--set", "blocks=1,1", "--set", "stem_width=4", "--set", "widths=4,8", "--size", "16"]
QUICK = ["--precision", "fp32", "--device", "cpu", "--epochs", "1", "--batch-size", "8", "--recipe", "finetune"]
Type = Callable[..., Any]


def split_folder(root: Path, each: int = 12) -> Path:
    tiny.write_pictures(root / "train", each=each, side=20)
    tiny.write_pictures(root / "test", each=each, side=20)
    chance = np.random.default_rng(1)  # others than those to train on
    for path in sorted((root / "test").rglob("*.png")):
        Image.fromarray(chance.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)
    return root


def test_a_bad_picture_to_test_on_is_named_and_ends_in_3(tmp_path: Path, type_: Type) -> None:
    bad = split_folder(tmp_path / "photos") / "test" / "ant" / "3.png"
    bad.write_text("no picture")
    done = type_("train", tmp_path / "photos", *TINY, *QUICK, "--out", tmp_path / "run")
    assert done.code == 3
    assert done.out.count(f"skipped {bad}: it holds text") == 1
    assert "on 23 pictures" in done.out


def test_what_a_cache_left_out_is_said_each_time(tmp_path: Path, type_: Type) -> None:
    bad = split_folder(tmp_path / "photos") / "train" / "bee" / "5.png"
    bad.write_bytes(b"")
    for number in range(2):
        words = ["--cache", tmp_path / "cache", "--out", tmp_path / f"run{number}"]
        done = type_("train", tmp_path / "photos", *TINY, *QUICK, *words)
        assert done.code == 3
        assert f"skipped {bad}: " in done.out
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_pack_says_what_it_leaves_out(tmp_path: Path, type_: Type) -> None:
    bad = split_folder(tmp_path / "photos") / "train" / "bee" / "5.png"
    bad.write_bytes(b"")
    packed = tmp_path / "a.pack"
    assert type_("pack", tmp_path / "photos", packed).code == 3
    done = type_("train", packed, *TINY, *QUICK, "--out", tmp_path / "run")
    assert f"Left out when these were packed, as they could not be decoded: 1 ({bad})." in done.out


def test_a_refused_start_leaves_its_folder_free(tmp_path: Path, type_: Type, refused: Callable[..., str]) -> None:
    photos, out = split_folder(tmp_path / "photos"), tmp_path / "run"
    words = ["train", photos, *TINY, *QUICK, "--out", out]
    assert "--worker-kind x is not possible; allowed: threads, processes" in refused(*words, "--worker-kind", "x")
    assert not out.exists()
    for number in range(8):
        (photos / "train" / "ant" / f"{number}.png").write_bytes(b"")
    stopped = type_(*words)
    assert stopped.code == 2
    assert "leave them out: resnets check DATA --manifest FILE" in stopped.err
    manifest = tmp_path / "check.json"
    assert type_("check", photos, "--manifest", manifest, "--no-cache").code == 3
    done = type_(*words, "--manifest", manifest)
    assert done.code == 0, done.err
    assert "Left out by the manifest: 8 pictures (8 unreadable)." in done.out
    assert "already holds a run; give another --out, or go on with that one: --resume" in refused(*words)


@pytest.mark.parametrize("place", ["", "runs/a"])
def test_a_run_is_not_put_among_the_pictures(place: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    photos = split_folder(tmp_path / "photos")
    said = refused("train", photos, *TINY, *QUICK, "--out", photos / place)
    assert "would put the run among the pictures of" in said


def test_a_file_is_no_folder_of_a_run(tmp_path: Path, refused: Callable[..., str]) -> None:
    photos = split_folder(tmp_path / "photos")
    (tmp_path / "a.txt").touch()
    assert "is a file; give --out a folder" in refused("train", photos, *TINY, *QUICK, "--out", tmp_path / "a.txt")


def test_a_manifest_and_a_report_are_two_files(tmp_path: Path, refused: Callable[..., str]) -> None:
    photos = split_folder(tmp_path / "photos")
    both = tmp_path / "a.html"
    assert "are both" in refused("check", photos, "--report", both, "--manifest", both)
    assert not both.exists()


@pytest.fixture
def bands(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    for name in ("field", "wood"):
        (tmp_path / "bands" / name).mkdir(parents=True)
        for number in range(10):
            np.save(tmp_path / "bands" / name / f"{number}.npy", chance.integers(0, 60000, (20, 24, 4), np.uint16))
    return tmp_path / "bands"


def test_pictures_of_four_bands_are_checked_measured_and_trained_on(bands: Path, tmp_path: Path, type_: Type) -> None:
    how = ["--read", "formats=NPY", "--set", "in_channels=4"]
    manifest = tmp_path / "check.json"
    checked = type_("check", bands, *how, "--size", "16", "--manifest", manifest, "--json", "--no-cache")
    assert [f for f in json.loads(checked.out)["findings"] if f["rule"] == "unreadable"] == []
    measured = type_("bench-data", bands, *how, "--size", "16", "--workers", "1", "--pictures", "8", "--device", "cpu")
    assert measured.code == 0, measured.err
    words = ["--manifest", manifest, "--augmentation", "none", "--out", tmp_path / "run"]
    done = type_("train", bands, *TINY, *QUICK, *how, *words)
    assert done.code == 0, done.err
    model = tmp_path / "run" / "model.safetensors"
    assert type_("evaluate", model, bands).code == 0
    (answer,) = type_("predict", model, bands / "wood" / "3.npy", "--json").out.splitlines()
    assert json.loads(answer)["class"] in ("field", "wood")


def test_a_table_that_cannot_be_split_is_checked_all_the_same(tmp_path: Path, type_: Type) -> None:
    folder = tiny.write_pictures(tmp_path / "photos", ("ant", "bee", "cat"), each=4)
    rows = [(path.relative_to(tmp_path), path.parent.name) for path in sorted(folder.rglob("*.png"))][:9]
    (folder / "ant" / "0.png").write_bytes(b"")
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    found = json.loads(type_("check", tmp_path / "a.csv", "--json", "--no-cache").out)
    assert {"single-picture", "unreadable"} <= {finding["rule"] for finding in found["findings"]}
    assert "a split needs two" in found["refusal"]


def test_what_is_said_of_a_table_and_there_is_none_is_noted(tmp_path: Path, type_: Type) -> None:
    photos = split_folder(tmp_path / "photos")
    done = type_("check", photos, "--read", "label=kind", "--read", "test_share=0.3", "--no-cache")
    assert "Not used: label=, since there is no table here." in done.out
    assert "Not used: test_share=, since the split is given." in done.out


def test_an_error_of_a_table_says_what_to_type(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "a.csv").write_text("path,Klasse\n1.png,a\n")
    assert "name it (--read label=COLUMN)" in refused("check", tmp_path / "a.csv")


def test_verbs_take_paths_and_a_size_as_a_person_writes_them(tmp_path: Path) -> None:
    photos = split_folder(tmp_path / "photos")
    trained = resnets.train(
        photos, model=tiny.ROW, facts=tiny.SMALL, size=16, epochs=1, batch_size=8, device="cpu", precision="fp32",
        out=tmp_path / "run",
    )  # fmt: skip
    assert trained.model.card.preprocess.size == (16, 16)
    report = resnets.evaluate(trained.path, photos, device="cpu")
    assert trained.report is not None and report.confusion == trained.report.confusion


def test_everything_is_trained_on_where_nothing_is_held_back(tmp_path: Path, type_: Type) -> None:
    photos = tiny.write_pictures(tmp_path / "photos", each=6, side=20)
    done = type_("train", photos, *TINY, *QUICK, "--read", "test_share=none", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "nothing is held back for testing" in done.out
    with (tmp_path / "run" / "split.csv").open() as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"train"}


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "resnets", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "bench-data" in done.stdout
