"""Agreement: equal networks agree to the bit, others are told where they part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resnets.data.decoding.picture import file_pixels
from resnets.evaluation.agreement import Agreement, agreement, outputs
from resnets.evaluation.differences import Difference
from resnets.net.normalise import normalise
from resnets.weights.modelfile import Model, save
from tests import tiny

BATCH = torch.linspace(-2, 2, 5 * 3 * 8 * 8).reshape(5, 3, 8, 8)


def test_a_network_agrees_with_itself_at_every_level() -> None:
    network = tiny.network()
    result = agreement(network, network, BATCH)
    assert [d.level for d in result.levels] == ["C1", "C2", "C3", "logits"]
    assert all(d.largest == d.relative == 0 for d in result.levels)
    assert result.holds
    assert (result.pictures, result.same_answers) == (5, 5)


def test_the_level_at_which_two_networks_part_is_the_one_that_was_changed() -> None:
    one, other = tiny.network(), tiny.network()
    with torch.no_grad():
        other.stages[1][0].branch.conv2.weight[0, 0, 1, 1] += 0.5
    result = agreement(one, other, BATCH)
    differences = {d.level: d.relative for d in result.levels}
    assert differences["C1"] == differences["C2"] == 0
    assert differences["C3"] > 0.01
    assert not result.holds
    assert result.worst.relative == max(differences.values())


def test_a_difference_that_is_not_a_number_is_no_agreement() -> None:
    nan = float("nan")
    result = Agreement(
        levels=(Difference("C2", 0.0, 0.0), Difference("C3", nan, nan)), pictures=1, same_answers=None
    )  # fmt: skip
    assert not result.holds
    assert result.worst.level == "C3"


def test_the_share_is_of_the_first_networks_largest_number() -> None:
    one, other = {"C2": torch.tensor([4.0, -2.0])}, {"C2": torch.tensor([3.0, -2.0])}
    (difference,) = agreement(lambda batch: one, lambda batch: other, BATCH).levels
    assert (difference.largest, difference.relative) == (1.0, 0.25)


def test_answers_are_counted_by_their_first_class() -> None:
    one = {"logits": torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])}
    other = {"logits": torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])}
    assert agreement(lambda batch: one, lambda batch: other, BATCH[:3]).same_answers == 2


def test_a_network_without_a_head_has_no_answers() -> None:
    network = tiny.network(head="none")
    result = agreement(network, network, BATCH)
    assert result.same_answers is None
    assert json.loads(json.dumps(result.to_dict()))["same_answers"] is None


def test_other_shapes_and_other_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"C2 has the shape \(1,\) and \(2,\)"):
        agreement(lambda batch: {"C2": torch.zeros(1)}, lambda batch: {"C2": torch.zeros(2)}, BATCH)
    with pytest.raises(ValueError, match="no level in common: C2 and C3"):
        agreement(lambda batch: {"C2": torch.zeros(1)}, lambda batch: {"C3": torch.zeros(1)}, BATCH)


def test_the_logits_beside_the_levels_are_the_networks_own() -> None:
    network = tiny.network()
    with torch.no_grad():
        assert torch.equal(outputs(network)(BATCH)["logits"], network(BATCH))


# On pictures, between whatever may be compared.


def model_file(tmp_path: Path, made: Model) -> Path:
    save(made, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.mark.parametrize("kind", ["model", "file", "network", "artefact", "torch module"])
def test_a_model_is_compared_with_whatever_was_made_of_it(tmp_path: Path, kind: str) -> None:
    made = tiny.model()
    network = tiny.model().network
    others: dict[str, Any] = {
        "model": tiny.model(),
        "file": model_file(tmp_path, made),
        "network": network,
        "artefact": lambda batch: network(batch),
        "torch module": torch.nn.Sequential(network),
    }
    result = agreement(made, others[kind], tiny.data_set())
    assert result.holds
    assert (result.pictures, result.same_answers, result.changed, result.probabilities) == (12, 12, (), 0.0)
    alone = kind in ("artefact", "torch module")
    assert [d.level for d in result.levels] == (["logits"] if alone else ["C1", "C2", "C3", "logits"])
    assert result.sentence().endswith("the same answer on 12 of 12 pictures; no probability differs by more than 0")


def test_pictures_are_files_a_folder_or_a_data_set(tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "pictures")
    made = tiny.model()
    files = sorted(folder.rglob("*.png"))
    assert agreement(made, made, folder).pictures == agreement(made, made, str(folder)).pictures == 20
    assert agreement(made, made, files[:3]).pictures == 3
    assert agreement(made, made, files[0]).pictures == 1
    assert agreement(made, made, iter(files), limit=7, batch_size=2).pictures == 7


def test_pictures_are_shown_as_predict_shows_them(tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "pictures", side=20)
    made, seen = tiny.model(), []
    agreement(made, lambda batch: seen.append(batch) or made.network(batch), folder)
    files = sorted(folder.rglob("*.png"))
    wanted = normalise(torch.stack([torch.from_numpy(file_pixels(file, made.card.preprocess)) for file in files]),
                       made.card.preprocess)  # fmt: skip
    assert torch.equal(seen[0], wanted)


def test_batches_change_nothing_but_the_last_bit(tmp_path: Path) -> None:
    pair = tiny.model(0), tiny.model(1)
    whole, parts = (agreement(*pair, tiny.data_set(), batch_size=size) for size in (12, 5))
    assert (whole.changed, whole.pictures) == (parts.changed, parts.pictures)
    for one, other in zip(whole.levels, parts.levels, strict=True):
        assert (one.largest, one.relative) == pytest.approx((other.largest, other.relative), rel=1e-5)


def test_pictures_whose_answers_changed_are_named(tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "pictures", each=2)
    made = tiny.model()
    said = {"a": torch.tensor([[0.0, 1, 0]] * 4), "b": torch.tensor([[0.0, 1, 0], [3.0, 1, 0], [0.0, 1, 0], [0, 1, 2]])}
    result = agreement(replace_network(made, said["a"]), lambda batch: said["b"], folder)
    assert result.same_answers == 2
    assert [(Path(c.picture).name, c.one, c.other) for c in result.changed] == [
        ("1.png", "bee", "ant"), ("1.png", "bee", "cat"),
    ]  # fmt: skip
    wanted = [row.softmax(1) for row in said.values()]
    assert result.probabilities == pytest.approx(float((wanted[0] - wanted[1]).abs().max()))
    assert "the same answer on 2 of 4 pictures" in result.sentence()
    assert result.sentence().startswith("they do not agree: logits differs most, by 3 of its largest number")
    facts = json.loads(json.dumps(result.to_dict()))
    assert facts["changed"][1] == {"picture": str(folder / "bee" / "1.png"), "one": "bee", "other": "cat"}


def replace_network(made: Model, logits: torch.Tensor) -> Model:
    """The model, whose network gives these logits whatever it is shown."""
    made.network.levels = lambda batch: {made.network.plan.stages[-1].level: batch}  # type: ignore[method-assign]
    made.network.head = torch.nn.Module()  # type: ignore[assignment]
    made.network.head.forward = lambda batch: logits
    return made


def test_rows_of_a_batch_have_numbers_and_answers_too() -> None:
    one, other = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    (change,) = agreement(lambda batch: one, lambda batch: other, BATCH[:2]).changed
    assert (change.picture, change.one, change.other) == ("batch[1]", "1", "0")


def test_probabilities_are_at_each_models_own_temperature() -> None:
    cold = tiny.model()
    warm = replace(cold, card=replace(cold.card, calibration={"temperature": 2.0}))
    result = agreement(cold, warm, BATCH)
    logits = cold.network(BATCH).detach().double()
    assert result.probabilities == pytest.approx(float((logits.softmax(1) - (logits / 2).softmax(1)).abs().max()))
    assert result.holds, "the numbers are the same"
    assert agreement(warm, warm.network, BATCH).probabilities == 0, "an artefact's are at the model's"


def test_probabilities_that_are_no_numbers_are_said_to_be_none() -> None:
    nan = torch.full((2, 2), float("nan"))
    result = agreement(lambda batch: torch.zeros(2, 2), lambda batch: nan, BATCH[:2])
    assert result.probabilities != result.probabilities
    assert not result.holds


@pytest.mark.parametrize("broken", [0, 1])
def test_one_batch_that_is_no_number_makes_the_whole_none(broken: int) -> None:
    batches = iter([torch.full((6, 3), float("nan")) if number == broken else torch.ones(6, 3) for number in (0, 1)])
    result = agreement(tiny.model(), lambda batch: next(batches), tiny.data_set(), batch_size=6)
    assert result.probabilities != result.probabilities
    assert result.levels[0].largest != result.levels[0].largest
    assert not result.holds


def test_classes_are_matched_by_name() -> None:
    made, turned = tiny.model(), tiny.model()
    with torch.no_grad():
        for parameter in turned.network.head.linear.parameters():
            parameter.copy_(parameter[[2, 0, 1]].clone())
    turned = replace(turned, card=replace(turned.card, classes=("cat", "ant", "bee")))
    result = agreement(made, turned, tiny.data_set())
    assert result.holds
    assert result.notes == ("the second's classes stand in another order than the first's; they are matched by name",)


def test_another_preprocess_is_said() -> None:
    made = tiny.model()
    bright = replace(made, card=replace(made.card, preprocess=replace(made.card.preprocess, mean=(0.4,))))
    assert "prepare pictures differently" in agreement(made, bright, tiny.data_set()).notes[0]


def test_where_there_may_be_several_classes_all_of_them_are_the_answer() -> None:
    made = tiny.model()
    several = replace(made, card=replace(made.card, task="classes"))
    one = torch.tensor([[1.0, 1, -1], [1, -1, -1]])
    result = agreement(replace_network(several, one), lambda batch: torch.tensor([[1.0, 2, -1], [1, 1, -1]]), BATCH[:2])
    (change,) = result.changed
    assert (change.one, change.other) == ("ant", "ant, bee")


def test_a_picture_that_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "pictures")
    (folder / "ant" / "3.png").write_bytes(b"no picture")
    made = tiny.model()
    result = agreement(made, made, folder)
    assert result.pictures == 19
    assert [Path(path).name for path, _ in result.skipped] == ["3.png"]


@pytest.mark.parametrize(
    ("other", "batch", "said"),
    [
        (tiny.model(classes=("ant", "bee", "dog")), BATCH, "the two have other classes"),
        (tiny.model(), [], "no picture to compare the two on"),
        (tiny.model(), BATCH[:0], "no picture to compare the two on"),
        (tiny.model(), "nowhere", "there is no data set, no file and no folder 'nowhere'"),
    ],
)
def test_what_cannot_be_compared_is_refused(other: Any, batch: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        agreement(tiny.model(), other, batch)


def test_pictures_need_a_model_that_says_how_they_are_prepared() -> None:
    network = tiny.network()
    with pytest.raises(ValueError, match="neither of the two is a model"):
        agreement(network, network, tiny.data_set())
    assert agreement(network, tiny.model(), tiny.data_set()).pictures == 12, "the other's will do"
