"""What a checkpoint says of itself beside its tensors is held against the network, and what contradicts is refused."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from resnets.weights.identify import identify
from resnets.weights.load import load
from tests.weights.test_load import logits, torchvision_net


def _leaky(net: Any) -> None:
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.LeakyReLU(0.1))


def _eps(net: Any) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-2


def _dilated(net: Any) -> None:
    net.layer4[0].conv1.stride = net.layer4[0].downsample[0].stride = (1, 1)
    net.layer4[0].conv2.dilation = (2, 2)


def _no_pool(net: Any) -> None:
    net.maxpool = nn.Identity()


def _stem_stride(net: Any) -> None:
    net.conv1.stride = (1, 1)


CHANGED: list[tuple[Callable[[Any], None], str]] = [
    (_leaky, "its activation is LeakyReLU, and networks here have ReLU"),
    (_dilated, r"layer4\.0\.conv1 has stride \(1, 1\), and the network would have 2"),
    (_no_pool, "its stem has no pool"),
    (_stem_stride, r"conv1 has stride \(1, 1\), and the network would have 2"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_whole_pickled_network_that_is_another_is_refused(
    tmp_path: Path, change: Callable[[Any], None], sentence: str
) -> None:
    net = torchvision_net(num_classes=3)
    change(net)
    torch.save(net, tmp_path / "whole.pth")
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "whole.pth")


def test_a_whole_pickled_network_loads_with_the_epsilon_it_states(tmp_path: Path) -> None:
    net = torchvision_net(num_classes=5)
    _eps(net)
    torch.save(net, tmp_path / "whole.pth")
    model = load(tmp_path / "whole.pth")
    assert model.card.architecture.norm_eps == 1e-2
    torch.testing.assert_close(logits(model.network), logits(net), rtol=1e-5, atol=1e-6)


def test_an_unchanged_whole_network_loads(tmp_path: Path) -> None:
    for name in ("resnet18", "resnext50_32x4d"):
        net = torchvision_net(name, num_classes=5)
        torch.save(net, tmp_path / "whole.pth")
        torch.testing.assert_close(logits(load(tmp_path / "whole.pth").network), logits(net), rtol=1e-4, atol=1e-5)


def saved(tmp_path: Path, **beside: Any) -> Path:
    with torch.device("meta"):
        state = torchvision.models.resnet50(num_classes=3).state_dict()
    zeros = {key: torch.zeros(tensor.shape, dtype=torch.float16) for key, tensor in state.items()}
    torch.save({"state_dict": zeros, **beside}, tmp_path / "c.pth")
    return tmp_path / "c.pth"


def test_a_file_that_calls_itself_another_network_is_refused_or_doubted(tmp_path: Path) -> None:
    assert not identify(saved(tmp_path, arch="resnet50")).problems
    assert identify(saved(tmp_path, arch="resnet101")).problems == (
        "it calls itself resnet101, and its tensors are those of resnet50",
    )
    doubted = identify(saved(tmp_path, arch="resnetblur50")).unknown["strides"]
    assert doubted.why == "the file calls it 'resnetblur50', which is no row here and may be another network"


def test_a_dilation_among_the_arguments_leaves_the_strides_open(tmp_path: Path) -> None:
    found = identify(saved(tmp_path, args=argparse.Namespace(dilation=True, lr=0.1)))
    assert found.unknown["strides"].why == "the file says args.dilation=True; a dilated network is not read here"
    assert not identify(saved(tmp_path, args=argparse.Namespace(dilation=False))).unknown


def test_openmmlabs_caffe_style_is_believed(tmp_path: Path) -> None:
    found = identify(saved(tmp_path, meta={"config": "model = dict(backbone=dict(depth=50, style='caffe'))"}))
    assert found.facts["stride_on"].value == "1x1"
    assert found.preprocess.value.colour == "bgr"


@pytest.mark.parametrize(
    ("beside", "names"),
    [
        ({"classes": ["ant", "bee", "cat"]}, ("ant", "bee", "cat")),
        ({"class_to_idx": {"cat": 2, "ant": 0, "bee": 1}}, ("ant", "bee", "cat")),
        ({"meta": {"CLASSES": ("x", "y", "z")}}, ("x", "y", "z")),
        ({"classes": ["ant", "bee"]}, None),
        ({"class_to_idx": {"cat": 5, "ant": 0, "bee": 1}}, None),
    ],
)
def test_class_names_in_the_file_are_its_own_or_nobodys(
    tmp_path: Path, beside: dict[str, Any], names: tuple[str, ...] | None
) -> None:
    fact = identify(saved(tmp_path, **beside)).classes
    assert (fact.value, fact.how) == (names, "read" if names else "unknown")


def test_a_frozen_detectors_epsilon_is_open(tmp_path: Path) -> None:
    with torch.device("meta"):
        state = torchvision.models.resnet50().state_dict()
    kept = {k: t for k, t in state.items() if not k.startswith("fc.") and not k.endswith("num_batches_tracked")}
    zeros = {f"backbone.body.{key}": torch.zeros(tensor.shape, dtype=torch.float16) for key, tensor in kept.items()}
    torch.save(zeros | {"rpn.head.conv.0.0.weight": torch.zeros(1)}, tmp_path / "d.pth")
    assert identify(tmp_path / "d.pth").unknown["norm_eps"].alternatives == (1e-5, 1e-12)
    torch.save(zeros, tmp_path / "t.pth")
    assert not identify(tmp_path / "t.pth").unknown


def test_numbers_that_are_not_finite_are_refused_with_the_tensor(tmp_path: Path) -> None:
    state = torchvision_net(num_classes=3).state_dict()
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(ValueError, match=r"not finite in 1 tensors \(layer2\.0\.conv1\.weight\)"):
        load(tmp_path / "nan.pth")


def test_a_head_behind_a_dropout_is_the_head(tmp_path: Path) -> None:
    net = torchvision_net(num_classes=5)
    state = {key.replace("fc.", "fc.1."): tensor for key, tensor in net.state_dict().items()}
    torch.save(state, tmp_path / "d.pth")
    torch.testing.assert_close(logits(load(tmp_path / "d.pth").network), logits(net), rtol=1e-5, atol=1e-6)


def test_a_cut_network_is_called_like_its_row_but_for_what_differs(tmp_path: Path) -> None:
    state = {k: t for k, t in torchvision_net(num_classes=3).state_dict().items() if not k.startswith("layer4.1")}
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(
        ValueError, match=r"is like resnet18, with blocks=2,2,2,1 in the names .* and resnet18 was asked"
    ):
        load(tmp_path / "cut.pth", network="resnet18")
