"""Shards: samples by their keys, labels beside them, and a refusal that names sample and shard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from resnets.data.errors import DataError
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.data.sources.members import MemberSource
from resnets.files.errors import FileError
from tests.data.packing import joined, picture, tarred, zipped


def samples(count: int, kind: str = "cls", first: int = 0) -> dict[str, bytes]:
    """Pictures with labels 0, 1, 0, 1 ..."""
    made = {}
    for n in range(first, first + count):
        text = json.dumps({"label": n % 2}) if kind == "json" else str(n % 2)
        made |= {f"{n:06}.png": picture(n), f"{n:06}.{kind}": text.encode()}
    return made


def shard(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return tarred(path, members)


@pytest.mark.parametrize("kind", ["cls", "json", "txt", "CLS"])
def test_one_tar_of_pairs_is_a_shard(tmp_path: Path, kind: str) -> None:
    read = open_data(shard(tmp_path / "photos.tar", samples(20, kind)))
    assert (read.name, read.classes, read.class_order) == ("photos", ("0", "1"), "given")
    assert isinstance(read.train, MemberSource) and isinstance(read.test, MemberSource)
    assert (len(read.train), len(read.test)) == (16, 4)
    assert read.notes == ("Split 80/20: no shards for testing were given.",)
    for source in (read.train, read.test):
        for index, name in enumerate(source.names):
            assert source.raw(index) == picture(int(name[:6]))
            assert source.labels[index] == int(name[:6]) % 2
    assert read.test.name(0).startswith(f"{tmp_path}/photos.tar/0000")


NAMED = {
    "prefixes": ["train-000.tar", "train-001.tar", "val-000.tar"],
    "names of old": ["imagenet1k-train-0.tar", "imagenet1k-train-1.tar", "imagenet1k-validation-0.tar"],
    "folders": ["train/0.tar", "train/1.tar", "test/0.tar"],
}


@pytest.mark.parametrize("layout", NAMED)
def test_shards_say_of_which_part_they_are(tmp_path: Path, layout: str) -> None:
    for number, name in enumerate(NAMED[layout]):
        shard(tmp_path / "photos" / name, samples(6, first=10 * number))
    read = open_data(tmp_path / "photos")
    assert (read.name, read.split, read.notes) == ("photos", "given", ())
    assert isinstance(read.train, MemberSource) and isinstance(read.test, MemberSource)
    assert [int(name[:6]) for name in read.train.names] == [*range(6), *range(10, 16)]
    assert [int(name[:6]) for name in read.test.names] == [*range(20, 26)]
    assert read.train.raw(7) == picture(11)
    assert read.test.name(0) == str(tmp_path / "photos" / NAMED[layout][2] / "000020.png")
    assert read.train.take(np.array([7, 0])).raw(0) == picture(11)


PATTERNS = {
    "{000..002}": ["000", "001", "002"],
    "{9..11}": ["9", "10", "11"],
    "{a,b}": ["a", "b"],
    "{a,b}-{0..1}": ["a-0", "a-1", "b-0", "b-1"],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_stands_for_shards(tmp_path: Path, pattern: str) -> None:
    for number, name in enumerate(PATTERNS[pattern]):
        shard(tmp_path / "photos" / f"x-{name}.tar", samples(10, first=10 * number))
    shard(tmp_path / "photos" / "x-other.tar", {})
    read = open_data(f"{tmp_path}/photos/x-{pattern}.tar")
    assert len(read.train or ()) + len(read.test or ()) == 10 * len(PATTERNS[pattern])
    assert read.name == "photos"


PATTERN_REFUSALS = [
    ("x-{0..3}.tar", "there is no file {}/x-2.tar"),
    ("x-{3..0}.tar", "{{3..0}} in '{}/x-{{3..0}}.tar' is -2 shards"),
    ("x-{0..999999999}.tar", "is 1,000,000,000 shards; allowed: 1 to 100,000"),
    ("{0..9999}{0..9999}.tar", "is 100,000,000 shards"),
    ("x-{0..3.tar", "is no pattern; allowed: {{000..123}} or {{a,b}}"),
]


@pytest.mark.parametrize(("pattern", "sentence"), PATTERN_REFUSALS)
def test_a_pattern_that_stands_for_nothing_is_refused(tmp_path: Path, pattern: str, sentence: str) -> None:
    for name in ("0", "1"):
        shard(tmp_path / f"x-{name}.tar", samples(10))
    with pytest.raises((DataError, FileError)) as refusal:
        open_data(tmp_path / pattern)
    assert sentence.replace("{}", str(tmp_path)).replace("{{", "{").replace("}}", "}") in str(refusal.value)


NAMES = {
    "classes.txt": "cat\n\ndog\n",
    "labels.json": '["cat", "dog"]',
    "labels.json by number": '{"1": "dog", "0": "cat"}',
    "labels.json by name": '{"dog": 1, "cat": 0}',
    "dataset_info.json": '{"features": {"image": {}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}',
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_file_beside_the_shards_names_the_classes(tmp_path: Path, kind: str) -> None:
    shard(tmp_path / "0.tar", samples(20))
    names = tmp_path / kind.split()[0]
    names.write_text(NAMES[kind], encoding="utf-8")
    read = open_data(tmp_path)
    assert (read.classes, read.class_order) == (("cat", "dog"), "given")
    assert f"Class names are those of {names}." in read.notes


def test_labels_may_be_names(tmp_path: Path) -> None:
    some = {f"{n}.png": picture(n) for n in range(20)} | {f"{n}.cls": f"c{n % 2 * 9 + 1}\n".encode() for n in range(20)}
    shard(tmp_path / "train-0.tar", some)
    shard(tmp_path / "test-0.tar", some)
    assert open_data(tmp_path).classes == ("c1", "c10")
    shard(tmp_path / "test-1.tar", {"x.png": picture(), "x.cls": b"c2"})
    with pytest.raises(DataError, match="hold no picture of class c2; add some, or name these classes"):
        open_data(tmp_path)
    read = open_data(tmp_path, Reading(empty_classes=("c2",), class_order="string"))
    assert (read.classes, read.class_order) == (("c1", "c10", "c2"), "string")
    read = open_data(tmp_path, Reading(empty_classes=("c2",)))
    assert read.classes == ("c1", "c2", "c10")
    assert read.notes[0] == "No picture to train on has c2."
    assert "number 1 is 'c2', and would be 'c10' in string order." in read.notes[1]


def test_what_is_no_sample_is_left_out_and_said(tmp_path: Path) -> None:
    some = samples(20) | {"000003.wav": b"", "__meta__": b"", "__x__/y.cls": b"", ".hidden.png": b"", "readme": b""}
    notes = open_data(shard(tmp_path / "a.tar", some)).notes
    assert notes[1:] == (
        "Not read as pictures: 1 .wav, 1 without ending.",
        "Hidden, so not looked at: 3 files.",
    )


def test_keys_end_at_the_first_dot_and_members_may_come_in_any_order(tmp_path: Path) -> None:
    some = {f"a.b/{n}.crop.png": picture(n) for n in range(20)} | {
        f"a.b/{n}.top.cls": b"%d" % (n % 2) for n in range(20)
    }
    read = open_data(shard(tmp_path / "a.tar", some))
    assert isinstance(read.train, MemberSource)
    pairs = zip(read.train.names, read.train.labels, strict=True)
    assert all(int(name.split("/")[1].split(".")[0]) % 2 == k for name, k in pairs)


ONE = {"x.png": picture()}

REFUSALS: dict[str, tuple[dict[str, bytes], str]] = {
    "no label": (
        samples(4) | ONE,
        "sample 'x' of {} has no label; expected a .cls, a .json with \"label\"",
    ),
    "no picture": (samples(4) | {"x.cls": b"1"}, "sample 'x' of {} has no picture (.jpg, "),
    "two pictures": (samples(4) | ONE | {"x.2.png": b"", "x.cls": b"1"}, "has two pictures, x.png and x.2.png"),
    "two labels": (samples(4) | ONE | {"x.cls": b"1", "x.2.cls": b"1"}, "sample 'x' of {} has two labels .cls"),
    "below 0": (samples(4) | ONE | {"x.cls": b"-1"}, "sample 'x' of {}: its .cls is -1; labels start at 0"),
    "no text": (samples(4) | ONE | {"x.cls": b"\xff"}, "sample 'x' of {}: its .cls is no text in UTF-8"),
    "empty": (samples(4) | ONE | {"x.cls": b" "}, "its .cls is ''; expected a number from 0, or the name of a class"),
    "a caption": (samples(4) | ONE | {"x.txt": b"a cat\non a mat"}, "its .txt is 'a cat\\non a mat'"),
    "too long": (samples(4) | ONE | {"x.cls": bytes(70_000)}, "its .cls has 70,000 bytes; at most 65,536 are read"),
    "no JSON": (samples(4) | ONE | {"x.json": b"{"}, "sample 'x' of {}: of its .json, it holds no JSON"),
    "JSON without": (samples(4) | ONE | {"x.json": b"{}"}, "sample 'x' of {} has no label"),
    "JSON of truth": (samples(4) | ONE | {"x.json": b'{"label": true}'}, "'label' of its .json is True; expected"),
    "numbers and names": (samples(4) | ONE | {"x.cls": b"cat"}, "some labels are numbers (0) and some are names"),
    "a gap": (samples(4) | ONE | {"x.cls": b"4"}, "hold no picture of class 2, 3; add some, or name these classes"),
    "a huge number": (samples(4) | ONE | {"x.cls": b"9" * 18}, "a label is 999,999,999,999,999,999; at most 999,999"),
    "one class": ({"1.png": b"", "1.cls": b"0", "2.png": b"", "2.cls": b"0"}, "hold one class (0); expected two"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_sample_that_is_not_whole_is_refused_by_key_and_shard(tmp_path: Path, name: str) -> None:
    members, sentence = REFUSALS[name]
    path = shard(tmp_path / "a.tar", members)
    with pytest.raises((DataError, FileError)) as refusal:
        open_data(path)
    assert sentence.replace("{}", str(path)) in str(refusal.value)


NAME_REFUSALS = {
    "classes.txt": ("cat\ncat\n", "names the class 'cat' twice"),
    "labels.json": ('{"cat": 0, "dog": 2}', "names no classes; expected"),
    "dataset_info.json": ("[" * 100_000, "holds no JSON|containers"),
}


@pytest.mark.parametrize("name", NAME_REFUSALS)
def test_a_file_that_names_classes_wrongly_is_refused(tmp_path: Path, name: str) -> None:
    text, sentence = NAME_REFUSALS[name]
    shard(tmp_path / "a.tar", samples(20))
    (tmp_path / name).write_text(text)
    with pytest.raises((DataError, FileError)) as refusal:
        open_data(tmp_path)
    assert str(tmp_path / name) in str(refusal.value)
    assert any(part in str(refusal.value) for part in sentence.split("|"))


def test_a_label_that_no_name_stands_for_is_refused(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", samples(4) | ONE | {"x.cls": b"2"})
    (tmp_path / "classes.txt").write_text("cat\ndog")
    with pytest.raises(DataError, match="a label is 2, which is none of the 2 classes that are named"):
        open_data(tmp_path)


def test_a_named_class_without_pictures_is_there_and_said(tmp_path: Path) -> None:
    shard(tmp_path / "train-0.tar", samples(4))
    shard(tmp_path / "test-0.tar", {"x.png": picture(), "x.cls": b"1"})
    (tmp_path / "classes.txt").write_text("cat\ndog\nemu")
    read = open_data(tmp_path)
    assert read.classes == ("cat", "dog", "emu")
    assert read.notes[1:] == ("No picture to train on has emu.", "No picture to test on has cat, emu.")


def test_some_shards_of_a_part_and_some_of_none_are_refused(tmp_path: Path) -> None:
    shard(tmp_path / "train-0.tar", samples(4))
    shard(tmp_path / "more.tar", samples(4))
    with pytest.raises(DataError, match=r"train-0\.tar says of which part it is, and .*more\.tar does not"):
        open_data(tmp_path)


def test_a_tar_of_class_folders_is_no_shard(tmp_path: Path) -> None:
    with_text = joined([""], ("cat", "dog"), 5) | {"cat/0.txt": b"a fine cat", "cat/1.json": b"{}"}
    assert open_data(tarred(tmp_path / "a.tar", with_text)).classes == ("cat", "dog")


def test_a_zip_among_the_shards_is_refused(tmp_path: Path) -> None:
    zipped(tmp_path / "0.tar", samples(4))
    with pytest.raises(DataError, match=r"0\.tar is a zip archive; shards are tar files"):
        open_data(tmp_path)


def test_a_folder_of_class_folders_and_a_tar_is_one_of_classes(tmp_path: Path) -> None:
    from tests.data.packing import unpacked

    unpacked(tmp_path, joined([""], ("cat", "dog"), 5))
    shard(tmp_path / "a.tar", samples(4))
    read = open_data(tmp_path)
    assert read.classes == ("cat", "dog")
    assert "Not read as pictures: 1 .tar." in read.notes


def test_the_fingerprint_is_of_samples_sizes_and_classes(tmp_path: Path) -> None:
    one = open_data(shard(tmp_path / "a" / "0.tar", samples(20)))
    two = open_data(shard(tmp_path / "b" / "0.tar", samples(20)))
    other = open_data(shard(tmp_path / "c" / "0.tar", samples(20) | {"000003.cls": b"0"}))
    assert one.fingerprint == two.fingerprint != other.fingerprint
