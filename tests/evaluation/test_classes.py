"""Classes by their names: another order is mapped and said, other classes are refused, or mapped where asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.reading import Reading
from resnets.data.source import ArraySource
from resnets.evaluation.classes import match_classes
from resnets.evaluation.evaluate import answer, evaluate
from resnets.evaluation.report import Report
from tests import tiny
from tests.evaluation.test_several import FIVE, several_data, several_model

ABC = ("a", "b", "c")


def test_places_lead_from_the_datas_labels_to_the_models() -> None:
    found = match_classes(ABC, ("c", "a", "b"))
    assert (found.places.tolist(), found.judged.tolist()) == ([2, 0, 1], [0, 1, 2])
    assert found.notes == ("the data's classes stand in another order than the model's; they are matched by name",)
    assert match_classes(ABC, ABC).notes == ()


@pytest.mark.parametrize(
    ("theirs", "sentence"),
    [
        (("a", "b"), r"classes of data and model differ: the data lacks c\. --map common"),
        (("a", "b", "c", "d"), r"classes of data and model differ: the model does not know d\. --map common"),
        (("a", "b", "sea"), r"the data lacks c; the model does not know sea\. --map common .*--map FILE.json"),
        (tuple("abc") + tuple("defghijklmn"), r"does not know d, e, f, g, h, i, j, k and 3 more\."),
    ],
)
def test_missing_and_extra_classes_are_refused_by_name(theirs: tuple[str, ...], sentence: str) -> None:
    for several in (False, True):
        with pytest.raises(ValueError, match=sentence):
            match_classes(ABC, theirs, several=several)


def test_a_model_whose_classes_are_only_numbers_is_told_how_to_name_them() -> None:
    with pytest.raises(ValueError, match=r"the data lacks 0, 1; the model does not know ant, bee\. .*--names LIST"):
        match_classes(("0", "1"), ("ant", "bee"))
    for mine, theirs in ((("x", "y"), ("ant", "bee")), (("0", "1"), ("0", "1", "2"))):
        with pytest.raises(ValueError, match=r"differ: .*\. --map common looks only at the classes that both have"):
            match_classes(mine, theirs)


TWELVE = tuple(str(number) for number in range(1, 13))


@pytest.mark.parametrize(
    ("mine", "theirs", "sorting"),
    [
        (TWELVE, tuple(sorted(TWELVE)), ": there in string order (1, 10, 2), here in natural order (1, 2, 10)"),
        (tuple(sorted(TWELVE)), TWELVE, ": there in natural order (1, 2, 10), here in string order (1, 10, 2)"),
        (TWELVE, TWELVE[::-1], ""),
        (("cat 10", "cat 9"), ("cat 9", "cat 10"), ": there in natural order (1, 2, 10), here in string order"),
    ],
)
def test_natural_against_string_order_is_named(mine: tuple[str, ...], theirs: tuple[str, ...], sorting: str) -> None:
    found = match_classes(mine, theirs)
    assert [mine[place] for place in found.places] == list(theirs)
    (note,) = found.notes
    assert note.startswith(f"the data's classes stand in another order than the model's{sorting}")


def test_what_both_have_is_looked_at_where_asked_and_the_difference_is_said() -> None:
    found = match_classes(ABC, ("sea", "c", "a"), "common")
    assert (found.places.tolist(), found.judged.tolist()) == ([-1, 2, 0], [0, 1, 2])
    assert found.notes == (
        "pictures of sea are left out: the model does not know them",
        "the data lacks b, which the model may still answer, and is then wrong",
        "the data's classes stand in another order than the model's; they are matched by name",
    )
    with pytest.raises(ValueError, match="no class in common: x, y; and a, b, c"):
        match_classes(ABC, ("x", "y"), "common")


def test_where_several_may_be_there_what_the_data_does_not_say_is_not_judged() -> None:
    found = match_classes(ABC, ("sea", "c", "a"), "common", several=True)
    assert (found.places.tolist(), found.judged.tolist()) == ([-1, 2, 0], [0, 2])
    assert found.notes[:2] == (
        "sea in the data are not looked at: the model does not know them",
        "b in the model are not judged: the data does not say where they are",
    )


def test_a_map_renames_merges_and_leaves_out() -> None:
    theirs = ("tabby", "persian", "a", "fog")
    found = match_classes(ABC, theirs, {"tabby": "c", "persian": "c", "fog": None})
    assert found.places.tolist() == [2, 2, 0, -1]
    assert found.notes[:3] == (
        "classes of the data, as they are called in the model: tabby is c, persian is c",
        "pictures of fog are left out: as the map says",
        "the data lacks b, which the model may still answer, and is then wrong",
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"x": "a"}, "cannot be mapped: the data has no class x. The data has a, b, d; the model a, b, c"),
        ({"d": "e"}, "cannot be mapped: the model has no class e. The data has"),
        ({"x": None, "d": "e"}, "the data has no class x; the model has no class e. The data"),
        ({"a": "b"}, "the model does not know d"),
        ({"a": None, "b": None, "d": None}, "no class in common"),
        ("some", "classes='some' is not possible; allowed: exact, common, or a name for each class of the data"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        match_classes(ABC, ("a", "b", "d"), given)


@pytest.mark.parametrize("how", ["common", {"cow": None}])
def test_pictures_of_other_classes_count_nowhere(how: Any) -> None:
    """Four classes in the data, of which the model knows two, and a third that the data lacks."""
    data = tiny.data_set(test_count=40, classes=("bee", "cow", "cat", "dog"))
    if how != "common":
        how = {**how, "dog": "cat"}
    model = tiny.model()
    assert isinstance(data.test, ArraySource)
    found = evaluate(model, data, classes=how, device="cpu")
    assert isinstance(found, Report)
    meant = {0: 1, 2: 2} if how == "common" else {0: 1, 2: 2, 3: 2}
    rows = np.flatnonzero(np.isin(data.test.labels, list(meant)))
    same = replace(data.test.take(rows), labels=np.array([meant[int(label)] for label in data.test.labels[rows]]))
    alone = evaluate(model, replace(data, classes=model.card.classes, test=same), device="cpu")
    assert isinstance(alone, Report)
    assert found.confusion == alone.confusion
    assert found.loss == pytest.approx(alone.loss)
    assert found.pictures == len(rows) < 40
    names = answer(model, data, classes=how, device="cpu")
    assert [names.name(row) for row in range(len(names))] == [f"part1[{row}]" for row in rows]


def test_of_several_classes_only_those_that_both_have_are_judged() -> None:
    model, data = several_model(), several_data()
    whole = answer(model, data, device="cpu")
    assert isinstance(data.test, ArraySource)
    fewer = replace(data, classes=("d", "sea", "a"), test=replace(data.test, labels=data.test.labels[:, [3, 1, 0]]))
    found = answer(model, fewer, classes="common", device="cpu")
    assert found.classes == ("a", "d")
    assert np.array_equal(found.labels, whole.labels[:, [0, 3]])
    assert np.array_equal(found.logits, whole.logits[:, [0, 3]])
    assert len(found) == len(whole)


def test_of_several_classes_two_that_are_one_in_the_model_are_there_where_either_is() -> None:
    model, data = several_model(), several_data()
    assert isinstance(data.test, ArraySource)
    six = replace(
        data, classes=(*FIVE, "also a"), test=replace(data.test, labels=data.test.labels[:, [0, 1, 2, 3, 4, 3]])
    )
    found = answer(model, six, classes={"also a": "a", "e": None}, device="cpu")
    assert found.classes == ("a", "b", "c", "d")
    assert np.array_equal(found.labels[:, 0], data.test.labels[:, 0] | data.test.labels[:, 3])
    assert np.array_equal(found.labels[:, 1:], data.test.labels[:, 1:4])


@pytest.mark.parametrize("names", [("1", "2", "10"), tuple("0123456789")])
def test_folders_named_by_numbers_are_matched_whatever_their_order(names: tuple[str, ...], tmp_path: Path) -> None:
    """Trained in natural order, tested in string order; the ten digits are in the same order both ways."""
    photos = tiny.write_pictures(tmp_path / "photos", classes=names, each=6)
    trained = tiny.run(photos, tmp_path / "run", size=(8, 8), recipe_name="finetune", epochs=1, batch_size=8).model
    assert trained.card.classes == names
    others = tiny.write_pictures(tmp_path / "others" / "test", classes=names, each=4).parent
    found = evaluate(trained, others, device="cpu", reading=Reading(class_order="string"))
    same = evaluate(trained, others, device="cpu")
    assert isinstance(found, Report) and isinstance(same, Report)
    assert found.confusion == same.confusion and found.pictures == 4 * len(names)
    natural = "there in string order (1, 10, 2), here in natural order (1, 2, 10)"
    assert [natural in note for note in found.notes] == ([True] if "10" in names else [])
