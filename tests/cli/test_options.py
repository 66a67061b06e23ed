"""Options: texts to values of the field's own type, or a sentence."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from resnets.cli import app
from resnets.cli.options import parse_facts, parse_reading, parse_settings, parse_size
from resnets.data.augmentation.rows import AUGMENTATIONS
from resnets.data.manifest import LeftOut, Manifest, name_in_manifest, write_manifest
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.weights.modelfile import save
from tests import tiny


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("224", (224, 224)), ("480x640", (480, 640)), ("1", (1, 1)), ("7x99999", (7, 99999))],
)
def test_sizes(text: str | None, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "224X224", "224x0", "0x1", "1e3", "-1", "123456", "224 x 224", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    if text == "٣":  # a digit to Python, and to its int()
        assert parse_size(text) == (3, 3)
        return
    with pytest.raises(ValueError, match="is no size; give a side"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stem=cifar", "cifar"),
        ("blocks=3,4,23,3", (3, 4, 23, 3)),
        ("blocks=2", (2,)),
        ("in_channels=1", 1),
        ("norm_eps=1e-3", 1e-3),
        ("dropout=0", 0.0),
        ("projection_norm=false", False),
        ("projection_norm=Yes", True),
        ("se_reduction=16", 16),
        ("se_reduction=none", None),
        ("conv_bias=stem,last", ("stem", "last")),
        ("conv_bias=", ()),
    ],
)
def test_a_fact_gets_the_type_of_its_field(text: str, value: Any) -> None:
    ((_, parsed),) = parse_facts([text]).items()
    assert parsed == value
    assert type(parsed) is type(value)


def test_no_text_is_no_fact_and_the_last_of_two_counts() -> None:
    assert parse_facts(None) == {}
    assert parse_facts(["stem=deep", "stem=cifar"]) == {"stem": "cifar"}


def test_facts_of_the_network_and_numbers_of_the_recipe_are_told_apart() -> None:
    numbers_given = ["momentum=0.95", "iterations=100", "milestones=0.3,0.6", "decoding=exact"]
    facts, numbers, pixels = parse_settings(["stem=cifar", "dropout=0.1", "alpha=0,9,255", "exif=no", *numbers_given])
    assert facts == {"stem": "cifar", "dropout": 0.1}
    assert numbers == {"momentum": 0.95, "iterations": 100, "milestones": (0.3, 0.6), "decoding": "exact"}
    assert pixels == {"alpha": (0, 9, 255), "exif": False}


def test_how_data_are_read_is_said_in_words() -> None:
    given = ["formats=jpeg,TIFF", "class_order=string", "test_share=0.1", "empty_classes=a-b,c", "group=patient"]
    reading = parse_reading([*given, "numbers=x,y"])
    assert reading.formats == ("JPEG", "TIFF")
    assert (reading.class_order, reading.test_share, reading.empty_classes) == ("string", 0.1, ("a-b", "c"))
    assert (reading.columns.group, reading.columns.numbers, reading.columns.path) == ("patient", ("x", "y"), None)
    assert parse_reading(None, ("BMP",)).formats == ("BMP",)
    assert parse_reading(["formats=PNG"], ("BMP",)).formats == ("PNG",)
    assert Reading.from_dict(reading.to_dict()) == reading


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("groups=patient", "--read groups=patient is not possible; allowed: formats, class_order"),
        ("formats", "--read formats has no value; write --read formats=VALUE"),
        ("formats=HEIC", "formats=HEIC is not possible; allowed: one or more of JPEG"),
        ("test_share=much", "--read test_share=much: 'much' does not fit; give a number"),
        ("test_share=2", "test_share=2.0 is not possible"),
        ("class_order=random", "class_order='random' is not possible; allowed: natural, string"),
    ],
)
def test_a_way_of_reading_that_cannot_be_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_reading([text])
    assert sentence in str(refusal.value)


def test_a_setting_that_is_neither_is_refused() -> None:
    for text, nearest in (("stemm=cifar", "stem"), ("epoch=3", "epochs"), ("mixups=1", "mixup"), ("alfa=0", "alpha")):
        with pytest.raises(ValueError, match=f"there is no such setting. Did you mean '{nearest}'"):
            parse_settings([text])


def test_a_number_of_the_augmentation_is_a_setting() -> None:
    _, numbers, _ = parse_settings(["crop_area=0.25,1", "mixup=0.2", "flip=yes", "policy=none", "lr=0.1"])
    changed = {"crop_area": (0.25, 1.0), "mixup": 0.2, "flip": True, "policy": None}
    assert dict(numbers.pop("augmenting")) == changed
    assert numbers == {"lr": 0.1}
    assert parse_settings(["crop_area=none"])[1] == {"augmenting": (("crop_area", None),)}


@pytest.mark.parametrize("text", ["2,2,3", "2-2-3"])
def test_several_numbers_are_parted_by_commas_or_dashes(text: str) -> None:
    assert parse_facts([f"blocks={text}"]) == {"blocks": (2, 2, 3)}


def test_a_size_is_the_networks_and_not_the_preprocesss() -> None:
    facts, numbers, pixels = parse_settings(["size=32", "resize=40", "decoding=fast"])
    assert (facts, numbers, pixels) == ({"size": 32}, {"decoding": "fast"}, {"resize": 40})


# What each verb hands on.


class Reached(Exception):
    """The work would begin now."""


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Type a command, and return what the function that would do its work is given."""

    def type_until(function: str, *words: object) -> dict[str, Any]:
        module, name = function.rsplit(".", 1)
        work = getattr(importlib.import_module(module), name)
        given: dict[str, Any] = {}

        def stand_in(*args: Any, **settings: Any) -> None:
            given.update(inspect.signature(work).bind(*args, **settings).arguments)
            raise Reached

        with monkeypatch.context() as patch:
            patch.setattr(importlib.import_module(module), name, stand_in)
            result = CliRunner().invoke(app, [str(word) for word in words])
        assert isinstance(result.exception, Reached), result.output or result.exception
        return given | {"said": result.output}

    return type_until


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tiny.write_pictures(tmp_path / "photos", each=10, side=12)


