"""The page of a judgement: every number of the report is on it, and its pictures are those that they should be."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from resnets.data.manifest import LeftOut, Manifest
from resnets.data.source import ArraySource, FileSource, Source
from resnets.evaluation.answers import Answers
from resnets.evaluation.judge import AnyReport, judge
from resnets.evaluation.page import Circumstances, describe, report_html, write_report
from resnets.evaluation.page_pictures import SHOWN, least_certain, worst
from resnets.evaluation.thumbnail import SIDE, is_tiny, thumbnail
from resnets.page.judgement import Gallery, Judgement, Matrix, Section, Share, Table
from resnets.page.texts import LANGUAGES, Language
from resnets.spec.card import Card
from tests import tiny
from tests.page.seen import HOSTILE, Seen

AROUND = Circumstances(
    data={"name": "noise", "sha256": "ab" * 32, "split": "given"},
    command="resnets evaluate model.safetensors noise/",
    environment={"torch": "2.15"},
)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"kind{number}" for number in range(count))


def answers_to(source: Source, labels: np.ndarray, classes: tuple[str, ...], *, seed: int = 0) -> Answers:
    chance = np.random.default_rng(seed)
    logits = chance.normal(0, 2, (len(labels), len(classes))).astype(np.float32)
    truth = labels if labels.dtype == np.bool_ else np.eye(len(classes), dtype=np.bool_)[labels]
    logits += 3 * truth - (1.5 if labels.dtype == np.bool_ else 0)
    return Answers(classes=classes, logits=logits, labels=labels, indices=np.arange(len(labels)), source=source)


def case(count: int = 60, classes: int = 3, *, several: bool = False) -> tuple[AnyReport, Answers, Card]:
    chance = np.random.default_rng(1)
    source = tiny.array(count, classes=classes)
    labels = chance.random((count, classes)) < 0.4 if several else source.labels
    if several:
        source = ArraySource(source.pixels, labels, "test")
    answers = answers_to(source, labels, names(classes))
    card = replace(tiny.model(classes=names(classes)).card, task="classes" if several else "class")
    return judge(answers, None), answers, card


def section(page: Judgement, name: str) -> Section:
    return next(one for one in page.sections if one.name == name)


def blocks(page: Judgement, name: str, kind: type) -> list:
    return [block for block in section(page, name).blocks if isinstance(block, kind)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("classes", "several"), [(2, False), (3, False), (25, False), (3, True), (30, True)])
def test_a_page_is_whole_in_each_language(classes: int, several: bool, language: Language) -> None:
    report, answers, card = case(90, classes, several=several)
    html = report_html(report, answers, card, AROUND, language=language)
    assert not Seen(html).open
    assert f"{report.headline[1]:.2%}" in html
    assert AROUND.command in html
    assert "None" not in html and "nan" not in html


def test_headlines_stand_with_their_intervals() -> None:
    report, answers, card = case()
    tile = describe(report, answers, card, AROUND).tiles[0]
    found = report.intervals["top1"]
    assert (tile.figure, tile.label) == (f"{found.value:.2%}", "top-1 accuracy")
    assert tile.detail == f"{found.low:.2%} to {found.high:.2%} at 95 %"


def test_the_matrix_and_the_pairs_are_those_of_scikit_learn() -> None:
    report, answers, card = case(200, 7)
    page = describe(report, answers, card, AROUND)
    expected = metrics.confusion_matrix(answers.labels, answers.logits.argmax(1))
    (matrix,) = blocks(page, "confusion", Matrix)
    assert [[int(square.words.replace("·", "0")) for square in row] for row in matrix.rows] == expected.tolist()
    (pairs,) = blocks(page, "confusion", Table)
    wrong = expected - np.diag(expected.diagonal())
    assert [int(row[2]) for row in pairs.rows] == sorted(wrong[wrong > 0], reverse=True)[:15]
    for true, said, count, share in pairs.rows:
        place = answers.classes.index(true), answers.classes.index(said)
        assert wrong[place] == int(count)
        assert share == f"{wrong[place] / expected[place[0]].sum():.1%}"


def test_the_classes_have_scikit_learns_numbers() -> None:
    report, answers, card = case(200, 4)
    (table,) = blocks(describe(report, answers, card, AROUND), "classes", Table)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(answers.labels, answers.logits.argmax(1))
    assert table.is_sortable
    for number, row in enumerate(table.rows):
        assert row[:2] == (str(number), f"kind{number}")
        assert row[2:5] == (f"{support[number]:,}", f"{precision[number]:.1%}", f"{recall[number]:.1%}")
        assert isinstance(row[5], Share) and row[5].value == pytest.approx(f1[number])


def test_many_classes_are_folded_away_behind_the_worst() -> None:
    report, answers, card = case(900, 40)
    page = describe(report, answers, card, AROUND)
    lowest, every = blocks(page, "classes", Table)
    values = [row[5].value for row in every.rows]
    assert every.fold == "All 40 classes" and len(values) == 40
    assert [row[5].value for row in lowest.rows] == sorted(values)[:12]
    assert not blocks(page, "confusion", Matrix)  # a heat map in its place


def test_the_worst_mistakes_are_the_surest_of_the_wrong_answers() -> None:
    _, answers, _ = case(300, 5)
    probabilities = answers.probabilities()
    rows = worst(answers, probabilities)
    wrong = np.flatnonzero(answers.logits.argmax(1) != answers.labels)
    assert len(rows) == SHOWN and set(rows) <= set(wrong)
    sureness = probabilities.max(1)
    assert sureness[rows].tolist() == sorted(sureness[wrong], reverse=True)[:SHOWN]
    assert sureness[least_certain(answers, probabilities)].tolist() == sorted(sureness)[:SHOWN]


def test_the_worst_of_several_classes_are_the_farthest_from_the_truth() -> None:
    _, answers, _ = case(300, 5, several=True)
    probabilities = answers.probabilities()
    rows = worst(answers, probabilities)
    distance = np.abs(probabilities - answers.labels).max(1)
    assert (distance[rows] > 0.5).all()
    assert distance[rows].tolist() == sorted(distance, reverse=True)[:SHOWN]
    unsure = np.abs(probabilities - 0.5).min(1)
    assert unsure[least_certain(answers, probabilities)].tolist() == sorted(unsure)[:SHOWN]


def test_a_picture_is_shown_with_what_was_said_and_what_is_true() -> None:
    report, answers, card = case()
    (gallery,) = blocks(describe(report, answers, card, AROUND), "worst", Gallery)
    row = int(worst(answers, answers.probabilities())[0])
    first = gallery.pictures[0]
    said, is_ = first.lines
    assert (said.label, said.words, said.tone) == ("said", answers.classes[answers.logits[row].argmax()], "wrong")
    assert (is_.label, is_.words) == ("is", answers.classes[answers.labels[row]])
    assert first.name == f"part0[{row}]"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(first.uri.partition(",")[2]))))
    assert isinstance(answers.source, ArraySource)
    assert np.array_equal(pixels, answers.source.pixels[row])


def test_the_temperature_of_the_card_is_that_of_the_probabilities_shown() -> None:
    report, answers, card = case()
    card = replace(card, calibration={"temperature": 3.0})
    (gallery,) = blocks(describe(report, answers, card, AROUND), "worst", Gallery)
    probabilities = answers.probabilities(3.0)
    row = int(worst(answers, probabilities)[0])
    assert gallery.pictures[0].lines[0].figure == f"{probabilities[row].max():.1%}"


def test_a_model_that_may_not_know_says_how_much_it_answers_here() -> None:
    report, answers, card = case()
    card = replace(card, calibration={"temperature": 1.0, "unknown_below": 0.7})
    sure = answers.probabilities().max(1) >= 0.7
    html = report_html(report, answers, card, AROUND)
    assert f"Here it answers {sure.mean():.1%} of the pictures" in html
    never = replace(card, calibration={"temperature": 50.0, "unknown_below": 0.99})
    assert "answers none of the pictures" in report_html(report, answers, never, AROUND)


def test_slices_are_told_apart_in_a_field_of_their_own() -> None:
    _, answers, card = case(100)
    cameras = ["left" if number % 3 else HOSTILE for number in range(100)]
    report = judge(answers, None, {"camera": cameras})
    (table,) = blocks(describe(report, answers, card, AROUND), "slices", Table)
    assert table.title == "camera"
    ends = [one for row in table.rows for one in row[2].ends]
    assert min(ends) == 0 and max(ends) == pytest.approx(1)
    assert [row[1] for row in table.rows] == [f"{one.pictures}" for one in report.slices]


def test_pictures_that_are_gone_are_named(tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "photos", each=4)
    paths = sorted(folder.rglob("*.png"))
    source = FileSource.of(paths, np.arange(8) % 2)
    answers = answers_to(source, source.labels, names(2))
    paths[0].unlink()
    paths[1].write_bytes(b"no picture")
    (gallery,) = blocks(
        describe(judge(answers, None), answers, tiny.model(classes=names(2)).card, AROUND), "uncertain", Gallery
    )
    shown = {one.name[-10:]: bool(one.uri) for one in gallery.pictures}
    assert len(shown) == 8
    assert sorted(name for name, is_shown in shown.items() if not is_shown) == sorted(str(p)[-10:] for p in paths[:2])


def test_a_model_without_a_mistake_says_so() -> None:
    source = tiny.array(12)
    answers = answers_to(source, source.labels, names(3))
    answers = replace(answers, logits=10 * np.eye(3, dtype=np.float32)[source.labels])
    html = report_html(judge(answers, None), answers, tiny.model(classes=names(3)).card, AROUND)
    assert "There is no wrong answer to show." in html and "No picture was answered wrongly." in html


def test_hostile_names_change_no_tag(tmp_path: Path) -> None:
    def html(name: str) -> str:
        source = ArraySource(tiny.array(12).pixels, tiny.array(12).labels, name)
        classes = ("a", "b", name.replace("\ud800", ""))
        answers = replace(answers_to(source, source.labels, classes), skipped=((name, name),), notes=(name,))
        around = replace(
            AROUND,
            data={"name": name, "sha256": "", "split": name},
            command=name,
            notes=(name,),
            recipe={"name": name},
            asked={"model": [name, {name: True}]},
            findings=({"step": 1, "rule": name, "says": name},),
            manifest=Manifest(
                name=name, fingerprint="", counts={}, settings={}, kept={name: 1},
                left_out=(LeftOut(name, "train", name, name),),
            ),
        )  # fmt: skip
        card = tiny.model(classes=classes).card
        report = judge(answers, None, {name: ["x"] * 12})
        path = tmp_path / "report.html"
        write_report(path, report, answers, card, around)
        return path.read_text("utf-8")

    plain, hostile = Seen(html("plain")), Seen(html(HOSTILE))
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]


def test_equal_judgements_are_equal_bytes() -> None:
    first, second = (report_html(*case(), AROUND) for _ in range(2))
    assert first == second


def test_a_page_of_many_pictures_is_below_five_megabytes() -> None:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 100, 10_000)
    pixels = np.broadcast_to(chance.integers(0, 256, (1, 128, 128, 3), dtype=np.uint8), (10_000, 128, 128, 3))
    answers = answers_to(ArraySource(pixels, labels, "test"), labels, names(100))
    html = report_html(judge(answers, None), answers, tiny.model(classes=names(100)).card, AROUND)
    assert len(html.encode()) < 5_000_000
    assert len(re.findall(r"<img ", html)) == 2 * SHOWN


@pytest.mark.parametrize(
    ("size", "kind", "shown"), [((32, 32), "PNG", (32, 32)), ((400, 200), "JPEG", (SIDE, 64)), ((3, 900), "JPEG", None)]
)
def test_a_thumbnail_is_small_and_a_tiny_picture_is_kept(
    size: tuple[int, int], kind: str, shown: tuple[int, int] | None
) -> None:
    picture = Image.effect_noise(size, 50)
    found = Image.open(io.BytesIO(base64.b64decode(thumbnail(picture).partition(",")[2])))
    assert found.format == kind
    assert found.size == (shown or (1, SIDE))
    assert is_tiny(picture) == (kind == "PNG")
