"""Layers: padding, pooling, batch norm's three switches and the gate, each against its formula."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.net.layers import BatchNorm, Conv2d, Pool2d, SqueezeExcite
from resnets.spec.architecture import PoolFill, PoolPaddingRule
from resnets.spec.padding import out_size
from resnets.spec.plan import Conv, Gate, Pool

SIZES = ((1, 1), (1, 2), (2, 2), (2, 3), (5, 8), (9, 7), (12, 12))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def same_by_hand(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's rule in its own words: see "padding='SAME'" in tf.nn's notes on padding."""
    total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
    return total // 2, total - total // 2


def padded(x: Tensor, rule: str, kernel: int, stride: int, fill: float = 0.0) -> Tensor:
    sides = [
        same_by_hand(n, kernel, stride) if rule == "same" else (kernel // 2, kernel // 2) for n in reversed(x.shape[2:])
    ]
    return F.pad(x, (*sides[0], *sides[1]), value=fill)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
@pytest.mark.parametrize("rule", ["symmetric", "same"])
def test_a_convolution_is_torchs_on_an_input_padded_by_hand_in_training_and_out_of_it(
    rule: PoolPaddingRule, kernel: int, stride: int, bias: bool, training: bool
) -> None:
    spec = Conv(name="c", in_channels=4, out_channels=6, kernel=kernel, stride=stride, padding=rule, bias=bias)
    layer = Conv2d(spec).double().train(training)
    for size in SIZES:
        x = random(3, 4, *size).requires_grad_()
        expected = F.conv2d(padded(x, rule, kernel, stride), layer.weight, layer.bias, stride)
        made = layer(x)
        assert made.shape[2:] == tuple(out_size(rule, n, kernel, stride) for n in size)
        torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
        inputs = (x, *layer.parameters())
        direction = random(*expected.shape, seed=1)
        found, wanted = (torch.autograd.grad(y, inputs, direction) for y in (made, expected))
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [False, True])
def test_a_grouped_convolution_is_torchs_at_every_size(training: bool) -> None:
    layer = Conv2d(Conv(name="c", in_channels=4, out_channels=8, kernel=3, groups=4)).double().train(training)
    for size in SIZES:
        x = random(2, 4, *size)
        torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, padding=1, groups=4))


@pytest.mark.parametrize("fill", ["-inf", "zero"])
@pytest.mark.parametrize("rule", ["symmetric", "same"])
def test_a_max_pool_is_torchs_on_an_input_padded_by_hand(rule: PoolPaddingRule, fill: PoolFill) -> None:
    layer = Pool2d(Pool(name="p", kind="max", kernel=3, stride=2, padding=rule, fill=fill))
    for size in SIZES:
        x = random(2, 3, *size) - 3  # mostly negative, where a padding of zeros shows
        expected = F.max_pool2d(padded(x, rule, 3, 2, 0.0 if fill == "zero" else float("-inf")), 3, 2)
        assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_a_pool_with_caffes_rule_is_torchs_in_ceil_mode(kind: str, kernel: int) -> None:
    layer = Pool2d(Pool(name="p", kind="max", kernel=kernel, stride=2, padding="ceil"))
    if kind == "average":
        layer = Pool2d(Pool(name="p", kind="average", kernel=kernel, stride=2, padding="ceil"))
    for height in range(kernel, 30):
        x = random(1, 2, height, height + 1)
        expected = (
            F.max_pool2d(x, kernel, 2, ceil_mode=True)
            if kind == "max"
            else F.avg_pool2d(x, kernel, 2, ceil_mode=True, count_include_pad=False)
        )
        assert torch.equal(layer(x), expected)
        assert expected.shape[2:] == tuple(out_size("ceil", n, kernel, 2) for n in (height, height + 1))


def reference_norm(x: Tensor, norm: BatchNorm, batch: bool, update: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Ioffe and Szegedy 2015, Algorithm 1, by hand: the output, and the running mean and variance after it.

    They move before they are used, where both happen; the running variance is the unbiased one, as torch keeps it.
    """
    assert norm.running_mean is not None and norm.running_var is not None
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    n = x.numel() / x.shape[1]
    m = x.mean((0, 2, 3))
    v = ((x - m[:, None, None]) ** 2).mean((0, 2, 3))
    if update:
        mean = 0.9 * mean + 0.1 * m.detach()
        var = 0.9 * var + 0.1 * (v * n / (n - 1)).detach()
    used_mean, used_var = (m, v) if batch else (mean, var)
    y = (x - used_mean[:, None, None]) / torch.sqrt(used_var + norm.eps)[:, None, None]
    return y * norm.weight[:, None, None] + norm.bias[:, None, None], mean, var


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("trained", "batch", "update"), [*product([False, True], repeat=3)])
def test_batch_norms_three_switches_do_what_they_say_whatever_the_mode(
    trained: bool, batch: bool, update: bool, training: bool
) -> None:
    norm = BatchNorm(3, eps=1e-3).double().train(training)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert tensor is not None
            tensor.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(3))
    norm.requires_grad_(trained)
    norm.batch_statistics, norm.update_statistics = batch, update
    x = (2 + 3 * random(4, 3, 5, 2)).requires_grad_()
    expected, mean, var = reference_norm(x, norm, batch, update)
    direction = random(*x.shape, seed=1)
    (wanted,) = torch.autograd.grad((expected * direction).sum(), x, retain_graph=trained)
    made = norm(x)
    (made * direction).sum().backward()
    torch.testing.assert_close(made, expected)
    torch.testing.assert_close(x.grad, wanted)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, var)
    assert norm.num_batches_tracked is not None
    assert int(norm.num_batches_tracked) == update
    if trained:
        for parameter in (norm.weight, norm.bias):
            (wanted,) = torch.autograd.grad((expected * direction).sum(), parameter, retain_graph=True)
            torch.testing.assert_close(parameter.grad, wanted)
    else:
        assert norm.weight.grad is None and norm.bias.grad is None


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_follows_the_mode_where_a_switch_is_not_set(training: bool) -> None:
    norm = BatchNorm(3).double().train(training)
    plain = torch.nn.BatchNorm2d(3).double().train(training)
    x = 2 + 3 * random(4, 3, 5, 2)
    assert torch.equal(norm(x), plain(x))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(norm.buffers(), plain.buffers(), strict=True))


def test_the_gate_is_the_formula_of_squeeze_and_excitation() -> None:
    # Hu et al. 2017, eq. 2-4: z = mean(x), s = sigmoid(W2 relu(W1 z)), x * s; with biases, as everyone trains it.
    squeeze = Conv(name="s", in_channels=6, out_channels=2, kernel=1, bias=True)
    gate = SqueezeExcite(
        Gate(squeeze=squeeze, excite=Conv(name="e", in_channels=2, out_channels=6, kernel=1, bias=True))
    ).double()
    x = random(3, 6, 4, 5)
    assert gate.squeeze.bias is not None and gate.excite.bias is not None
    z = x.sum((2, 3)) / 20
    hidden = (z @ gate.squeeze.weight[:, :, 0, 0].T + gate.squeeze.bias).clamp_min(0)
    s = 1 / (1 + torch.exp(-(hidden @ gate.excite.weight[:, :, 0, 0].T + gate.excite.bias)))
    torch.testing.assert_close(gate(x), x * s[:, :, None, None])
