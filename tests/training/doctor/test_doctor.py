"""The doctor: for each rule its fault planted in a run, found in time, named, and said once."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.data.source import ArraySource
from resnets.net.freeze import batch_norm_mode, freeze, train_bn
from resnets.net.network import ResNet
from resnets.training import doctor as package
from resnets.training.doctor.answers import activation
from resnets.training.doctor.doctor import AFTER_AN_EPOCH, IN_A_NETWORK, IN_A_STEP, Doctor, examine
from resnets.training.doctor.finding import Finding
from resnets.training.doctor.thresholds import Threshold
from resnets.training.recipes import recipe
from tests.training.doctor import ward

NOTES = replace(ward.cut(recipe("mnist-notes")), lr=1e-3)  # a tenth of a minute has to do


def one(said: list[Finding] | tuple[Finding, ...], rule: str) -> Finding:
    found = [finding for finding in said if finding.rule == rule]
    assert len(found) == 1, said
    return found[0]


def never_updated(network: ResNet, step: int) -> None:
    """Note 002 calls batch_normalization without `training`; in torch's terms: the statistics stay at 0 and 1."""
    if step == 1:
        batch_norm_mode(network, update_statistics=False)


# Batch normalisation.


def test_statistics_that_are_never_updated_as_in_note_002_are_found_at_the_first_step() -> None:
    network = ward.network()
    finding = one(ward.run(network, NOTES, steps=1, before=never_updated), "statistics-at-rest")
    assert finding.step == 1
    assert set(finding.layers) == set(ward.norms_of(network))
    assert "mean 0 and variance 1" in finding.says


def test_statistics_of_a_trained_network_that_stop_moving_are_found_at_the_next_look() -> None:
    network = ward.network()
    ward.run(network)
    one_norm = "stages.1.0.branch.norm2"

    def stop(patient: ResNet, step: int) -> None:
        patient.get_submodule(one_norm).momentum = 0.0

    finding = one(ward.run(network, steps=4, before=stop, fresh_head=False), "statistics-at-rest")
    assert finding.layers == (one_norm,)
    assert "do not move" in finding.says


def test_answers_that_part_are_found_with_the_layers() -> None:
    """Note 002's network is trained on the batch's statistics and asked with 0 and 1."""
    said = ward.run(ward.network(), NOTES, steps=128, epoch=128, before=lambda network, step: train_bn(network, None))
    assert said == []
    said = ward.run(ward.network(), NOTES, steps=128, epoch=128, before=never_updated)
    finding = one(said, "parted-answers")
    assert finding.step in (64, 128)
    assert finding.layers and set(finding.layers) <= set(ward.norms_of(ward.network()))


@pytest.mark.parametrize("momentum", [0.001])
def test_statistics_that_follow_too_slowly_are_found(momentum: float) -> None:
    def slow(network: ResNet, step: int) -> None:
        for norm in ward.norms_of(network).values():
            norm.momentum = momentum

    assert "parted-answers" in ward.rules(ward.run(ward.network(), steps=128, epoch=64, before=slow))


@pytest.mark.parametrize("how", ["switches", "one norm", "eval"])
def test_norms_that_do_not_use_the_batch_though_nobody_froze_them_are_found(how: str) -> None:
    def plant(network: ResNet, step: int) -> None:
        match how:
            case "switches":
                train_bn(network, False)
            case "one norm":
                network.get_submodule("stem.norm1").eval()
            case "eval":
                network.eval()

    network = ward.network()
    finding = one(ward.run(network, steps=2, before=plant), "no-batch-statistics")
    assert set(finding.layers) == ({"stem.norm1"} if how == "one norm" else set(ward.norms_of(network)))
    assert ("whole network is in evaluation mode" in finding.says) == (how == "eval")


def test_norms_that_the_recipe_freezes_are_left_alone_and_others_are_not() -> None:
    row = replace(ward.cut(recipe("finetune")), freeze="C2")
    network = ward.network()
    ward.run(network)
    assert ward.run(copy.deepcopy(network), row, fresh_head=False) == []

    def too_much(patient: ResNet, step: int) -> None:
        freeze(patient, "C3")

    finding = one(ward.run(network, row, fresh_head=False, steps=1, before=too_much), "no-batch-statistics")
    assert finding.layers and all(name.startswith("stages.1.") for name in finding.layers)


