"""Jitter: torchvision's ColorJitter, drawn by us."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, ks_2samp
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from resnets.data.augmentation.jitter import CHANGES, DRAWS, changes, contrast, jitter, mean_grey
from resnets.data.augmentation.rows import Augmentation
from resnets.data.draws import uniforms

ROW = Augmentation(source="test", brightness=0.4, contrast=1.5, saturation=0.2, hue=0.1)
"""With a contrast that torchvision cuts off below at 0."""


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return uniforms(seed, 0, "pixels", np.arange(count), DRAWS)


def test_changes_are_distributed_as_torchvisions() -> None:
    theirs_of = v2.ColorJitter(ROW.brightness, ROW.contrast, ROW.saturation, ROW.hue)
    torch.manual_seed(0)
    theirs = [theirs_of.make_params([]) for _ in range(3_000)]
    ours = [changes(ROW, draws) for draws in drawn(3_000).tolist()]
    for name in CHANGES:
        mine = [dict(done)[name] for done in ours]
        assert ks_2samp(mine, [params[f"{name}_factor"] for params in theirs], method="asymp").pvalue > 1e-3
    orders = [tuple(CHANGES.index(name) for name, _ in done) for done in ours]
    for tally in (Counter(orders), Counter(tuple(params["fn_idx"].tolist()) for params in theirs)):
        assert len(tally) == 24
        assert chisquare(list(tally.values())).pvalue > 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_changes_make_torchvisions_pixels(channels: int) -> None:
    batch = torch.randint(0, 256, (20, channels, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    changed = jitter(batch, ROW, drawn(20))
    theirs_of = v2.ColorJitter(ROW.brightness, ROW.contrast, ROW.saturation, ROW.hue)
    for picture, ours, draws in zip(batch, changed, drawn(20).tolist(), strict=True):
        done = changes(ROW, draws)
        params = {f"{name}_factor": value for name, value in done}
        params["fn_idx"] = torch.tensor([CHANGES.index(name) for name, _ in done])
        assert torch.equal(theirs_of.transform(picture, params), ours)


def test_what_a_row_does_not_ask_for_is_not_changed_and_moves_no_other_draw() -> None:
    only = Augmentation(source="test", saturation=0.2)
    for draws in drawn(50).tolist():
        assert changes(only, draws) == [change for change in changes(ROW, draws) if change[0] == "saturation"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7])
def test_contrast_is_torchvisions(channels: int, factor: float) -> None:
    picture = torch.randint(0, 256, (channels, 40, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(contrast(picture, factor), functional.adjust_contrast(picture, factor))


def test_the_mean_of_a_large_picture_is_exact_for_any_number_of_threads() -> None:
    picture = torch.randint(60, 256, (1, 700, 701), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert mean_grey(picture) == float(picture.numpy().mean(dtype=np.float64))
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            assert mean_grey(picture) == float(picture.numpy().mean(dtype=np.float64))
    finally:
        torch.set_num_threads(before)
