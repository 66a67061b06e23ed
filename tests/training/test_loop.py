"""The loop: one step is the gradient of the cross-entropy of logits, with the batch's own statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from resnets.data.loader import Batch, Loader
from resnets.net.network import ResNet
from resnets.spec.preprocess import Preprocess
from resnets.training.loop import Diverged, _chance, fit, train_step
from resnets.training.optimizer import optimizer
from resnets.training.recipe import Recipe
from resnets.training.recipes import recipe
from resnets.training.state import Seen, State
from tests import tiny

PREPROCESS = Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,))


def state_of(network: ResNet, row: Recipe, total: int = 10) -> State:
    return State(
        network=network, optimizer=optimizer(network, row), recipe=row, device=torch.device("cpu"), total=total
    )


def batch_of(count: int = 12) -> Batch:
    return next(Loader(tiny.array(count), PREPROCESS, batch_size=count).epoch(0))


def after_one_step(**numbers: Any) -> tuple[State, Batch, ResNet]:
    """The state after a step in fp32, its batch, and the network as it was before."""
    row = recipe("cifar-he2015", precision="fp32", **numbers)
    state, batch = state_of(tiny.network(), row), batch_of()
    state.network.train()
    train_step(state, batch)
    return state, batch, tiny.network().train()


def test_the_training_loss_is_the_cross_entropy_of_the_logits() -> None:
    state, batch, before = after_one_step()
    logits = before(batch.images)
    by_hand = -logits.log_softmax(1)[torch.arange(len(batch)), batch.labels].sum()
    assert state.progress.loss == pytest.approx(by_hand.item(), rel=1e-6)
    assert state.progress.right == int((logits.argmax(1) == batch.labels).sum())
    assert state.progress.seen == len(batch) == 12


def test_the_gradient_is_that_of_the_cross_entropy_of_the_logits() -> None:
    state, batch, before = after_one_step()
    F.cross_entropy(before(batch.images), batch.labels).backward()
    for (name, ours), theirs in zip(state.network.named_parameters(), before.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6), name


def test_softmax_applied_twice_as_in_note_002_is_another_loss_and_another_gradient() -> None:
    """Note 002 gives softmax_cross_entropy the output of a softmax: its loss cannot come near zero.

    With C classes the wrong loss never falls below log(1 + (C - 1) / e), however sure and right the network is.
    """
    state, batch, before = after_one_step()
    twice = F.cross_entropy(before(batch.images).softmax(1), batch.labels)
    twice.backward()
    assert abs(state.progress.loss / state.progress.seen - twice.item()) > 0.01
    ours, theirs = state.network.head.linear.weight.grad, before.head.linear.weight.grad
    assert float((ours - theirs).abs().max()) > 0.1 * float(ours.abs().max())

    sure = torch.eye(10) * 100
    assert float(F.cross_entropy(sure, torch.arange(10))) < 1e-6
    floor = torch.log(1 + torch.tensor(9.0) / torch.e)
    assert float(F.cross_entropy(sure.softmax(1), torch.arange(10))) == pytest.approx(float(floor), rel=1e-5)


def test_the_head_ends_in_logits_and_not_in_probabilities() -> None:
    logits = tiny.network()(batch_of().images)
    assert (logits.sum(1) - 1).abs().min().item() > 1e-3
    assert logits.min().item() < 0


def test_batch_norm_statistics_move_in_training() -> None:
    """Note 002 calls batch_normalization without `training=True`, so there they stay at 0 and 1 for ever."""
    state, _, before = after_one_step()
    norms = [name for name in before.state_dict() if name.endswith(("running_mean", "running_var"))]
    assert norms
    ours, theirs = state.network.state_dict(), before.state_dict()
    assert [name for name in norms if torch.equal(ours[name], theirs[name])] == []
    counts = [name for name in ours if name.endswith("num_batches_tracked")]
    assert {int(ours[name] - theirs[name]) for name in counts} == {1}


def test_statistics_that_never_move_as_in_note_002_give_other_answers_after_training() -> None:
    """Trained on batch statistics and asked with 0 and 1: what the notes' network does at its test."""
    state, _, _ = after_one_step()
    network, images = state.network.eval(), batch_of().images
    good = network(images)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.zero_()
        elif name.endswith("running_var"):
            tensor.fill_(1)
    assert not torch.allclose(network(images), good, atol=1e-2)


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    state, batch, before = after_one_step(label_smoothing=0.3)
    likely = before(batch.images).log_softmax(1)
    by_hand = -(0.7 * likely[torch.arange(len(batch)), batch.labels] + 0.3 * likely.mean(1)).sum()
    assert state.progress.loss == pytest.approx(by_hand.item(), rel=1e-6)