def test_parts_of_a_batch_that_are_too_small_for_the_norms_are_found() -> None:
    assert ward.rules(ward.run(ward.network(), steps=1, of=7)) == {"small-parts"}
    assert ward.run(ward.network(), steps=1, of=8) == []
    row = replace(ward.cut(recipe("digits")), sync_norms=True)
    assert ward.run(ward.network(), row, steps=1, of=7) == []


def test_statistics_that_are_no_numbers_are_found() -> None:
    def lose(network: ResNet, step: int) -> None:
        network.get_buffer("stages.0.0.branch.norm1.running_var")[1] = -1.0

    finding = one(ward.run(ward.network(), steps=1, after=lose), "bad-statistics")
    assert finding.layers == ("stages.0.0.branch.norm1",)


# What the loss is given, and what it is.


def test_a_softmax_before_the_loss_as_in_note_002_is_found_at_the_first_step() -> None:
    finding = one(ward.run(ward.network(), NOTES, steps=1, through=lambda x: x.softmax(1)), "activation-before-loss")
    assert finding.step == 1
    assert "softmax, not logits" in finding.says


ACTIVATIONS: dict[str, Any] = {
    "softmax": lambda x: x.softmax(1),
    "log-softmax": lambda x: x.log_softmax(1),
    "sigmoid": torch.sigmoid,
    "ReLU": torch.relu,
    "": lambda x: x,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.1, 3.0])
@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_told_from_logits(name: str, classes: int, scale: float, dtype: torch.dtype) -> None:
    logits = torch.randn(64, classes, generator=torch.Generator().manual_seed(0)) * scale
    assert activation(ACTIVATIONS[name](logits).to(dtype).float()) == name


def test_a_head_of_zeros_and_logits_that_are_all_positive_are_no_activation() -> None:
    assert activation(torch.zeros(16, 10)) == ""
    assert activation(torch.rand(16, 10, generator=torch.Generator().manual_seed(0)) + 3) == ""


LOSSES: dict[str, dict[str, Any]] = {
    "summed over the pictures": {"loss_of": lambda loss: loss * 32},
    "divided by the pictures": {"loss_of": lambda loss: loss / 32},
    "a head drawn too large": {"before": lambda network, step: _enlarge(network)},
    "a binary one, summed": {"loss_of": lambda loss: loss * 10, "row": ward.cut(recipe("rsb-a2"))},
}


