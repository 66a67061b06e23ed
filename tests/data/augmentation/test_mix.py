"""Mix: torchvision's shares and boxes, timm's partners, and the same for any number of processes."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from resnets.data.augmentation.mix import Mixing, mix, mixing
from resnets.data.augmentation.rows import Augmentation

MIXUP = Augmentation(source="test", mixup=0.2)
CUTMIX = Augmentation(source="test", cutmix=1.0)
BOTH = Augmentation(source="test", mixup=0.2, cutmix=1.0)


def images(count: int, height: int = 6, width: int = 9) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(2))


def mixings(row: Augmentation, count: int = 3_000) -> list[Mixing]:
    found = [mixing(row, 1, 0, place) for place in range(count)]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.8, 1.0, 4.0])
def test_shares_of_mixup_are_distributed_as_torchvisions(alpha: float) -> None:
    ours = [one.share for one in mixings(Augmentation(source="test", mixup=alpha))]
    torch.manual_seed(0)
    theirs_of = v2.MixUp(alpha=alpha, num_classes=2)
    theirs = [theirs_of.make_params([])["lam"] for _ in range(3_000)]
    # Theirs are float32, which knows no number between 1 - 6e-8 and 1.
    assert ks_2samp(np.round(ours, 6), np.round(theirs, 6), method="asymp").pvalue > 1e-3


@pytest.mark.parametrize(("height", "width"), [(224, 224), (32, 20)])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_boxes_of_cutmix_are_distributed_as_torchvisions(alpha: float, height: int, width: int) -> None:
    boxes = [one.box(height, width) for one in mixings(Augmentation(source="test", cutmix=alpha))]
    torch.manual_seed(0)
    theirs_of, blank = v2.CutMix(alpha=alpha, num_classes=2), torch.empty(3, height, width)
    theirs = [theirs_of.make_params([blank])["box"] for _ in range(3_000)]
    for side in range(4):
        assert ks_2samp([box[side] for box in boxes], [box[side] for box in theirs], method="asymp").pvalue > 1e-3
    areas = [[(right - left) * (bottom - top) for left, top, right, bottom in side] for side in (boxes, theirs)]
    assert ks_2samp(*areas, method="asymp").pvalue > 1e-3


def test_the_same_share_and_centre_make_torchvisions_box(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs_of, blank = v2.CutMix(num_classes=2), torch.empty(3, 30, 50)
    for share, across, down in np.random.default_rng(0).random((200, 3)).tolist():
        numbers = iter((int(across * 50), int(down * 30)))
        share_of = SimpleNamespace(sample=lambda _, share=share: torch.tensor(share, dtype=torch.float64))
        monkeypatch.setattr(theirs_of, "_dist", share_of)
        monkeypatch.setattr(torch, "randint", lambda *_, numbers=numbers, **__: torch.tensor([next(numbers)]))
        assert theirs_of.make_params([blank])["box"] == Mixing(share=share, centre=(across, down)).box(30, 50)


def test_one_of_both_is_done_at_even_odds_and_at_the_stated_probability() -> None:
    found = mixings(dataclasses.replace(BOTH, mix_probability=0.5), 4_000)
    assert 1_880 < len(found) < 2_120
    assert 880 < sum(one.centre is not None for one in found) < 1_120
    assert all(one.centre is None for one in mixings(MIXUP, 50))
    assert all(one.centre is not None for one in mixings(CUTMIX, 50))
    nothing = (Augmentation(source="test"), dataclasses.replace(BOTH, mix_probability=0.0))
    assert not any(mixings(row, 50) for row in nothing)


def test_a_mixing_is_a_function_of_seed_epoch_and_batch() -> None:
    assert mixing(BOTH, 1, 2, 3) == mixing(BOTH, 1, 2, 3)
    keys = ((1, 2, 3), (2, 1, 3), (1, 3, 2), (1, 2, 4), (2, 2, 3))
    assert len({mixing(BOTH, *key) for key in keys}) == 5


def test_mixup_adds_the_picture_at_the_mirrored_position_in_its_share() -> None:
    batch = images(6)
    mixed, partners, share = mix(batch, torch.arange(6), 6, Mixing(share=0.7))
    assert partners.tolist() == [5, 4, 3, 2, 1, 0]
    assert torch.allclose(mixed, 0.7 * batch + 0.3 * batch.flip(0), atol=1e-6)
    assert torch.equal(share, torch.full((6,), 0.7))
    assert torch.equal(batch, images(6))


def test_cutmix_puts_in_a_box_of_the_partner_and_its_share_is_exact() -> None:
    batch = images(4)
    cut = Mixing(share=0.4, centre=(0.1, 0.6))
    mixed, partners, share = mix(batch, torch.arange(4), 4, cut)
    left, top, right, bottom = cut.box(6, 9)
    assert 0 == left < right < 9
    assert 0 < top < bottom <= 6
    inside = torch.zeros(6, 9, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    assert torch.equal(mixed, torch.where(inside, batch[partners], batch))
    assert torch.equal(share, torch.full((4,), 1 - float(inside.float().mean())))


@pytest.mark.parametrize("how", [Mixing(share=0.7), Mixing(share=0.4, centre=(0.5, 0.5))])
def test_a_picture_whose_partner_is_itself_or_bad_stays_as_it_is(how: Mixing) -> None:
    batch = images(7)
    present = torch.tensor([0, 1, 3, 4, 6])  # 2 and 5 are not there, and 3 is the middle
    mixed, partners, share = mix(batch[present], present, 7, how)
    assert partners.tolist() == [4, 1, 2, 3, 0]
    assert torch.equal(mixed[1:4], batch[present][1:4])
    assert share[1:4].tolist() == [1.0, 1.0, 1.0]
    assert not torch.equal(mixed[0], batch[0])
    assert share[0] == share[4] < 1


@pytest.mark.parametrize("how", [Mixing(share=0.7), Mixing(share=0.4, centre=(0.5, 0.5))])
def test_processes_with_symmetric_positions_mix_as_one_does_to_the_bit(how: Mixing) -> None:
    batch = images(11, 7, 5)
    whole, partners, share = mix(batch, torch.arange(11), 11, how)
    for held in ([0, 10, 1, 9], [2, 3, 5, 7, 8], [4, 6]):
        positions = torch.tensor(held)
        part, others, own = mix(batch[positions], positions, 11, how)
        assert torch.equal(part, whole[positions])
        assert torch.equal(own, share[positions])
        assert torch.equal(positions[others], partners[positions])


def test_a_process_without_pictures_mixes_none() -> None:
    mixed, partners, share = mix(images(0), torch.empty(0, dtype=torch.int64), 8, Mixing(share=0.5))
    assert (len(mixed), len(partners), len(share)) == (0, 0, 0)


@pytest.mark.parametrize("positions", [[0, 1], [0, 1, 8], [0, 1, -1], [0, 1, 1]])
def test_positions_that_are_none_of_the_batch_are_refused(positions: list[int]) -> None:
    with pytest.raises(ValueError, match=r"are not 3 different places in a batch of 8"):
        mix(images(3), torch.tensor(positions), 8, Mixing(share=0.5))
