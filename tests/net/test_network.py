"""The network as a whole: heads, features, what it refuses, and another head on the same trunk."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.net.adapt import with_classes
from resnets.net.network import ResNet, build
from resnets.spec.variants import VARIANTS

NARROW: dict[str, Any] = {"blocks": (1, 1, 1, 1), "widths": (16, 16, 16, 16), "stem_width": 16, "num_classes": 5}


def pictures(*size: int, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0))


def without_numbers(name: str, **facts: Any) -> ResNet:
    return build(name, device="meta", **facts)


# What is given, and the whole sentence of the refusal.
REFUSED = [
    (
        "resnet18",
        (2, 1, 64, 64),
        "resnet18 takes (N, 3, H, W) and was given (2, 1, 64, 64); for other channels build it with in_channels=...",
    ),
    (
        "resnet34_note002",
        (2, 3, 28, 28),
        "resnet34_note002 takes (N, 1, H, W) and was given (2, 3, 28, 28); "
        "for other channels build it with in_channels=...",
    ),
    (
        "resnet18",
        (3, 64, 64),
        "resnet18 takes (N, 3, H, W) and was given (3, 64, 64); for other channels build it with in_channels=...",
    ),
    (
        "resnet18",
        (2, 3, 224, 16),
        "an input of 224x16 is too small for resnet18: its strides come to 32, and it needs at least 17x17. "
        "Give a larger --size, the small stem (stem='cifar'), or fewer stages, such as blocks=(2, 2, 2)",
    ),
    (
        "resnet34_note002",
        (2, 1, 64, 33),
        "this head flattens a 1x1 map and was given 2x2; give smaller pictures, or build with head_pooling='average'",
    ),
]


@pytest.mark.parametrize(("name", "shape", "sentence"), REFUSED)
def test_pictures_that_do_not_fit_are_refused_with_what_was_given_and_what_would_fit(
    name: str, shape: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        without_numbers(name)(torch.empty(shape, device="meta"))
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("verb", ["levels", "features"])
@pytest.mark.parametrize("shape", [(2, 1, 64, 64), (3, 64, 64), (2, 3, 8, 64)])
def test_levels_and_features_refuse_what_forward_refuses(verb: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="resnet18"):
        getattr(without_numbers("resnet18"), verb)(torch.empty(shape, device="meta"))


@pytest.mark.parametrize("name", ["resnet34_note002", "resnet50_note002"])
def test_a_head_that_flattens_takes_the_28_pixels_of_its_note_and_averages_the_same(name: str) -> None:
    flattening, averaging = (build(name, seed=0, head_pooling=how).eval() for how in ("flatten", "average"))
    x = pictures(28, 28, channels=1)
    with torch.no_grad():
        torch.testing.assert_close(flattening(x), averaging(x))


def test_a_network_without_a_head_gives_the_last_levels_map() -> None:
    network = build("resnet18", head="none", **NARROW).eval()
    x = pictures(64, 96)
    with torch.no_grad():
        assert torch.equal(network(x), network.levels(x)["C5"])
    assert network(x).shape == (2, 16, 2, 3)


@pytest.mark.parametrize("name", ["resnet18", "resnetv2_50"])
def test_logits_are_the_linear_layer_on_features_and_features_the_mean_of_the_last_level(name: str) -> None:
    network = build(name, **NARROW).eval()
    x = pictures(64, 96)
    with torch.no_grad():
        features, last = network.features(x), network.levels(x)["C5"]
        torch.testing.assert_close(features, last.sum((2, 3)) / 6)
        torch.testing.assert_close(network(x), network.head.linear(features))


def test_a_preactivation_networks_last_level_is_after_the_final_norm_and_relu_and_the_others_are_raw_sums() -> None:
    network = build("resnetv2_50", **NARROW).eval()
    with torch.no_grad():
        maps = network.levels(pictures(64, 64))
        raw = network.stages(network.stem(pictures(64, 64)))
    assert torch.equal(maps["C5"], network.norm(raw).relu())
    assert all(float(maps[key].min()) < 0 for key in ("C2", "C3", "C4"))


def test_the_mlp_head_is_dropout_hidden_relu_dropout_linear_and_drops_only_in_training() -> None:
    # Note 001: Dropout(0.5), Dense(1024, relu), Dropout(0.5), Dense(classes).
    network = build("resnet18", head="mlp", seed=0, **NARROW).eval()
    head = network.head
    assert (head.hidden.out_features, head.dropout.p) == (1024, 0.5)
    x = pictures(7, 7, channels=16)
    pooled = x.mean((2, 3))
    with torch.no_grad():
        torch.testing.assert_close(head(x), head.linear(head.hidden(pooled).relu()))
        assert torch.equal(head(x), head(x))
        head.train()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            made = head(x)
            torch.manual_seed(3)
            expected = head.linear(F.dropout(head.hidden(F.dropout(pooled, 0.5)).relu(), 0.5))
        torch.testing.assert_close(made, expected)
        assert not torch.equal(head(x), head(x))


def test_the_linear_head_drops_nothing_in_training() -> None:
    head = build("resnet18", dropout=0.9, **NARROW).head.train()
    x = pictures(7, 7, channels=16)
    assert torch.equal(head(x), head.linear(x.mean((2, 3))))


@pytest.mark.parametrize(
    ("facts", "shape"),
    [
        ({"in_channels": 1}, (2, 1, 40, 56)),
        ({"in_channels": 13, "num_classes": 7}, (2, 13, 40, 56)),
        ({"stem": "cifar"}, (2, 3, 40, 56)),
        ({"blocks": (1, 1)}, (2, 3, 40, 56)),
        ({"blocks": (1, 1, 1, 1, 1)}, (2, 3, 40, 56)),
        ({"block": "bottleneck", "cardinality": 4, "base_width": 64}, (2, 3, 40, 56)),
        ({"se_reduction": 4, "shortcut": "zero_pad"}, (2, 3, 40, 56)),
    ],
)
def test_any_fact_of_a_row_can_be_changed_and_the_network_runs(facts: dict[str, Any], shape: tuple[int, ...]) -> None:
    network = without_numbers("resnet18", **facts)
    classes = facts.get("num_classes", 1000)
    assert network(torch.empty(shape, device="meta")).shape == (2, classes)
    assert network.architecture.name == "resnet18"


@pytest.mark.parametrize("name", ["resnet5O", "resnet18s"])
def test_building_an_unknown_network_is_refused_with_the_nearest_names(name: str) -> None:
    with pytest.raises(ValueError, match=f"^no network is called '{name}'. Nearest: "):
        build(name)


def test_building_with_an_unknown_fact_is_refused() -> None:
    with pytest.raises(ValueError, match="Did you mean 'num_classes'"):
        build("resnet18", n_classes=10)


def test_a_network_keeps_its_architecture_and_plan() -> None:
    network = without_numbers("resnet18")
    assert network.architecture == VARIANTS["resnet18"]
    assert network.plan.architecture == VARIANTS["resnet18"]


@pytest.mark.parametrize("name", ["resnet18", "resnet50_mrcnn", "resnet50_note001"])
def test_another_head_keeps_the_trunk_weight_for_weight_and_shares_nothing(name: str) -> None:
    network = build(name, seed=0, **NARROW)
    adapted = with_classes(network, 9, generator=torch.Generator().manual_seed(1))
    assert adapted.architecture.num_classes == 9
    assert adapted.head.linear.out_features == 9
    trunk = {key: tensor for key, tensor in network.state_dict().items() if not key.startswith("head.")}
    kept = adapted.state_dict()
    assert all(torch.equal(kept[key], trunk[key]) for key in trunk)
    assert all(kept[key].data_ptr() != trunk[key].data_ptr() for key in trunk if trunk[key].ndim)
    assert {key for key in kept if not key.startswith("head.")} == trunk.keys()
    assert network.architecture.num_classes == 5
