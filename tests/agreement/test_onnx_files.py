"""ONNX files: what PyTorch exports is found again by its graph, norms folded or not, and computes the same."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from torch import nn

from resnets.net.network import ResNet
from resnets.spec.variants import architecture
from resnets.weights.containers import onnx_file
from resnets.weights.dialects.follow import follow
from resnets.weights.dialects.onnx_nodes import onnx_graph
from tests.agreement.files import assert_computes, randomise
from tests.agreement.test_keras_files import loaded, our_tensors
from tests.goldens import picture

Record = Callable[[str, object], None]

SMALL: dict[str, Any] = {"blocks": (1, 2), "widths": (8, 16), "strides": (1, 2), "stem_width": 8, "num_classes": 5}

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet(architecture("resnet18", **SMALL)),
    "resnetv2_50": lambda: ResNet(architecture("resnetv2_50", **SMALL)),
    "resnet50d": lambda: ResNet(architecture("resnet50d", **SMALL)),
    "resnet20_cifar, option A": lambda: ResNet(architecture("resnet20_cifar")),
    "plain20_cifar": lambda: ResNet(architecture("plain20_cifar")),
    "timm's seresnet50": lambda: timm.create_model("seresnet50", num_classes=5),
    "timm's resnet18": lambda: timm.create_model("resnet18", num_classes=5),
    "timm's resnetv2_50": lambda: timm.create_model("resnetv2_50", num_classes=5),
}


def exported(network: nn.Module, path: Path, *, folded: bool, dynamo: bool) -> Path:
    """Write a network with one of PyTorch's two exporters; the old one keeps the norms if it is told to train."""
    x = (torch.zeros(1, 3, 64, 64),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the old exporter is old, and what it traces as constants
        if dynamo:
            torch.onnx.export(network, x, path, dynamo=True, external_data=False, optimize=folded)
        else:
            mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
            torch.onnx.export(network, x, path, dynamo=False, training=mode, do_constant_folding=folded)
    return path


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_is_found_and_computes_the_same(
    name: str, folded: bool, dynamo: bool, scratch: Path, record_property: Record
) -> None:
    if dynamo:
        pytest.importorskip("onnxscript", reason="PyTorch's newer exporter needs onnxscript")
    network = NETWORKS[name]()
    randomise(network)
    network.eval()
    path = exported(network, scratch / "model.onnx", folded=folded, dynamo=dynamo)
    contents = onnx_file.read(path)
    found = follow(onnx_graph(contents))
    assert any("folded" in note for note in found.notes) or not folded or not dynamo
    x = picture((1, 3, 64, 64))
    with torch.no_grad():
        theirs = {"logits": network(torch.from_numpy(x)).numpy()}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: x})
    ours = loaded(found.facts, our_tensors(contents, found.tensors, found.filled))
    error = assert_computes(ours, x, theirs)
    assert_computes(ours, x, {"logits": np.asarray(logits)})
    record_property(f"ONNX, {'folded' if folded else 'as it is'}, {'torch.export' if dynamo else 'TorchScript'}", error)
