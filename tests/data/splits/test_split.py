"""Split: groups on one side, classes in their share, several classes and numbers alike, and the file that keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.names import Names
from resnets.data.source import ArraySource, FileSource, Labels
from resnets.data.splits.split import describe_split, shared_groups, split
from resnets.data.splits.split_file import split_difference, write_split
from resnets.files.errors import FileError


def source(labels: Labels, groups: np.ndarray | None = None) -> ArraySource:
    return ArraySource(np.zeros((len(labels), 1, 1, 1), np.uint8), labels, "toy", groups=groups)


def grouped(seed: int, groups: int = 60, classes: int = 4) -> ArraySource:
    """Groups of 1 to 30 pictures, most of one class each, and classes as unlike in size as 1, 2, 3 and 4."""
    chance = np.random.default_rng(seed)
    sizes = chance.integers(1, 31, groups)
    mostly = chance.choice(classes, groups, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2))
    numbers = np.repeat(np.arange(groups), sizes)
    labels = np.where(chance.random(len(numbers)) < 0.8, mostly[numbers], chance.integers(0, classes, len(numbers)))
    return source(labels.astype(np.int64), numbers.astype(np.int64))


def misfit(labels: np.ndarray, held: np.ndarray, share: float) -> float:
    """How far the held share of the classes, and of all, is from `share`, at most."""
    shares = [held.mean(), *(held[labels == each].mean() for each in np.unique(labels))]
    return float(np.abs(np.array(shares) - share).max())


def held_of(given: ArraySource, test: ArraySource) -> np.ndarray:
    assert test.positions is not None
    return np.isin(np.arange(len(given)), test.positions)


@pytest.mark.parametrize("seed", range(8))
def test_a_group_is_never_parted_and_classes_keep_their_share_better_than_in_scikit_learns_folds(seed: int) -> None:
    given = grouped(seed)
    rest, held = split(given, 0.2, seed)
    assert isinstance(rest, ArraySource) and isinstance(held, ArraySource)
    assert rest.groups is not None and held.groups is not None
    assert np.intersect1d(rest.groups, held.groups).size == 0 and len(rest) + len(held) == len(given)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(given.labels, given.labels, given.groups)
    theirs = [misfit(given.labels, np.isin(np.arange(len(given)), fold), 0.2) for _, fold in folds]
    assert misfit(given.labels, held_of(given, held), 0.2) <= min(0.03, *theirs)


def test_a_split_by_groups_is_a_function_of_its_seed(share: float = 0.3) -> None:
    given = grouped(0, groups=300)
    tests = [split(given, share, seed)[1] for seed in (1, 1, 2)]
    positions = [held_of(given, test).tolist() for test in tests if isinstance(test, ArraySource)]
    assert positions[0] == positions[1] != positions[2]
    assert all(misfit(given.labels, np.array(each), share) < 0.01 for each in positions)


def test_a_class_of_two_groups_is_on_both_sides() -> None:
    labels = np.array([0] * 300 + [1] * 2, np.int64)
    groups = np.array([*np.arange(300) // 3, 1000, 1001], np.int64)
    for seed in range(10):
        rest, held = split(source(labels, groups), 0.1, seed)
        assert np.bincount(rest.labels)[1] == np.bincount(held.labels)[1] == 1
        assert abs(len(held) - 30.2) < 3


def test_a_giant_group_stays_to_train_on() -> None:
    labels = np.tile(np.array([0, 1]), 500).astype(np.int64)
    groups = np.where(np.arange(1000) < 700, 0, np.arange(1000) // 10).astype(np.int64)
    rest, held = split(source(labels, groups), 0.2, 0)
    assert rest.groups is not None and 0 in rest.groups
    assert np.bincount(held.labels).tolist() == [100, 100]


def test_each_of_several_classes_keeps_its_share_and_the_number_is_the_one_asked_for() -> None:
    chance = np.random.default_rng(0)
    common = np.array([0.5, 0.3, 0.1, 0.05, 0.01, 0.004])
    labels = chance.random((2000, 6)) < common
    for held in (0.25, 337):
        rest, test = split(source(labels), held, seed=5)
        count = 500 if held == 0.25 else 337
        assert (len(test), len(rest)) == (count, 2000 - count)
        difference = test.labels.sum(axis=0) - labels.sum(axis=0) * count / 2000
        assert np.abs(difference).max() <= 1.5
        assert test.labels.any(axis=0).all() and rest.labels.any(axis=0).all()


def test_several_classes_keep_their_share_by_groups_too() -> None:
    chance = np.random.default_rng(1)
    labels = chance.random((1200, 3)) < [0.5, 0.2, 0.05]
    groups = (np.arange(1200) // 6).astype(np.int64)
    rest, test = split(source(labels, groups), 0.2, seed=0)
    assert rest.groups is not None and test.groups is not None
    assert np.intersect1d(rest.groups, test.groups).size == 0
    assert np.abs(test.labels.mean(axis=0) - labels.mean(axis=0)).max() < 0.005


def test_numbers_are_split_so_that_small_and_large_ones_are_on_both_sides() -> None:
    numbers = np.random.default_rng(0).lognormal(size=(1000, 2)).astype(np.float32)
    rest, test = split(source(numbers), 0.2, seed=0)
    assert (len(rest), len(test)) == (800, 200)
    edges = np.quantile(numbers, [0.1, 0.5, 0.9], axis=0)
    assert np.abs((test.labels[None] < edges[:, None]).mean(axis=1).T - [0.1, 0.5, 0.9]).max() < 0.01
    constant, _ = split(source(np.ones((10, 1), np.float32)), 3, seed=0)
    assert len(constant) == 7


@pytest.mark.parametrize(
    ("labels", "groups", "held", "sentence"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 2], 0.5, "all pictures of class 0 are of one group"),
        ([0, 0, 1, 1], [5, 5, 5, 5], 0.5, "all pictures are of one group"),
        ([0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 1, 1], 7, "7 of 6 pictures cannot be held back"),
        ([0, 1, 0, 2, 1, 2], [0, 0, 1, 1, 2, 2], 3, "the groups leave nothing of class"),
    ],
)
def test_groups_that_cannot_be_split_are_refused(
    labels: list[int], groups: list[int], held: float, sentence: str
) -> None:
    with pytest.raises(DataError) as refusal:
        split(source(np.array(labels, np.int64), np.array(groups, np.int64)), held, seed=0)
    assert sentence in str(refusal.value)


def test_numbers_and_several_classes_cannot_all_be_held_back() -> None:
    for labels in (np.ones((4, 2), bool), np.ones((4, 2), np.float32)):
        with pytest.raises(DataError, match="leaves none to train on"):
            split(source(labels), 0.9, seed=0)


def test_how_a_split_was_made_is_said() -> None:
    assert describe_split(0.2, 0) == "made: 0.2 for testing, seed 0, stratified"
    assert describe_split(0.15, 7, "patient") == "made: 0.15 for testing, seed 7, stratified, grouped by patient"


# The file that keeps a split

AWKWARD = ("a/1.jpg", 'quoted "name", with comma.png', "line\nbreak\rand return.jpg", "caf\udce9.jpg", "日本.png")


def dataset(train: tuple[str, ...], test: tuple[str, ...] | None, root: str = "photos") -> DataSet:
    def files(names: tuple[str, ...]) -> FileSource:
        labels = np.arange(len(names), dtype=np.int64) % 2
        return FileSource(Names(names), labels, root, groups=labels + len(names))

    parts = (files(train), None if test is None else files(test))
    return DataSet(name="toy", classes=("a", "b"), train=parts[0], test=parts[1], fingerprint="")


def test_a_split_is_written_as_names_and_sides(tmp_path: Path) -> None:
    write_split(dataset(("a.jpg", "b,c.jpg"), ("d.jpg",)), tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_bytes() == b'name,split\r\na.jpg,train\r\n"b,c.jpg",train\r\nd.jpg,test\r\n'
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


def test_the_same_split_is_known_again_whatever_its_names_and_wherever_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    write_split(dataset(AWKWARD, ("x",)), path)
    assert split_difference(dataset(AWKWARD, ("x",), root="/elsewhere"), path) is None


@pytest.mark.parametrize(
    ("train", "test", "difference"),
    [
        (("a", "b"), ("d",), "picture 3 is d to test on, and was c to train on"),
        (("a", "b", "c", "d"), None, "picture 4 is d to train on, and was d to test on"),
        (("b", "a", "c"), ("d",), "picture 1 is b to train on, and was a to train on"),
        (("a", "b", "c"), (), "picture 4 is not there, and was d to test on"),
        (("a", "b", "c"), ("d", "e"), "picture 5 is e to test on, and was not there"),
    ],
)
def test_another_split_is_told_by_the_first_picture(
    tmp_path: Path, train: tuple[str, ...], test: tuple[str, ...] | None, difference: str
) -> None:
    write_split(dataset(("a", "b", "c"), ("d",)), tmp_path / "split.csv")
    assert split_difference(dataset(train, test), tmp_path / "split.csv") == difference


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "its first line is not name,split"),
        ("name,split\na\n", "picture 1 has 1 cells, not 2"),
        ('name,split\n"a,train', "is no split: unexpected end of data"),
        ("name,split\n" + "a" * 70_000, "a line has more than 65,536 characters"),
    ],
)
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError) as refusal:
        split_difference(dataset(("a",), ("b",)), tmp_path / "split.csv")
    assert sentence in str(refusal.value)
    with pytest.raises(FileError, match="there is no file"):
        split_difference(dataset(("a",), ("b",)), tmp_path / "none.csv")


def test_groups_on_both_sides_are_named() -> None:
    given = dataset(("a", "b"), ("c", "d", "e"))  # groups 2 and 3; 3 and 4
    assert list(shared_groups(given)) == ["3"]
    assert list(shared_groups(dataset(("a", "b"), None))) == []
    arrays = [source(np.zeros(2, np.int64), np.array(each, np.int64)) for each in ([0, 1], [1, 2])]
    named = DataSet(
        name="toy", classes=("a",), train=arrays[0], test=arrays[1], fingerprint="", group_names=Names(["x", "y", "z"])
    )
    assert list(shared_groups(named)) == ["y"]