@pytest.fixture
def bitmaps(tmp_path: Path) -> Path:
    """A folder with pictures that only a model which reads BMP can see."""
    folder = tiny.write_pictures(tmp_path / "bitmaps", each=6)
    for path in folder.rglob("*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file of 8x8 pictures on grey ground, which reads BMP."""
    made = tiny.model(classes=("ant", "bee"))
    policy = replace(made.card.preprocess, formats=("BMP",), alpha=(5, 6, 7), resize=10)
    save(replace(made, card=replace(made.card, preprocess=policy)), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def manifest(photos: Path, tmp_path: Path) -> Path:
    """A manifest of the photos that leaves the first one out."""
    data = open_data(photos)
    assert data.train is not None and data.test is not None
    counts = {"train": len(data.train), "test": len(data.test)}
    left = LeftOut(name_in_manifest(data.train, 0), "train", "constant", "grey")
    facts = {"name": data.name, "fingerprint": data.fingerprint, "counts": counts, "settings": {}, "kept": {}}
    write_manifest(tmp_path / "left.json", Manifest(**facts, left_out=(left,)))  # type: ignore[arg-type]
    return tmp_path / "left.json"


Handed = Callable[..., dict[str, Any]]


def test_train_hands_on_every_word(handed_on: Handed, tmp_path: Path) -> None:
    given = handed_on(
        "resnets.training.train.train", "train", "data", "--read", "test_share=0.4", "--manifest", "left.json",
        "--cache", "kept", "--workers", "0", "--worker-kind", "processes", "--fit", "pad", "--set", "alpha=1,2,3",
        "--set", "stem=cifar", "--decoding", "exact", "--augmentation", "photos", "--size", "8x9", "--out", "out",
    )  # fmt: skip
    assert (given["data"], given["model"], given["size"], given["out"]) == ("data", None, (8, 9), Path("out"))
    assert given["reading"] == Reading(test_share=0.4)
    assert (given["manifest"], given["cache"]) == (Path("left.json"), Path("kept"))
    assert (given["workers"], given["kind"]) == (0, "processes")
    assert given["pixels"] == {"fit": "pad", "alpha": (1, 2, 3)}
    assert given["facts"] == {"stem": "cifar"}
    assert given["numbers"] == {"decoding": "exact", "augmentation": "photos"}


def test_train_goes_on_with_workers_and_nothing_else(handed_on: Handed, tmp_path: Path) -> None:
    words = ["train", "data", "--resume", "run"]
    given = handed_on("resnets.training.train.train", *words, "--workers", "2")
    assert (given["resume"], given["workers"], given["reading"]) == (Path("run"), 2, None)
    for option, value in (("--read", "split_seed=1"), ("--manifest", "left.json"), ("--fit", "pad"), ("--cache", "c")):
        result = CliRunner().invoke(app, [*words, option, value])
        assert isinstance(result.exception, ValueError)
        assert f"as it was started; leave out {option}" in str(result.exception)


def test_evaluate_reads_what_the_model_reads_and_decodes_as_asked(
    handed_on: Handed, model: Path, bitmaps: Path
) -> None:
    function = "resnets.evaluation.evaluate.answer"
    given = handed_on(function, "evaluate", model, bitmaps, "--workers", "3", "--decoding", "fast", "--split", "train")
    assert (given["workers"], given["split"], given["batch_size"]) == (3, "train", 256)
    policy = given["model"].card.preprocess
    assert (policy.decoding, policy.alpha, policy.formats) == ("fast", (5, 6, 7), ("BMP",))
    assert "Split 80/20: no train folder was given." in given["said"]
    assert handed_on(function, "evaluate", model, bitmaps)["model"].card.preprocess.decoding == "exact"
    result = CliRunner().invoke(app, ["evaluate", str(model), str(bitmaps), "--decoding", "quick"])
    assert "decoding='quick' is not possible" in str(result.exception)


def test_what_was_found_while_reading_does_not_disturb_json(model: Path, bitmaps: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(model), str(bitmaps), "--device", "cpu", "--json"])
    assert json.loads(done.stdout)["pictures"] == 3
    assert "Split 80/20" in done.stderr


@pytest.mark.parametrize(
    ("function", "words", "source"),
    [
        ("resnets.data.pack.pack", ["pack", "DATA", "a.pack"], lambda given: given["dataset"].train),
        ("resnets.data.bench.bench", ["bench-data", "DATA"], lambda given: given["source"]),
        ("resnets.evaluation.evaluate.answer", ["evaluate", "MODEL", "DATA"], lambda given: given["data"].train),
    ],
    ids=["pack", "bench-data", "evaluate"],
)
def test_pictures_in_a_manifest_are_left_out_by_every_verb(
    function: str, words: list[str], source: Callable[..., Any], handed_on: Handed, photos: Path, manifest: Path,
    model: Path,
) -> None:  # fmt: skip
    places = {"DATA": photos, "MODEL": model}
    reading = ["--read", "formats=PNG"]
    typed = [places.get(word, word) for word in words] + reading
    assert len(source(handed_on(function, *typed))) == 16
    assert len(source(handed_on(function, *typed, "--manifest", manifest))) == 15


def test_pack_decodes_as_the_model_does_and_otherwise_as_train_would(
    handed_on: Handed, model: Path, bitmaps: Path, photos: Path
) -> None:
    function = "resnets.data.pack.pack"
    given = handed_on(function, "pack", bitmaps, "a.pack", "--model", model, "--side", "11", "--workers", "2")
    policy = given["preprocess"]
    assert (policy.size, policy.resize, policy.alpha, policy.formats) == ((8, 8), 10, (5, 6, 7), ("BMP",))
    assert (given["side"], given["workers"], given["path"]) == (11, 2, Path("a.pack"))
    assert "Split 80/20: no train folder was given." in given["said"]
    policy = handed_on(function, "pack", photos, "a.pack", "--size", "16")["preprocess"]
    assert (policy.size, policy.resize, policy.profile, policy.formats) == ((16, 16), 18, "srgb", Reading().formats)
    policy = handed_on(function, "pack", bitmaps, "a.pack", "--read", "formats=bmp")["preprocess"]
    assert (policy.size, policy.formats) == ((224, 224), ("BMP",))


def test_a_pack_that_cannot_be_written_is_refused_before_the_data_are_read(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["pack", str(tmp_path / "absent"), str(tmp_path / "a.bin")])
    assert "does not end in .pack" in str(result.exception)


def test_the_bench_measures_what_was_asked_for(
    handed_on: Handed, model: Path, bitmaps: Path, photos: Path, tmp_path: Path
) -> None:
    function = "resnets.data.bench.bench"
    given = handed_on(
        function, "bench-data", photos, "--size", "16x20", "--batch-size", "3", "--pictures", "9", "--workers", "5",
        "--augmentation", "cifar", "--device", "cpu",
    )  # fmt: skip
    assert (given["batch_size"], given["pictures"], given["workers"]) == (3, 9, 5)
    assert (given["preprocess"].size, given["augmentation"]) == ((16, 20), AUGMENTATIONS["cifar"])
    given = handed_on(function, "bench-data", bitmaps, "--model", model)
    assert (given["preprocess"].size, given["preprocess"].formats) == ((8, 8), ("BMP",))
    assert given["augmentation"] == AUGMENTATIONS["photos"]
    folder = tiny.write_pictures(tmp_path / "parts" / "test", each=4)
    assert len(handed_on(function, "bench-data", folder.parent)["source"]) == 8  # there is nothing to train on
