"""`resnets pack` and `bench-data`: what they print, and what train and evaluate make of a pack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import tiny

TINY = ["--model", tiny.ROW, "--set", "blocks=1,1", "--set", "stem_width=4", "--set", "widths=4,8", "--size", "16"]
QUICK = ["--precision", "fp32", "--device", "cpu", "--epochs", "1", "--batch-size", "8", "--recipe", "finetune"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_pictures(tmp_path_factory.mktemp("data") / "photos", each=12, side=24)


def test_a_pack_is_trained_on_and_evaluated_like_the_folder(
    photos: Path, tmp_path: Path, type_: Callable[..., Any]
) -> None:
    packed = tmp_path / "photos.pack"
    done = type_("pack", photos, packed, "--size", "16")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1].startswith(f"{packed}: 24 pictures, 0.0 MiB")
    runs = []
    for data in (photos, packed):
        out = tmp_path / f"run-{data.suffix}"
        done = type_("train", data, *TINY, *QUICK, "--augmentation", "none", "--decoding", "exact", "--out", out)
        assert done.code == 0, done.err
        runs.append((out / "model.safetensors").read_bytes())
    assert runs[0] == runs[1]
    answers = [type_("evaluate", tmp_path / "run-" / "model.safetensors", data).out for data in (photos, packed)]
    assert answers[0].splitlines()[-4:] == answers[1].splitlines()[-4:]


def test_what_cannot_be_decoded_is_named_and_ends_in_3(tmp_path: Path, type_: Callable[..., Any]) -> None:
    folder = tiny.write_pictures(tmp_path / "photos", each=60)
    (folder / "ant" / "7.png").write_bytes(b"no picture")
    done = type_("pack", folder, tmp_path / "photos.pack")
    assert done.code == 3
    assert "119 pictures" in done.out
    assert f"left out {folder / 'ant' / '7.png'}: it is no readable" in done.out


def test_a_pack_that_is_there_is_not_written_over(photos: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "a.pack").touch()
    assert "is there already; remove it, or give another name" in refused("pack", photos, tmp_path / "a.pack")
    assert "does not end in .pack" in refused("pack", photos, tmp_path / "a.bin")


def test_the_bench_prints_a_line_for_each_step_and_json(photos: Path, type_: Callable[..., Any]) -> None:
    words = ["bench-data", photos, "--size", "16", "--workers", "1", "--pictures", "8", "--device", "cpu"]
    done = type_(*words)
    assert (done.code, done.err) == (0, "")
    assert [line.split("  ")[0] for line in done.out.splitlines()][1:4] == ["disk", "decode, exact", "decode, fast"]
    facts = json.loads(type_(*words, "--json").out)
    assert all(rate["images_per_second"] > 0 for rate in facts["rates"])
    assert len(facts["rates"]) == 10


def test_the_bench_says_what_fast_decoding_changes_in_a_models_answers(
    photos: Path, tmp_path: Path, type_: Callable[..., Any]
) -> None:
    type_("train", photos, *TINY, *QUICK, "--out", tmp_path / "run")
    model = tmp_path / "run" / "model.safetensors"
    words = ["bench-data", photos, "--model", model, "--workers", "1", "--pictures", "8", "--device", "cpu"]
    assert "on fast decoding; " in type_(*words).out.splitlines()[-1]
    found = json.loads(type_(*words, "--json").out)["drift"]
    assert (found["pictures"], found["tolerance"]) == (5, 0.002)


def test_an_augmentation_that_is_not_there_is_refused(photos: Path, refused: Callable[..., str]) -> None:
    assert "--augmentation x is not possible; allowed: none" in refused("bench-data", photos, "--augmentation", "x")
