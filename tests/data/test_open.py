"""Open: what somebody's data are is known by what they hold, and anything else is refused with what may be given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.open import KINDS, open_data
from resnets.data.reading import Reading
from tests.data.packing import joined, picture, tarred, unpacked, zipped

SOME = joined([""], ("cat", "dog"), 5)
PAIRS = {f"{n}.{kind}": data for n in range(20) for kind, data in (("png", picture(n)), ("cls", b"%d" % (n % 2)))}


def csv(path: Path) -> Path:
    unpacked(path.parent, SOME)
    path.write_text("path,label\n" + "".join(f"{name},{name[:3]}\n" for name in SOME))
    return path


GIVEN = {
    "a folder of classes": lambda root: unpacked(root / "photos", SOME),
    "a zip of them": lambda root: zipped(root / "photos.zip", SOME),
    "a zip in capitals": lambda root: zipped(root / "photos.ZIP", SOME),
    "a tar of them": lambda root: tarred(root / "photos.tar", SOME),
    "a shard": lambda root: tarred(root / "photos.tar", PAIRS),
    "a folder of shards": lambda root: tarred(root / "0.tar", PAIRS).parent,
    "a pattern": lambda root: Path(str(tarred(root / "0.tar", PAIRS)).replace("0.tar", "{0..0}.tar")),
    "a table": lambda root: csv(root / "photos.csv"),
}


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("as_text", [True, False])
def test_data_are_known_by_what_they_are(tmp_path: Path, kind: str, as_text: bool) -> None:
    data = GIVEN[kind](tmp_path)
    read = open_data(str(data) if as_text else data)
    assert isinstance(read, DataSet)
    assert len(read.classes) == 2
    assert read.train is not None and read.test is not None
    assert read.train.image(0).size == (3, 2)


def test_a_folder_that_is_called_as_a_pattern_is_a_folder(tmp_path: Path) -> None:
    assert open_data(unpacked(tmp_path / "{a,b}", SOME)).classes == ("cat", "dog")


REFUSALS = [
    ("digitz", "there is no data set, no file and no folder 'digitz'; give one of:\n  digits"),
    ("https://example.com/train-{000..003}.tar", "is not on this machine; fetch it first"),
    ("s3://bucket/photos.zip", "is not on this machine"),
    ("pipe:curl -s x", "is not on this machine"),
    ("x" * 5000, "there is no data set, no file and no folder"),
    ("a\0b", "there is no data set, no file and no folder"),
    (7, "a int is not known as data; give one of:"),
    (None, "a NoneType is not known as data"),
    (["a.jpg"], "a list is not known as data"),
]


@pytest.mark.parametrize(("data", "sentence"), REFUSALS, ids=lambda value: str(value)[:30].replace("\0", "0"))
def test_what_is_no_data_is_refused_with_what_may_be_given(data: object, sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        open_data(data)
    assert sentence in str(refusal.value)


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos.docx").touch()
    with pytest.raises(DataError, match=r"photos\.docx is a file of no kind that is known as data; give one of:"):
        open_data(tmp_path / "photos.docx")


def test_what_may_be_given_fits_a_terminal_and_names_each_kind() -> None:
    assert max(map(len, KINDS.splitlines())) <= 108
    for word in ("digits", "folder", ".zip", ".tar", "table", "shards", "idx", "CIFAR", "pack", "datasets"):
        assert re.search(re.escape(word), KINDS)


def test_a_reading_reaches_every_kind(tmp_path: Path) -> None:
    reading = Reading(test_share=0.5, split_seed=3)
    for kind in ("a folder of classes", "a zip of them", "a shard", "a table"):
        (tmp_path / kind).mkdir()
        read = open_data(GIVEN[kind](tmp_path / kind), reading)
        assert len(read.test or ()) == len(read.train or ())
        assert read.notes[0].startswith("Split 50/50: ")