def test_gradients_of_earlier_steps_are_not_added() -> None:
    row = recipe("cifar-he2015", lr=0.0, precision="fp32")
    state, batch = state_of(tiny.network(), row), batch_of()
    state.network.train()
    gradients = []
    for _ in range(2):
        train_step(state, batch)
        gradients.append(state.network.head.linear.weight.grad.clone())
    assert torch.equal(*gradients)


def test_the_rate_of_the_schedule_reaches_every_group_of_the_optimizer() -> None:
    row = recipe("digits", schedule="one_cycle", warmup=0.5, lr=0.2, precision="fp32")
    state = state_of(tiny.network(), row, total=10)
    state.network.train()
    rates = []
    for _ in range(10):
        train_step(state, batch_of())
        assert {group["lr"] for group in state.optimizer.param_groups} == {state.lr}
        rates.append(state.lr)
    assert len(state.optimizer.param_groups) == 2
    # Each step has the rate of its middle: the first and the last learn too.
    assert rates == pytest.approx([0.02, 0.06, 0.1, 0.14, 0.18, 0.18, 0.14, 0.1, 0.06, 0.02])


def test_the_papers_rate_drops_after_32000_and_48000_of_its_64000_steps() -> None:
    row = recipe("cifar-he2015", precision="fp32")
    state = state_of(tiny.network(), row, total=64_000)
    state.network.train()
    for step, wanted in ((0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 0.001), (63_999, 0.001)):
        state.progress.step = step
        train_step(state, batch_of())
        assert state.lr == pytest.approx(wanted)


def test_a_loss_that_is_no_number_stops_before_the_weights_are_lost() -> None:
    state = state_of(tiny.network(), recipe("digits", lr=0.3, precision="fp32"))
    batch = batch_of()
    batch.images[0] = float("nan")
    weight = state.network.head.linear.weight.detach().clone()
    sentence = r"the loss became nan at step 1 with a learning rate of .*; train again with a lower --lr, such as 0\.1"
    with pytest.raises(Diverged, match=sentence):
        train_step(state, batch)
    assert torch.equal(state.network.head.linear.weight, weight)


class Count:
    """A watcher that only counts."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.epochs: list[int] = []

    def step(self, state: State, seen: Seen) -> None:
        assert state.network.training
        self.seen.append(state.progress.seen)
        state.progress.seen = 0

    def epoch(self, state: State) -> None:
        self.epochs.append(state.step)


def test_a_run_ends_at_its_last_step_in_the_middle_of_an_epoch() -> None:
    row, watch = recipe("digits", precision="fp32"), Count()
    state = state_of(tiny.network(), row, total=7)
    fit(state, Loader(tiny.array(20), PREPROCESS, batch_size=5, shuffle=True), watch)
    assert (state.step, watch.epochs) == (7, [4, 7])


def test_a_batch_of_one_at_the_end_of_an_epoch_joins_the_one_before() -> None:
    row, watch = recipe("digits", precision="fp32"), Count()
    state = state_of(tiny.network(), row, total=4)
    fit(state, Loader(tiny.array(17), PREPROCESS, batch_size=8, shuffle=True), watch)
    assert watch.seen == [8, 9, 8, 9]


def test_what_is_left_out_at_random_at_a_step_is_another_for_every_seed_step_and_process() -> None:
    drawn = {_chance(seed, step, process) for seed in range(5) for step in range(50) for process in range(3)}
    assert len(drawn) == 5 * 50 * 3
    assert max(drawn) < 2**32
