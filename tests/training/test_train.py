"""`train`: it learns, says what it chose, refuses before it writes, and ends in the same file every time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from resnets.data.dataset import DataSet
from resnets.data.errors import TooManyBadImages
from resnets.data.open import open_data
from resnets.data.reading import Reading
from resnets.training.loop import Diverged
from resnets.training.run import RunFolder
from resnets.training.state import Seen, State
from resnets.training.watch import Watch
from resnets.weights.modelfile import load, save
from tests import tiny

QUICK: dict[str, Any] = {"recipe_name": "digits", "epochs": 1, "batch_size": 16}


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


# It learns.


def test_twenty_pictures_in_a_folder_are_memorised(tmp_path: Path) -> None:
    tiny.write_pictures(tmp_path / "data" / "train", each=10)
    shutil.copytree(tmp_path / "data" / "train", tmp_path / "data" / "test")
    trained = tiny.run(
        tmp_path / "data", tmp_path / "run", size=(8, 8), recipe_name="digits", augmentation="none",
        epochs=25, batch_size=10, eval_every=25, lr=0.1,
    )  # fmt: skip
    assert trained.report is not None
    assert (trained.report.pictures, trained.report.top1) == (20, 1.0)
    assert trained.report.loss < 0.1


def test_the_loss_falls_and_the_accuracy_rises(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(120), tmp_path, **QUICK | {"epochs": 4})
    first, *_, last, _ = metrics(tmp_path)
    assert last["loss"] < first["loss"] / 2
    assert last["validation_loss"] < first["validation_loss"]
    assert last["accuracy"] > first["accuracy"]


def test_a_run_folder_holds_model_metrics_recipe_curves_and_state(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(), tmp_path / "run", **QUICK)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    files = {"model.safetensors", "metrics.jsonl", "recipe.json", "curves.png", "report.html", "split.csv"}
    assert names == files | {"state"}
    assert trained.path == tmp_path / "run" / "model.safetensors"
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    request = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert request["recipe"] == trained.model.card.origin["recipe"]
    assert (request["model"], request["facts"]["widths"]) == (tiny.ROW, [4, 8])


def test_the_card_says_where_the_numbers_came_from(tmp_path: Path) -> None:
    data = tiny.data_set()
    card = load(tiny.run(data, tmp_path, **QUICK).path).card
    assert card.classes == ("ant", "bee", "cat")
    assert card.origin["started_from"] == tiny.ROW
    said = card.origin["data"]
    assert (said["name"], said["sha256"], said["pictures"]) == ("noise", data.fingerprint, 40)
    assert (said["split"], Reading.from_dict(said["reading"])) == ("given", Reading())
    assert card.origin["metrics"]["test_pictures"] == 12
    assert card.preprocess.size == (8, 8)
    assert str(tmp_path) not in card.to_json()


def test_the_model_that_is_returned_is_the_one_in_the_file_and_can_learn_on(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(), tmp_path, **QUICK, freeze="C1")
    read = load(trained.path)
    assert read.card == trained.model.card
    ours, theirs = trained.model.network.state_dict(), read.network.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert not trained.model.network.training
    assert all(parameter.requires_grad for parameter in trained.model.network.parameters())


# The same request ends in the same file.


def test_the_same_seed_twice_gives_byte_identical_model_files(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        torch.rand(7)  # what happened before in the process must not matter
        tiny.run(tiny.data_set(), tmp_path / name, **QUICK, seed=seed)
    first, again, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_a_number_written_otherwise_is_the_same_request(tmp_path: Path) -> None:
    for name, epochs in (("a", 1), ("b", 1.0)):
        tiny.run(tiny.data_set(), tmp_path / name, **QUICK | {"epochs": epochs})
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_the_callers_random_numbers_are_not_used_up(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    tiny.run(tiny.data_set(), tmp_path, **QUICK, facts=tiny.SMALL | {"head": "mlp", "head_width": 8})
    assert torch.equal(torch.rand(3), expected)


# What was asked for is what happens.


def test_frozen_stages_do_not_move(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "start.safetensors")
    before = tiny.model().network.state_dict()
    trained = tiny.run(
        tiny.data_set(), tmp_path / "run", model=str(tmp_path / "start.safetensors"), facts=None, freeze="C2", **QUICK
    )
    after = trained.model.network.state_dict()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert not [name for name in moved if name.startswith(("stem.", "stages.0."))]
    assert {name for name in after if name.startswith(("stages.1.", "head."))} == moved


def test_held_out_pictures_are_the_validation_and_are_not_trained_on(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(40), tmp_path, **QUICK, held_out=10)
    first, last = metrics(tmp_path)
    assert (first["split"], last["split"]) == ("held out", "test")
    assert trained.model.card.origin["data"]["pictures"] == 30
    assert trained.model.card.origin["metrics"]["test_pictures"] == 12


def test_without_test_pictures_a_model_is_made_without_a_report(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(test_count=None), tmp_path, **QUICK)
    assert trained.report is None
    assert load(trained.path).card.origin["metrics"] == {}
    assert ["top1" in line for line in metrics(tmp_path)] == [False]


@pytest.mark.parametrize(("every", "count"), [(0.5, 4), (1.0, 2), (2.0, 1), (5.0, 1)])
def test_there_is_a_line_of_metrics_for_each_evaluation_and_the_last_step(
    every: float, count: int, tmp_path: Path
) -> None:
    tiny.run(tiny.data_set(64), tmp_path, **QUICK | {"epochs": 2, "eval_every": every})
    *lines, test = metrics(tmp_path)
    assert len(lines) == count
    assert (lines[-1]["step"], lines[-1]["epoch"]) == (8, 2.0)
    assert "epoch" not in test


def test_an_evaluation_within_an_epoch_does_not_stop_the_norms_from_learning(tmp_path: Path) -> None:
    network = tiny.run(tiny.data_set(64), tmp_path, **QUICK | {"epochs": 2, "eval_every": 0.25}).model.network
    counts = [int(n) for name, n in network.state_dict().items() if name.endswith("num_batches_tracked")]
    assert set(counts) == {8}


def test_choices_that_were_not_asked_for_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    grey = tiny.data_set(classes=("0", "1"), channels=1)
    tiny.run(grey, tmp_path, epochs=0.5, say=said.append)
    assert said == ["recipe mnist: the one that suits noise; --recipe chooses another"]


def test_a_row_is_meant_even_where_a_folder_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / tiny.ROW).mkdir()
    monkeypatch.chdir(tmp_path)
    assert tiny.run(tiny.data_set(), tmp_path / "run", **QUICK).path.exists()


# From a model file.


def test_other_classes_get_a_new_head_on_the_exact_trunk(tmp_path: Path) -> None:
    save(tiny.model(classes=("left", "right")), tmp_path / "start.safetensors")
    said: list[str] = []
    trained = tiny.run(
        tiny.data_set(), tmp_path / "run", model=str(tmp_path / "start.safetensors"), facts=None, freeze="C3",
        say=said.append, **QUICK,
    )  # fmt: skip
    before, after = tiny.model(classes=("left", "right")).network.state_dict(), trained.model.network.state_dict()
    trunk = [name for name in before if not name.startswith("head.")]
    assert [name for name in trunk if not torch.equal(before[name], after[name])] == []
    assert after["head.linear.weight"].shape == (3, 8)
    assert trained.model.card.classes == ("ant", "bee", "cat")
    assert [sentence for sentence in said if "another list of 2 classes: a new head for 3 is drawn" in sentence]


def test_the_same_classes_keep_their_head(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "start.safetensors")
    trained = tiny.run(
        tiny.data_set(), tmp_path / "run", model=str(tmp_path / "start.safetensors"), facts=None, **QUICK | {"lr": 0.0}
    )
    before, after = (m.network.head.linear.weight for m in (tiny.model(), trained.model))  # type: ignore[union-attr]
    assert torch.equal(before, after)


def test_a_start_is_known_by_its_hash_and_not_by_its_path(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(tiny.model(), tmp_path / name / "start.safetensors")
        tiny.run(
            tiny.data_set(), tmp_path / name / "run", facts=None, model=str(tmp_path / name / "start.safetensors"),
            **QUICK,
        )  # fmt: skip
    one, other = ((tmp_path / name / "run" / "model.safetensors").read_bytes() for name in "ab")
    assert one == other
    assert load(tmp_path / "a/run/model.safetensors").card.origin["started_from"].startswith("sha256:")


def test_grey_pictures_are_spread_over_the_channels_of_a_colour_model(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "colour.safetensors")
    data = tiny.data_set(channels=1)
    assert tiny.run(data, tmp_path / "run", model=str(tmp_path / "colour.safetensors"), facts=None, **QUICK).report


# Refusals: a sentence, and nothing is written.


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"model": "resnet19"}, "no network is called 'resnet19'. Nearest: .*resnet18"),
        ({"recipe_name": "mnits"}, "no recipe is called 'mnits'. Did you mean 'mnist'"),
        ({"learning_rate": 1}, "'learning_rate' is no number of a recipe"),
        ({"lr": -1}, "lr=-1 is not possible in a recipe"),
        ({"facts": {"bloks": (1,)}}, "'bloks' is no field of an architecture. Did you mean 'blocks'"),
        ({"facts": {"head": "none"}}, "has no head to train a classifier with; add --set head=linear"),
        ({"facts": {"num_classes": 7}}, "num_classes=7, and noise has 3 classes"),
        ({"facts": {"in_channels": 1}}, "takes 1 channels and the pictures have 3; leave in_channels out"),
        ({"freeze": "C9"}, "up_to='C9' is no level of resnet20_cifar; allowed: C1, C2"),
        ({"held_out": 40}, "40 of 40 pictures cannot be held back"),
        ({"device": "abacus"}, "--device abacus cannot be used"),
        (
            {"model": "absent.safetensors", "facts": None},
            "--model absent.safetensors is not there; give a trained model file",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_refused_before_anything_is_written(
    request_: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        tiny.run(tiny.data_set(), tmp_path / "run", **QUICK | request_)
    assert list(tmp_path.iterdir()) == []


def test_digits_are_too_small_for_resnet18_and_nothing_is_written(tmp_path: Path) -> None:
    sentence = r"an input of 8x8 is too small for resnet18.* it needs at least 17x17.*--size.*stem='cifar'"
    with pytest.raises(ValueError, match=sentence):
        tiny.run("digits", tmp_path / "run", model="resnet18", facts=None)
    assert list(tmp_path.iterdir()) == []


def test_colour_pictures_are_not_fed_to_a_grey_model(tmp_path: Path) -> None:
    save(tiny.model(channels=1), tmp_path / "grey.safetensors")
    sentence = r"grey\.safetensors takes 1 channel and the pictures of noise have 3: it would not see their colour"
    with pytest.raises(ValueError, match=sentence):
        tiny.run(tiny.data_set(), tmp_path / "run", model=str(tmp_path / "grey.safetensors"), facts=None, **QUICK)
    assert not (tmp_path / "run").exists()


def test_the_facts_of_a_trained_network_cannot_be_changed(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "start.safetensors")
    with pytest.raises(ValueError, match=r"is a trained network; widths cannot be changed in it, only in_channels"):
        tiny.run(
            tiny.data_set(),
            tmp_path / "run",
            model=str(tmp_path / "start.safetensors"),
            facts={"widths": (4, 16)},
            **QUICK,
        )
    assert not (tmp_path / "run").exists()


def test_a_grey_model_learns_colour_when_its_channels_are_adapted(tmp_path: Path) -> None:
    save(tiny.model(channels=1), tmp_path / "grey.safetensors")
    said: list[str] = []
    trained = tiny.run(
        tiny.data_set(), tmp_path / "run", model=str(tmp_path / "grey.safetensors"), facts={"in_channels": 3},
        say=said.append, **QUICK,
    )  # fmt: skip
    assert trained.model.card.architecture.in_channels == 3
    assert [sentence for sentence in said if "the first convolution from 1 to 3 channels" in sentence]


def test_a_class_name_that_cannot_be_stored_is_refused_before_the_training_and_not_after(tmp_path: Path) -> None:
    good = tiny.data_set(classes=("ant", "bee"))
    data = DataSet(name="x", classes=("ant", "\udcff"), train=good.train, test=good.test, fingerprint="0" * 64)
    with pytest.raises(ValueError, match="class names must be Unicode texts"):
        tiny.run(data, tmp_path / "run", **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(), tmp_path, **QUICK)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="already holds a run; give another --out, or go on with that one: --resume"):
        tiny.run(tiny.data_set(), tmp_path, **QUICK)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_metrics_file_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert RunFolder(tmp_path).lines() == [{"step": 1}, {"step": 2}]


# Things that go wrong on the way.


class Poison(Watch):
    """Spoils a weight after the third step, as a learning rate that is far too high does."""

    def step(self, state: State, seen: Seen) -> None:
        super().step(state, seen)
        if state.step == 3:
            with torch.no_grad():
                state.network.head.linear.bias.fill_(float("nan"))  # type: ignore[union-attr]


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_no_model(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"the loss became nan at step 4 .*train again with a lower --lr"):
        tiny.run(tiny.data_set(80), tmp_path, watch=Poison(), **QUICK)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_bad_training_picture_is_skipped_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    tiny.write_pictures(folder / "train", each=6)
    tiny.write_pictures(folder / "test", each=2)
    bad = folder / "train" / "bee" / "3.png"
    bad.write_bytes(bad.read_bytes()[:60])
    trained = tiny.run(folder, tmp_path / "run", size=(8, 8), **QUICK | {"batch_size": 4, "epochs": 2})
    assert [Path(name) for name, _ in trained.skipped] == [bad]
    assert trained.path.exists()


def test_too_many_bad_pictures_stop_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    tiny.write_pictures(folder / "train", each=6)
    tiny.write_pictures(folder / "test", each=2)
    for number in range(3):
        (folder / "train" / "ant" / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(TooManyBadImages, match="images are bad and 1 may be"):
        tiny.run(folder, tmp_path / "run", size=(8, 8), **QUICK)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_photographs_of_any_size_are_trained_on_with_the_recipe_for_them(tmp_path: Path) -> None:
    tiny.write_pictures(tmp_path / "photos", each=5, side=40)
    said: list[str] = []
    data = open_data(tmp_path / "photos")
    trained = tiny.run(data, tmp_path / "run", size=(16, 24), epochs=1, batch_size=4, say=said.append)
    assert "recipe photos: the one that suits photos; --recipe chooses another" in said
    assert "Split 80/20: no train folder was given." in said
    preprocess = trained.model.card.preprocess
    assert (preprocess.size, preprocess.fit, preprocess.resize) == ((16, 24), "crop", 27)
    assert preprocess.mean == (0.485, 0.456, 0.406)
