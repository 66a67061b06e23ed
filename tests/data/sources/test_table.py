"""Table: columns by their headings, labels of every kind, splits and groups, and refusals that name the line."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnets.data.dataset import DataSet
from resnets.data.errors import BadImage, DataError
from resnets.data.reading import Columns, Reading
from resnets.data.source import FileSource, Source
from resnets.data.sources.table import find_table, read_table
from resnets.data.sources.table_parts import ON_VALIDATION
from resnets.data.splits.split import shared_groups
from resnets.files.errors import FileError

READING = Reading()


def table(folder: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    """A table, and the file a/1.jpg that some row of it names."""
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a" / "1.jpg").write_bytes(b"not looked into")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def rows(*cells: str, heading: str = "path,label,split") -> str:
    return "\n".join([heading, *cells]) + "\n"


def names(source: Source | None) -> list[str]:
    assert isinstance(source, FileSource)
    return list(source.names)


def said(dataset: DataSet) -> list[str]:
    """What each picture is, those to train on first."""
    parts = [part for part in (dataset.train, dataset.test) if part is not None]
    return [dataset.classes[label] for part in parts for label in part.labels]


GIVEN = rows("a/1.jpg,cat,train", "b/2.jpg,dog,train", "c/3.jpg,cat,test")


@pytest.mark.parametrize(
    "text",
    [
        GIVEN,
        "\ufeff" + GIVEN,
        GIVEN.replace(",", ";"),
        GIVEN.replace(",", "\t"),
        GIVEN.replace("\n", "\r\n"),
        GIVEN.replace("\n", "\n\n") + ",,\n",
        GIVEN.replace("cat", '" cat "').replace("a/1.jpg", '"a/1.jpg"'),
        rows("train,7,cat,a/1.jpg", "Train,7,dog,b/2.jpg", "TEST,7,cat,c/3.jpg", heading="Set,x,Class,File Name"),
    ],
)
def test_a_table_is_read_whatever_parts_its_cells(tmp_path: Path, text: str) -> None:
    read = read_table(table(tmp_path, text), READING)
    assert (names(read.train), names(read.test)) == (["a/1.jpg", "b/2.jpg"], ["c/3.jpg"])
    assert (read.classes, said(read)) == (("cat", "dog"), ["cat", "dog", "cat"])
    assert (read.split, read.class_order, read.name) == ("given", "natural", "labels")
    assert read.notes == ("No picture to test on has dog.",)
    assert read.train is not None and read.train.name(0) == str(tmp_path / "a/1.jpg")


def test_what_a_table_is_is_known_by_its_ending(tmp_path: Path) -> None:
    assert find_table(table(tmp_path, GIVEN)) and find_table(table(tmp_path, GIVEN, "x.TSV"))
    assert not find_table(tmp_path / "a" / "1.jpg") and not find_table(tmp_path / "none.csv")
    assert not find_table(tmp_path)


def test_absolute_paths_stand_for_themselves(tmp_path: Path) -> None:
    picture = tmp_path / "elsewhere.png"
    Image.new("RGB", (3, 2), (9, 8, 7)).save(picture)
    read = read_table(table(tmp_path, rows(f"{picture},a,train", "b.jpg,b,train", "c.jpg,a,test")), READING)
    assert read.train is not None and read.train.image(0).getpixel((0, 0)) == (9, 8, 7)
    with pytest.raises(BadImage, match=r"there is no file .*b\.jpg"):
        read.train.image(1)


@pytest.mark.parametrize(("order", "expected"), [("natural", ("1", "2", "10")), ("string", ("1", "10", "2"))])
def test_whole_numbers_are_classes_in_the_order_that_was_asked_for(
    tmp_path: Path, order: str, expected: tuple[str, ...]
) -> None:
    text = rows(*[f"a/{n}.jpg,{(1, 2, 10)[n % 3]}" for n in range(1, 31)], heading="path,label")
    read = read_table(table(tmp_path, text), Reading(class_order=order))  # type: ignore[arg-type]
    assert (read.classes, read.class_order) == (expected, order)
    assert np.bincount((read.train or pytest.fail()).labels).tolist() == [8, 8, 8]


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["x|y", "y", "", "z | x"], "Several classes to a picture: the cells of 'labels' are parted by |."),
        (["x;y", "y", "", "z;x;"], "Several classes to a picture: the cells of 'labels' are parted by ;."),
    ],
)
def test_several_classes_are_parted_and_an_empty_cell_is_none_of_them(
    tmp_path: Path, cells: list[str], note: str
) -> None:
    lines = [f'a/{n}.jpg,"{cell}",train' for n, cell in enumerate(cells, 1)]
    read = read_table(table(tmp_path, rows(*lines, "t.jpg,z,val", heading="path,labels,split")), READING)
    assert (read.task, read.classes) == ("classes", ("x", "y", "z"))
    assert read.train is not None
    assert read.train.labels.tolist() == [
        [True, True, False], [False, True, False], [False, False, False], [True, False, True],
    ]  # fmt: skip
    assert read.notes == (note, ON_VALIDATION, "No picture to test on has x, y.")


def test_a_heading_in_the_plural_may_have_empty_cells(tmp_path: Path) -> None:
    read = read_table(
        table(tmp_path, rows("a/1.jpg,x,train", "b,,train", "c,y,test", heading="path,tags,split")), READING
    )
    assert read.task == "classes"
    assert read.notes[0] == "Pictures without a class: some cells of 'tags' are empty."


def test_numbers_are_labels_of_float32(tmp_path: Path) -> None:
    text = rows("a/1.jpg,1.5,-2,train", "b.jpg,1e3,0.1,test", heading="path,x,y,split")
    read = read_table(table(tmp_path, text), Reading(columns=Columns(numbers=("x", "y"))))
    assert (read.task, read.classes) == ("numbers", ("x", "y"))
    assert read.train is not None and read.test is not None
    assert read.train.labels.dtype == np.float32 and read.train.labels.tolist() == [[1.5, -2.0]]
    assert read.test.labels.tolist() == [[1000.0, np.float32(0.1)]]


def test_columns_are_named_where_headings_are_unusual(tmp_path: Path) -> None:
    text = rows("a/1.jpg,cat,train,2", "b,dog,train,1", "c,cat,test,1", heading="where,what,when,who").replace(
        ",dog", ".png,dog"
    )
    text = text.replace("c,cat", "c.png,cat")
    named = Columns(path="where", label="what", split="when", group="WHO")
    read = read_table(table(tmp_path, text), Reading(columns=named))
    assert said(read) == ["cat", "dog", "cat"]
    assert list(shared_groups(read)) == ["1"]
    assert read.notes[-1] == "1 of who have pictures both to train and to test on."


def test_without_a_split_a_group_stays_together_and_the_split_says_so(tmp_path: Path) -> None:
    lines = [f"a/{n}.jpg,{'cat' if n % 2 else 'dog'},p{n // 4}" for n in range(1, 101)]
    path = table(tmp_path, rows(*lines, heading="path,label,patient_id"))
    read = read_table(path, Reading(split_seed=3))
    assert read.split == "made: 0.2 for testing, seed 3, stratified, grouped by patient_id"
    assert len(read.test or ()) == 20 and list(shared_groups(read)) == []
    assert read.group_names[:3] == read.group_names.take(np.arange(3)) and read.group_names[2] == "p2"
    alone = read_table(path, Reading(split_seed=3, columns=Columns(group="")))
    assert alone.split == "made: 0.2 for testing, seed 3, stratified"
    assert alone.train is not None and alone.train.groups is None


def test_pictures_for_validation_are_tested_on_unless_there_are_others(tmp_path: Path) -> None:
    text = rows("a/1.jpg,cat,train", "b.png,dog,train", "c.png,cat,val", "d.png,dog,dev")
    assert names(read_table(table(tmp_path, text), READING).test) == ["c.png", "d.png"]
    read = read_table(table(tmp_path, text + "e.png,cat,test\nf.png,dog,testing\n"), READING)
    assert names(read.test) == ["e.png", "f.png"]
    assert read.notes == ("Not used: 2 pictures for validation, as there are others to test on.",)
    only = read_table(table(tmp_path, rows("a/1.jpg,cat,test", "b,dog,test")), READING)
    assert only.train is None and len(only.test or ()) == 2


def test_rows_that_say_the_same_again_are_read_once_and_counted(tmp_path: Path) -> None:
    text = rows("a/1.jpg,cat,train", "b.jpg,dog,train", "./a//1.jpg,cat,train", "c.bmp,cat,test", "a/1.jpg,cat,train")
    read = read_table(table(tmp_path, text), READING)
    assert names(read.train) == ["a/1.jpg", "b.jpg"]
    assert "2 rows say again what an earlier row says; each picture is read once." in read.notes
    assert read.notes[-1] == "1 paths do not end in .jpg, .jpeg, .png, .webp."


def test_declared_classes_may_have_no_pictures(tmp_path: Path) -> None:
    read = read_table(table(tmp_path, GIVEN), Reading(empty_classes=("ant",)))
    assert read.classes == ("ant", "cat", "dog")


REFUSALS: list[tuple[str | bytes, str]] = [
    ("", "labels.csv has no headings; its first line names the columns, such as path,label"),
    ("path,label\n", "labels has headings and no rows"),
    (
        "where,label\na,b\n",
        "columns 'where', 'label', and none is known as the path of a picture; name it (--read path=COLUMN",
    ),
    (
        "path,what\na,b\n",
        "labels has the columns 'path', 'what', and none is known as the class; name it (--read label=COLUMN",
    ),
    ("path,file,label\na,b,c\n", "and 'path' and 'file' could each be the path"),
    ("path,label,Label\na,b,c\n", "and 'label' and 'Label' could each be the label"),
    ("path,label\na,b,c\n", "labels.csv, line 2 has 3 cells, and the first line has 2; put a cell that has a comma"),
    ('path,label\na,b\nc,"d\n', "line 3 is no CSV: unexpected end of data"),
    ('path,label\na,"b"c\n', "line 2 is no CSV: ',' expected after '\"'"),
    ("path,label\na,b\nc,d\n".encode("utf-16"), "byte ff is not UTF-8; save the table as UTF-8"),
    (b"path,label\n" + b"caf\xe9,x\n", "after 0 rows: byte e9 is not UTF-8"),
    ("path,label\na\0b,c\n", "line 2: the path is 'a\\x00b'; expected one of 1 to 4,096 characters"),
    ("path,label\n,c\n", "line 2: the path is empty"),
    ("path,label\n" + "a" * 5000 + ",c\n", "line 2: the path is 'aaaa"),
    ("path,label\n" + "a" * 200_000 + ",c\n", "is no CSV: field larger than field limit (131072)"),
    ("path,label\n" + "a" * (1 << 20) + ",c\n", "a line has more than 1,048,576 characters; is it a table?"),
    ("path,label\na/1.jpg,x\nb,\n", "line 3: label is empty: the picture has no class"),
    ("path,label\na/1.jpg,x\nb,x\n", "the column 'label' holds 1 classes; expected two or more"),
    ("path,label\na/1.jpg,x|y\nb,x;y\n", "line 3: label is parted by ; and others are parted by |"),
    (rows("a/1.jpg,x,train", "b,y,holdout"), "line 3: split is 'holdout'; allowed: train, test, validation, or name"),
    (rows("a/1.jpg,x,train", "b,y,"), "line 3: split is empty; allowed: train, test, validation"),
    (rows("a/1.jpg,x,train", "b,y,train", "c,z,test"), "no picture to train on is z, and some to test on are"),
    (rows("a/1.jpg,x,train", "b,y,train", "a/1.jpg,y,train"), "a/1.jpg comes twice, with label 'x' ("),
    (rows("a/1.jpg,x,train", "b,y,train", "a/1.jpg,x,test"), "with split 'train' ("),
    (rows("b,x,train", "c,y,test"), "none of the first 2 pictures of labels is there, not even "),
    ("path,label,patient\na/1.jpg,x,p\nb,y,\n", "line 3: patient is empty; give every picture one, or no column"),
    ("path,label\na/1.jpg,x\nb,y\nc,x\n", "class 'y' has one picture, and a split needs two of each class"),
    (
        "path,label,patient\n" + "".join(f"a/{n}.jpg,{'xy'[n > 9]},{'p' if n > 9 else n}\n" for n in range(1, 21)),
        "all pictures of class 'y' are of one group",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_table_that_cannot_be_read_is_refused_by_the_line(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        read_table(table(tmp_path, text), READING)
    assert sentence in str(refusal.value)


NAMED = [
    (
        Columns(label="lable"),
        "labels has the columns 'path', 'label', 'split', and no 'lable' (--read label=). Did you mean",
    ),
    (Columns(numbers=("label",)), "line 2: label is 'cat'; expected a finite number"),
    (Columns(numbers=("label",), label="label"), "label=label and numbers=label are both given"),
    (Columns(group="label"), "the column 'label' of labels cannot be two things"),
]


@pytest.mark.parametrize(("columns", "sentence"), NAMED, ids=lambda value: str(value)[:40])
def test_a_reading_that_does_not_fit_the_table_is_refused(tmp_path: Path, columns: Columns, sentence: str) -> None:
    with pytest.raises(DataError) as refusal:
        read_table(table(tmp_path, GIVEN), Reading(columns=columns))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("cell", ["nan", "inf", "1e39", "", "1_0", "one"])
def test_a_number_that_is_none_is_refused_by_the_line(tmp_path: Path, cell: str) -> None:
    path = table(tmp_path, rows("a/1.jpg,1,train", f"b,{cell},train", heading="path,age,split"))
    with pytest.raises(DataError, match="line 3: age is "):
        read_table(path, Reading(columns=Columns(numbers=("age",))))


def test_the_same_picture_with_other_numbers_is_refused_by_both_lines(tmp_path: Path) -> None:
    path = table(tmp_path, rows("a/1.jpg,1", "b,2", "a/1.jpg,3", heading="path,age"))
    with pytest.raises(DataError, match=r"comes twice, with other numbers \(.*line 2 and .*line 4\)"):
        read_table(path, Reading(columns=Columns(numbers=("age",))))


def test_the_fingerprint_is_of_what_the_table_says_and_of_the_sizes_of_its_files(tmp_path: Path) -> None:
    def fingerprint(text: str) -> str:
        return read_table(table(tmp_path, text + "d.jpg,cat,train\n"), READING).fingerprint

    first = fingerprint(GIVEN)
    assert first == fingerprint(GIVEN.replace("cat", '"cat"'))
    others = [("b/2", "b/3"), ("cat,test", "dog,test"), ("a/1.jpg,cat,train", "a/1.jpg,cat,test")]
    assert len({first, *(fingerprint(GIVEN.replace(*change)) for change in others)}) == 4
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.jpg").write_bytes(b"now it is there")
    assert fingerprint(GIVEN) != first


def test_damaged_tables_are_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(0)
    whole = rows(*[f'a/{n}.jpg,"x|{n % 3}",{("train", "test")[n % 2]}' for n in range(1, 12)]).encode()
    path = table(tmp_path, whole)
    outcomes = set()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 9)] = chance.randbytes(chance.randint(0, 3)) or b'",\r\0;|'
        path.write_bytes(data[: chance.randint(1, len(data))])
        try:
            read_table(path, READING)
            outcomes.add("read")
        except (DataError, FileError):
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


# Parquet

pa = pytest.importorskip("pyarrow")


def parquet(folder: Path, columns: dict[str, object], metadata: dict[bytes, bytes] | None = None) -> Path:
    from pyarrow import parquet

    table(folder, "")
    made = pa.table(columns)
    parquet.write_table(made.replace_schema_metadata(metadata) if metadata else made, folder / "labels.parquet")
    return folder / "labels.parquet"


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (3, 2), value).save(file, "PNG")
    return file.getvalue()


SIDES = ["train", "train", "test", "test"]
PATHS = ["a/1.jpg", "b", "c", "d"]


def test_parquet_has_whole_numbers_lists_and_dictionaries_for_classes(tmp_path: Path) -> None:
    read = read_table(parquet(tmp_path, {"path": PATHS, "label": [10, 2, 10, 2], "split": SIDES}), READING)
    assert (read.classes, said(read)) == (("2", "10"), ["10", "2", "10", "2"])
    coded = pa.array(["b", "a", "b", "a"]).dictionary_encode()
    assert said(read_table(parquet(tmp_path, {"path": PATHS, "label": coded, "split": SIDES}), READING)) == [*"baba"]
    several = read_table(
        parquet(tmp_path, {"path": PATHS, "label": [["b", "a"], [], ["a"], None], "split": SIDES}), READING
    )
    assert several.train is not None and several.train.labels.tolist() == [[True, True], [False, False]]


def test_floats_of_parquet_are_numbers_and_nothing_is_refused(tmp_path: Path) -> None:
    read = read_table(parquet(tmp_path, {"path": PATHS, "target": [1.0, 2.5, 3.0, 4.0], "split": SIDES}), READING)
    assert (read.task, read.classes) == ("numbers", ("target",))
    for missing in (None, float("nan"), float("inf")):
        path = parquet(tmp_path, {"path": PATHS, "target": [1.0, missing, 3.0, 4.0], "split": SIDES})
        with pytest.raises(DataError, match=r"labels\.parquet, row 2: target is "):
            read_table(path, READING)


@pytest.mark.parametrize("as_struct", [True, False])
def test_pictures_in_parquet_are_read_where_they_lie(tmp_path: Path, as_struct: bool) -> None:
    pictures = [png(value) for value in (10, 20, 30)]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "4.png").write_bytes(png(40))
    cells: list[object] = [{"bytes": data, "path": None} for data in pictures] if as_struct else list(pictures)
    cells.append({"bytes": None, "path": "a/4.png"} if as_struct else b"no picture")
    features = '{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["dog", "ant"]}}}}'
    columns = {"image": cells, "label": [0, 1, 1, 0], "split": SIDES}
    read = read_table(parquet(tmp_path, columns, {b"huggingface": features.encode()}), READING)
    assert (read.classes, read.class_order, said(read)) == (("dog", "ant"), "given", ["dog", "ant", "ant", "dog"])
    assert read.train is not None and read.test is not None
    assert [part.image(index).getpixel((0, 0))[0] for part in (read.train, read.test) for index in (0, 1)][:3] == [  # type: ignore[index]
        10, 20, 30,
    ] if as_struct else read.train.raw(1) == pictures[1]  # fmt: skip
    assert read.test.name(1) == "labels.parquet[3]"
    if as_struct:
        assert read.test.raw(1) == png(40)
    else:
        with pytest.raises(BadImage, match=r"labels\.parquet\[3\]: it is no readable"):
            read.test.image(1)


@pytest.mark.parametrize("odd", [b"{", b"[]", b'{"info": 1}', b'{"info": {"features": {"label": 3}}}', b"\xff"])
def test_odd_descriptions_in_parquet_say_nothing(tmp_path: Path, odd: bytes) -> None:
    path = parquet(tmp_path, {"path": PATHS, "label": [0, 1, 0, 1], "split": SIDES}, {b"huggingface": odd})
    assert read_table(path, READING).classes == ("0", "1")


def test_a_number_that_no_class_has_is_refused_by_the_row(tmp_path: Path) -> None:
    features = b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["dog", "ant"]}}}}'
    for odd, sentence in (
        (2, "row 3: label is '2'; the classes have the numbers 0 to 1"),
        (-1, "row 3: label is empty"),
    ):
        path = parquet(tmp_path, {"path": PATHS, "label": [0, 1, odd, 1], "split": SIDES}, {b"huggingface": features})
        with pytest.raises(DataError, match=sentence):
            read_table(path, READING)


def test_damaged_parquet_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(0)
    cells = [{"bytes": png(value), "path": None} for value in range(8)]
    path = parquet(tmp_path, {"image": cells, "label": [*"abababab"], "split": SIDES * 2})
    whole = path.read_bytes()
    outcomes = set()
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data)] * 9 + [chance.randrange(len(data))])])
        try:
            read = read_table(path, READING)
            for part in (read.train, read.test):
                for index in range(len(part or ())):
                    assert part is not None and part.raw(index) is not None
            outcomes.add("read")
        except (DataError, FileError, BadImage):
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize(
    "cells",
    [
        ['["x","y"]', '["y"]', "[]", '[ "z", "x" ]'],
        ['["x","y"]', '["y"]', "", '["z", "x"]'],
    ],
)
def test_a_list_written_as_a_text_is_several_classes(tmp_path: Path, cells: list[str]) -> None:
    lines = [f"""a/{n}.jpg,"{cell.replace('"', '""')}",train""" for n, cell in enumerate(cells, 1)]
    read = read_table(table(tmp_path, rows(*lines, 't.jpg,"[""z""]",test', heading="path,label,split")), READING)
    assert (read.task, read.classes) == ("classes", ("x", "y", "z"))
    assert read.train is not None
    assert read.train.labels.tolist() == [
        [True, True, False], [False, True, False], [False, False, False], [True, False, True],
    ]  # fmt: skip
    assert "are in a list." in read.notes[0]


@pytest.mark.parametrize("cell", ["['x', 'y']", "x", '[""x""', '[[""x""]]', "[1.5]"])
def test_a_cell_among_lists_that_is_none_is_refused(tmp_path: Path, cell: str) -> None:
    text = rows('a/1.jpg,"[""x"",""y""]",train', f'a/2.jpg,"{cell}",train', heading="path,label,split")
    with pytest.raises(DataError, match=r"line 3: label is .*, and others are lists; write each as JSON has it"):
        read_table(table(tmp_path, text), READING)


def test_numbers_in_a_list_are_names(tmp_path: Path) -> None:
    text = rows('a/1.jpg,"[2, 10]",train', 'a/2.jpg,"[10]",test', heading="path,label,split")
    assert read_table(table(tmp_path, text), READING).classes == ("2", "10")


def test_a_class_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    text = rows("a/1.jpg,[none],train", "a/2.jpg,cat,train", "a/3.jpg,cat,test", heading="path,label,split")
    assert read_table(table(tmp_path, text), READING).classes == ("[none]", "cat")
