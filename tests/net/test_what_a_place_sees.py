"""The receptive field, measured: which pixels can change one place of the last map."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from resnets.net.network import ResNet
from resnets.spec.count import receptive_field
from resnets.spec.variants import architecture

# Shallow and narrow, since only windows and strides matter here; each has something that moves the edge.
SHALLOW: dict[str, dict[str, Any]] = {
    "resnet18": {"blocks": (1, 1, 1, 1), "widths": (1, 1, 1, 1)},
    "resnet34": {"blocks": (2, 1, 2), "widths": (1, 1, 1)},
    "resnet50": {"blocks": (1, 2, 1), "widths": (1, 1, 1)},
    "resnet50_v1": {"blocks": (1, 2, 1), "widths": (1, 1, 1)},
    "resnet50d": {"blocks": (1, 1, 1), "widths": (1, 1, 1)},
    "resnet50v2_keras": {"blocks": (2, 1, 2), "widths": (1, 1, 1)},
    "resnet50_mrcnn": {"blocks": (1, 1, 2), "widths": (1, 1, 1)},
    "resnet34_note002": {"blocks": (1, 2, 1), "widths": (1, 1, 1)},
    "plain34": {"blocks": (1, 2, 1), "widths": (1, 1, 1)},
    "resnet20_cifar": {"blocks": (3, 3, 3), "widths": (2, 2, 2)},
    "resnet164v2_cifar": {"blocks": (2, 2, 2), "widths": (1, 1, 1)},
}


@pytest.mark.parametrize("name", SHALLOW)
def test_a_place_of_the_last_map_sees_as_many_pixels_as_its_receptive_field_says(name: str) -> None:
    """An unknown pixel (NaN) makes unknown whatever sees it, through sums, maxima and ReLUs alike."""
    arch = architecture(name, stem_width=2, in_channels=1, head="none", **SHALLOW[name])
    network = ResNet(arch).eval()
    field = receptive_field(network.plan)
    side = 2 * field
    # One picture for each column of pixels, unknown in that column; a strip is high enough for every stride.
    pictures = torch.rand(side, 1, network.smallest + 1, side)
    pictures[torch.arange(side), :, :, torch.arange(side)] = float("nan")
    with torch.no_grad():
        made = network(pictures)
    seen = made[:, 0, 0, made.shape[-1] // 2].isnan()
    columns = seen.nonzero().flatten()
    assert len(columns) == field
    assert int(columns[-1] - columns[0]) + 1 == field