def _enlarge(network: ResNet) -> None:
    with torch.no_grad():
        network.head.linear.weight.normal_(0, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("plant", LOSSES)
def test_a_first_loss_that_is_not_that_of_knowing_nothing_is_found(plant: str) -> None:
    facts = {**LOSSES[plant]}
    finding = one(ward.run(ward.network(), facts.pop("row", None), steps=1, **facts), "first-loss")
    assert finding.step == 1
    assert ("log 2" if "binary" in plant else "log(10)") in finding.says
    assert ("scatter" in finding.says) == ("head" in plant)


def test_the_first_loss_of_a_head_that_is_not_fresh_is_not_judged() -> None:
    assert ward.run(ward.network(), steps=1, fresh_head=False, **LOSSES["summed over the pictures"]) == []


@pytest.mark.parametrize("depth", [20, 56, 110])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_deep_networks_may_begin_above_log_of_the_classes(depth: int, classes: int) -> None:
    """54 blocks add up: ResNet-110 without zero-gamma begins up to 3.5 nats above it, and is healthy."""
    from resnets.net.network import build

    network = build(f"resnet{depth}_cifar", seed=0, in_channels=1, num_classes=classes).train()
    images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(32) % classes
    with torch.no_grad():
        logits = network(images)
    row = ward.cut(recipe("cifar-he2015"))
    doctor = Doctor(network, row, tuple(map(str, range(classes))), fresh_head=True)
    loss = float(F.cross_entropy(logits, labels))
    assert doctor.step(1, 0.1, network, images, labels, logits, loss) == ()


def test_a_loss_that_never_falls_is_found_in_the_second_half() -> None:
    source = ward.digits().train
    assert isinstance(source, ArraySource)
    labels = np.random.default_rng(0).permutation(source.labels)  # nothing can be learnt
    shuffled = ArraySource(source.pixels, labels, "shuffled")
    row = replace(ward.cut(recipe("digits")), lr=0.01)
    finding = one(ward.run(ward.network(), row, steps=320, epoch=80, source=shuffled), "stuck-loss")
    assert finding.step == 320  # at 160 the doctor had seen too few steps, at 240 too
    assert "log(10) = 2.3" in finding.says


# What learns.


def careless(network: ResNet, row: Any) -> torch.optim.Optimizer:
    """An optimizer whose decay reaches what is frozen, as zeroed gradients let it."""
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return torch.optim.SGD(network.parameters(), lr=row.lr, momentum=0.9, weight_decay=1e-3)


def test_frozen_parameters_that_move_are_found() -> None:
    row = replace(ward.cut(recipe("finetune")), freeze="C2")

    def keep_gradients(patient: ResNet, step: int) -> None:
        for parameter in patient.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad

    network = ward.network()
    ward.run(network)
    said = ward.run(network, row, steps=8, made=careless, fresh_head=False)
    assert "frozen-moves" not in ward.rules(said)  # zero_grad() sets gradients to None, and nothing moves

    class Keeping(torch.optim.SGD):
        def zero_grad(self, set_to_none: bool = True) -> None:
            super().zero_grad(set_to_none=False)

    def keeping(patient: ResNet, row: Any) -> torch.optim.Optimizer:
        keep_gradients(patient, 0)
        return Keeping(patient.parameters(), lr=row.lr, momentum=0.9, weight_decay=1e-3)

    finding = one(ward.run(network, row, steps=8, made=keeping, fresh_head=False), "frozen-moves")
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert finding.layers and set(finding.layers) <= frozen
    assert "stem.conv1.weight" in finding.layers


def test_statistics_of_norms_without_a_gradient_that_move_are_found() -> None:
    """What `requires_grad_(False)` alone does in torch: the statistics go on following the batch."""
    network = ward.network()
    ward.run(network)

    def half(patient: ResNet, step: int) -> None:
        for parameter in [*patient.stem.parameters(), *patient.stages[0].parameters()]:
            parameter.requires_grad_(False)

    finding = one(ward.run(network, steps=2, before=half, fresh_head=False), "frozen-moves")
    assert set(finding.layers) == {"stem.norm1", "stages.0.0.branch.norm1", "stages.0.0.branch.norm2"}
    assert "running statistics" in finding.says


def test_statistics_at_rest_that_something_else_moves_are_found() -> None:
    row = replace(ward.cut(recipe("finetune")), freeze="C2")
    network = ward.network()
    ward.run(network)

    def stir(patient: ResNet, step: int) -> None:
        patient.get_buffer("stem.norm1.running_mean")[0] += 0.25

    finding = one(ward.run(network, row, steps=2, after=stir, fresh_head=False), "frozen-moves")
    assert finding.layers == ("stem.norm1",)


def test_what_thaws_may_move() -> None:
    row = replace(ward.cut(recipe("finetune-staged")), freeze="C4", thaw=0.5)
    network = ward.network()
    ward.run(network)
    assert ward.run(network, row, steps=16, epoch=5, fresh_head=False) == []


def test_what_the_recipe_freezes_and_nobody_froze_is_found() -> None:
    row = replace(ward.cut(recipe("finetune")), freeze="C2")

    def forget(patient: ResNet, step: int) -> None:
        patient.requires_grad_(True)
        batch_norm_mode(patient)

    finding = one(ward.run(ward.network(), row, steps=1, before=forget, fresh_head=False), "frozen-learns")
    assert {name.split(".")[0] for name in finding.layers} == {"stem", "stages"}
    assert not [name for name in finding.layers if name.startswith(("stages.1", "head"))]


def test_parameters_that_no_optimizer_holds_are_found() -> None:
    def without_head(patient: ResNet, row: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD([*patient.stem.parameters(), *patient.stages.parameters()], lr=row.lr)

    finding = one(ward.run(ward.network(), steps=64, made=without_head), "nothing-learns")
    assert finding.layers == ("head.linear.weight", "head.linear.bias")
    assert finding.step == 64


def test_a_rate_of_zero_is_found_at_once() -> None:
    finding = one(ward.run(ward.network(), ward.cut(recipe("digits"), lr=0.0), steps=1), "nothing-learns")
    assert "learning rate is 0" in finding.says


# After an epoch.


def evaluated(tables: list[Any], *, shares: tuple[float, ...], classes: int = 10) -> list[list[Finding]]:
    """What is said after each epoch whose validation was `tables`."""
    network = ward.network(num_classes=classes)
    doctor = Doctor(network, recipe("digits"), tuple(f"class{k}" for k in range(classes)), fresh_head=True)
    return [
        list(doctor.epoch(step, done, network, torch.zeros(0, 1, 8, 8), tuple(map(tuple, table)), 0.0, 1.0))
        for step, (table, done) in enumerate(zip(tables, shares, strict=True), 1)
    ]


def table(right: float, counts: list[int], absent: tuple[int, ...] = ()) -> Any:
    """A confusion where `right` of each class is; pictures of absent classes are taken for the others in turn."""
    size = len(counts)
    others = [k for k in range(size) if k not in absent]
    made = np.zeros((size, size), dtype=int)
    for true, number in enumerate(counts):
        good = 0 if true in absent else round(right * number)
        made[true, true] = good
        for k in range(number - good):
            made[true, others[k % len(others)]] += 1
    return made.tolist()


def test_a_class_that_is_never_predicted_is_found_in_the_second_half_when_it_stays_so() -> None:
    missing = table(0.9, [30] * 10, absent=(3,))
    said = evaluated([missing] * 6, shares=(0.1, 0.3, 0.5, 0.7, 0.9, 1.0))
    assert [len(each) for each in said] == [0, 0, 1, 0, 0, 0]
    assert "'class3'" in one(said[2], "class-never-predicted").says
    assert "30 of it" in said[2][0].says


def test_a_class_that_comes_late_is_no_finding() -> None:
    missing, healthy = table(0.9, [30] * 10, absent=(3,)), table(0.9, [30] * 10)
    assert evaluated([missing, missing, healthy, missing, healthy], shares=(0.2, 0.4, 0.6, 0.8, 1.0)) == [[]] * 5


@pytest.mark.parametrize(
    ("right", "counts", "found"),
    [
        (0.9, [30] * 10, True),
        (0.9, [4] * 10, False),  # four pictures prove nothing
        (0.6, [30] * 10, False),  # an unfinished run: the others are not learnt either
        (0.6, [30] * 3 + [12] + [200] * 6, True),  # but a rare class is the kind that a run forgets
        (0.1, [30] * 3 + [12] + [200] * 6, False),  # nothing is learnt at all
    ],
)
def test_what_is_a_class_never_predicted_at_the_end(right: float, counts: list[int], found: bool) -> None:
    (said,) = evaluated([table(right, counts, absent=(3,))], shares=(1.0,))
    assert ward.rules(said) == ({"class-never-predicted"} if found else set())


def test_many_classes_that_are_never_predicted_are_one_finding() -> None:
    (said,) = evaluated([table(0.95, [30] * 10, absent=(1, 3, 5, 7))], shares=(1.0,))
    assert "4 of 10 classes" in one(said, "class-never-predicted").says


def test_a_rare_class_that_a_real_run_forgets_is_found() -> None:
    """Three of 140 nines in training; validation has as many as of the others."""
    source = ward.digits().train
    assert isinstance(source, ArraySource)
    kept = np.concatenate([np.flatnonzero(source.labels != 9), np.flatnonzero(source.labels == 9)[:3]])
    rare = ArraySource(source.pixels[kept], source.labels[kept], "rare")
    finding = one(ward.run(ward.network(), steps=160, epoch=80, source=rare), "class-never-predicted")
    assert "'9'" in finding.says


def test_epochs_that_wait_for_pictures_are_found_but_not_the_first_nor_short_ones() -> None:
    waiting: dict[str, Any] = {"steps": 12, "epoch": 4, "waited": 5.0}
    finding = one(ward.run(ward.network(), **waiting, seconds=12.0), "data-bound")
    assert finding.step == 8
    assert "42% of this epoch" in finding.says and "resnets pack" in finding.says and "--workers" in finding.says
    assert "--decoding" not in finding.says  # it is fast already
    assert ward.run(ward.network(), **waiting, seconds=9.0) == []
    assert ward.run(ward.network(), **waiting, seconds=30.0) == []
    exact = replace(ward.cut(recipe("digits")), decoding="exact")
    assert "--decoding fast" in one(ward.run(ward.network(), exact, **waiting, seconds=12.0), "data-bound").says


# What is said, and when.


def test_a_finding_is_said_once_and_again_when_it_is_twice_as_bad() -> None:
    network = ward.network()
    doctor = Doctor(network, recipe("digits"), ward.CLASSES, fresh_head=True)
    shares = [0.0, 0.3, 0.4, 0.55, 0.7, 0.1, 0.9]
    said = [
        [finding.rule for finding in doctor.epoch(k, 0.1, network, torch.zeros(0, 1, 8, 8), None, 100 * share, 100.0)]
        for k, share in enumerate(shares)
    ]
    assert said == [[], ["data-bound"], [], [], ["data-bound"], [], []]


def test_steps_between_looks_do_nothing() -> None:
    class Untouchable(nn.Module):
        def named_modules(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("looked at")

    network = ward.network()
    doctor = Doctor(network, recipe("digits"), ward.CLASSES, fresh_head=True)
    nothing = torch.zeros(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64), torch.randn(8, 10)
    doctor.step(1, 0.1, network, *nothing, 2.3)
    doctor.step(2, 0.1, network, *nothing, 2.3)
    assert doctor.step(3, 0.1, Untouchable(), *nothing, 2.3) == ()
    with pytest.raises(AssertionError, match="looked at"):
        doctor.step(4, 0.1, Untouchable(), *nothing, 2.3)


def test_a_run_that_is_resumed_is_judged_from_where_it_goes_on() -> None:
    """The doctor comes at step 501: no first loss, and no moves from before it came."""
    network = ward.network()
    ward.run(network)
    doctor = Doctor(network, ward.cut(recipe("digits")), ward.CLASSES, fresh_head=True)
    batch = ward.judged()
    with torch.no_grad():
        logits = copy.deepcopy(network).train()(batch.images)
    for tensor in network.state_dict().values():  # the checkpoint is loaded after the doctor has come
        tensor.mul_(1)
    network.train()
    assert doctor.step(501, 9.0, network, batch.images, batch.labels, logits, 77.0) == ()


def test_a_finding_is_plain_data() -> None:
    finding = Finding(rule="first-loss", says="so", layers=("a", "b"), step=3)
    assert finding.to_dict() == {"rule": "first-loss", "says": "so", "layers": ["a", "b"], "step": 3}


def test_every_threshold_has_its_reason() -> None:
    from resnets.training.doctor import thresholds

    rows = {name: value for name, value in vars(thresholds).items() if isinstance(value, Threshold)}
    assert len(rows) > 15
    assert all(row.value > 0 and len(row.reason) > 30 for row in rows.values())


# A network alone.


def test_a_network_alone_is_examined() -> None:
    network = ward.network()
    ward.run(network, replace(ward.cut(recipe("digits")), lr=0.05), steps=128)
    batch = ward.judged()
    assert examine(network, batch.images, batch.labels) == ()
    for norm in ward.norms_of(network).values():
        norm.reset_running_stats()
    said = examine(network.eval(), batch.images, batch.labels)
    assert ward.rules(list(said)) == {"statistics-at-rest", "parted-answers"}
    assert "are right with the batch's statistics and" in one(said, "parted-answers").says


def test_a_network_of_others_that_ends_in_a_softmax_is_examined() -> None:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    theirs = nn.Sequential(*body, nn.Linear(8, 5), nn.Softmax(1))
    images: Tensor = torch.randn(16, 3, 12, 12)
    for _ in range(100):
        theirs.train()(images)
    assert ward.rules(list(examine(theirs, images))) == {"activation-before-loss"}
    assert examine(theirs[:-1], images) == ()


def test_every_rule_has_a_row_in_the_page() -> None:
    from pathlib import Path

    page = Path(package.__file__).parents[4] / "docs" / "doctor.md"
    text = page.read_text(encoding="utf-8")
    for rule in {*IN_A_STEP, *AFTER_AN_EPOCH, *IN_A_NETWORK}:
        assert f"`{rule.__name__.replace('_', '-')}`" in text
