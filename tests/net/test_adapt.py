"""Adapting a network: what stays, what follows a stated rule, and what is drawn anew."""

from __future__ import annotations

import pytest
import torch

from resnets.net.adapt import same_names, with_classes, with_in_channels, with_small_stem
from resnets.net.network import build
from tests import tiny


def test_classes_of_the_same_name_keep_their_rows() -> None:
    old = tiny.network(classes=3)
    keep = same_names(("ant", "bee", "cat"), ("cat", "dog", "ant"))
    assert keep == {0: 2, 2: 0}
    new = with_classes(old, 3, keep=keep)
    assert old.head is not None and new.head is not None
    assert torch.equal(new.head.linear.weight[[0, 2]], old.head.linear.weight[[2, 0]])
    assert torch.equal(new.head.linear.bias[[0, 2]], old.head.linear.bias[[2, 0]])
    assert not torch.equal(new.head.linear.weight[1], old.head.linear.weight[1])


def test_a_hidden_layer_stays_with_the_rows_it_feeds() -> None:
    old = tiny.network(classes=3, head="mlp", head_width=5)
    kept, fresh = with_classes(old, 2, keep={0: 1}), with_classes(old, 2)
    assert torch.equal(kept.head.hidden.weight, old.head.hidden.weight)  # type: ignore[union-attr]
    assert not torch.equal(fresh.head.hidden.weight, old.head.hidden.weight)  # type: ignore[union-attr]


def test_one_channel_sees_what_three_equal_channels_saw() -> None:
    old = tiny.network().double()
    grey = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    new = with_in_channels(old, 1).double()
    torch.testing.assert_close(new(grey), old(grey.expand(-1, 3, -1, -1)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4, 6, 9, 13])
def test_more_channels_take_the_old_ones_in_turn_at_old_over_new(channels: int) -> None:
    old = tiny.network()
    new = with_in_channels(old, channels)
    weight, before = new.stem.conv1.weight, old.stem.conv1.weight
    for index in range(channels):
        torch.testing.assert_close(weight[:, index], before[:, index % 3] * 3 / channels)


@pytest.mark.parametrize("channels", [6, 9])
def test_channels_that_are_all_alike_give_what_they_gave(channels: int) -> None:
    old = tiny.network()
    alike = torch.rand(2, 1, 8, 8)
    new = with_in_channels(old, channels)
    torch.testing.assert_close(
        new(alike.expand(-1, channels, -1, -1)), old(alike.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
    )


def test_the_small_stem_is_the_centre_of_the_large_one_at_the_whole_kernels_norm() -> None:
    old = build("resnet18", seed=0, num_classes=3).eval()
    new = with_small_stem(old)
    assert new.architecture.stem == "cifar"
    assert set(new.levels(torch.zeros(1, 3, 32, 32))) == {"C1", "C2", "C3", "C4", "C5"}
    large, small = old.stem.conv1.weight, new.stem.conv1.weight
    torch.testing.assert_close(small.flatten(1).norm(dim=1), large.flatten(1).norm(dim=1))
    ratio = small / large[:, :, 2:5, 2:5]
    torch.testing.assert_close(ratio, ratio[:, :1, :1, :1].expand_as(ratio), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="stem='cifar' is not the 7x7 stem"):
        with_small_stem(new)


def test_what_is_not_adapted_stays_weight_for_weight_and_nothing_is_shared() -> None:
    old = tiny.network()
    for new in (with_in_channels(old, 1), with_classes(old, 5)):
        changed = {n for n, t in new.state_dict().items() if not _equal(t, old.state_dict()[n])}
        assert changed <= {"stem.conv1.weight", "head.linear.weight", "head.linear.bias"}
        assert not {t.data_ptr() for t in new.parameters()} & {t.data_ptr() for t in old.parameters()}
        assert new.training == old.training


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)
