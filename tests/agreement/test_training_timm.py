"""The numerics of a training step beside timm's and TensorFlow's: losses, LAMB, means of weights."""

import pytest
import tensorflow as tf
import timm.data.mixup
import timm.layers
import timm.loss
import timm.optim
import timm.utils
import torch
from torch import Tensor

from resnets.net.layers import left_out
from resnets.net.network import ResNet, build
from resnets.training.balance import Balance
from resnets.training.ema import Ema
from resnets.training.loss import Targets, losses
from resnets.training.optimizer import optimizer
from resnets.training.recipe import Recipe

N, K = 16, 7
CHANCE = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.randn(N, K, generator=CHANCE)
LABELS = torch.randint(K, (N,), generator=CHANCE)
SEVERAL = torch.rand(N, K, generator=CHANCE) < 0.4
LATE = 10**6


def made(**numbers: object) -> Recipe:
    return Recipe(name="made", source="a test", **numbers)


def mean(targets: Targets, recipe: Recipe, balance: Balance | None = None) -> Tensor:
    return losses(LOGITS, targets, recipe, balance or Balance()).sum() / N


def small() -> ResNet:
    return build("resnet20_cifar", seed=0, blocks=(1, 1), stem_width=4, widths=(4, 8), num_classes=3)


@pytest.mark.parametrize("threshold", [0.0, 0.2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_cross_entropy_is_timms(smoothing: float, threshold: float) -> None:
    theirs = timm.loss.BinaryCrossEntropy(smoothing=smoothing, target_threshold=threshold or None)
    recipe = made(loss="bce", label_smoothing=smoothing, bce_threshold=threshold)
    torch.testing.assert_close(mean(Targets(LABELS), recipe), theirs(LOGITS, LABELS))


@pytest.mark.parametrize("share", [0.9, 0.55, 0.1])
@pytest.mark.parametrize("threshold", [0.0, 0.2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one class", "several"])
def test_binary_cross_entropy_of_mixed_pictures_is_timms(
    labels: Tensor, smoothing: float, threshold: float, share: float
) -> None:
    several = labels.ndim == 2
    shown = timm.data.mixup.mixup_target(labels, K, share, smoothing, multi_label=several)
    expected = timm.loss.BinaryCrossEntropy(target_threshold=threshold or None)(LOGITS, shown)
    recipe = made(loss="bce", label_smoothing=smoothing, bce_threshold=threshold)
    mixed = Targets(labels, labels.flip(0), torch.full((N,), share))
    torch.testing.assert_close(mean(mixed, recipe), expected)


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_mixed_pictures_is_timms(smoothing: float, share: float) -> None:
    shown = timm.data.mixup.mixup_target(LABELS, K, share, smoothing)
    mixed = Targets(LABELS, LABELS.flip(0), torch.full((N,), share))
    expected = timm.loss.SoftTargetCrossEntropy()(LOGITS, shown)
    torch.testing.assert_close(mean(mixed, made(label_smoothing=smoothing)), expected)


def test_weights_of_several_classes_are_timms_pos_weight() -> None:
    weights = torch.linspace(0.1, 10, K)
    theirs = timm.loss.BinaryCrossEntropy(smoothing=0.0, pos_weight=weights)
    torch.testing.assert_close(mean(Targets(SEVERAL), made(), Balance(weights)), theirs(LOGITS, SEVERAL.float()))


@pytest.mark.parametrize("size", [1e-4, 1.0])
def test_lamb_is_timms(size: float) -> None:
    """The optimizer of "ResNet strikes back", at timm's defaults, through a network's groups."""
    ours, theirs = small(), small()
    recipe = made(optimizer="lamb", lr=8e-3, weight_decay=0.02, decay_norms=False)
    our_steps = optimizer(ours, recipe)
    their_steps = timm.optim.create_optimizer_v2(theirs, opt="lamb", lr=8e-3, weight_decay=0.02)
    assert isinstance(their_steps, timm.optim.Lamb)
    chance = torch.Generator().manual_seed(1)
    for _ in range(20):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.grad = size * torch.randn(p.shape, generator=chance)
            q.grad = p.grad.clone()
        our_steps.step()
        their_steps.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)
    assert not all(torch.equal(p, q) for p, q in zip(ours.parameters(), small().parameters(), strict=True))


def test_a_mean_of_weights_is_timms() -> None:
    network = small()
    ours, theirs = Ema(network, made(ema=0.99)), timm.utils.ModelEmaV3(network, decay=0.99)
    for step in range(5):
        with torch.no_grad():
            for p in network.parameters():
                p += 0.1 * torch.randn(p.shape, generator=CHANCE)
            network.train()(torch.randn(4, 3, 8, 8, generator=CHANCE))
        ours.update(network, LATE + step)
        theirs.update(network)
    for mine, other in zip(ours.network.state_dict().values(), theirs.module.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_early_in_a_run_a_mean_keeps_what_tensorflow_keeps(decay: float) -> None:
    network = small()
    ours, value = Ema(network, made(ema=decay)), tf.Variable(network.head.linear.bias[0].item())
    count = tf.Variable(0)
    theirs = tf.train.ExponentialMovingAverage(decay, num_updates=count)
    theirs.apply([value])  # the first is the value itself
    for step in range(1, 30):
        with torch.no_grad():
            network.head.linear.bias += 1
        value.assign_add(1.0)
        count.assign(step)
        ours.update(network, step)
        theirs.apply([value])
        expected = float(theirs.average(value).numpy())
        assert float(ours.network.head.linear.bias[0]) == pytest.approx(expected, rel=1e-5)


def test_a_branch_that_is_left_out_is_timms() -> None:
    branch = torch.randn(64, 4, 5, 5)
    torch.manual_seed(3)
    ours = left_out(branch, 0.2)
    torch.manual_seed(3)
    assert torch.equal(ours, timm.layers.drop_path(branch, 0.2, training=True))
