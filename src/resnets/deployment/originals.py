"""Originals: the codebase itself, where it is installed, running the file that was written for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from resnets.evaluation.agreement import Maps, Network
from resnets.spec.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Original:
    """A codebase: the package that has it, and how its own network is made of a file."""

    package: str
    make: Callable[[Path, Architecture], Network]


class NoOriginal(Exception):
    """The codebase cannot be asked; the message says why."""


def original(dialect: str, path: Path, architecture: Architecture) -> tuple[str, Network]:
    """Return the name and version of the codebase, and its own network with the file's weights.

    Raises `NoOriginal` where there is no network to build, or the package is not installed.
    """
    row = ORIGINALS.get(dialect)
    if row is None:
        raise NoOriginal(f"{dialect} has no package to ask")
    try:
        package = importlib.import_module(row.package)
    except ImportError:
        raise NoOriginal(f"{row.package} is not installed") from None
    return f"{row.package} {package.__version__}", row.make(path, architecture)


def _torchvision(path: Path, arch: Architecture) -> Network:
    from torchvision.models import resnet

    if arch.in_channels != 3 or arch.head != "linear" or arch.stem_width != 64 or not _paper_shaped(arch):
        raise NoOriginal("torchvision has no network of this shape")
    block = {"basic": resnet.BasicBlock, "bottleneck": resnet.Bottleneck}[arch.block]
    network = resnet.ResNet(
        block, list(arch.blocks), num_classes=arch.num_classes, groups=arch.cardinality, width_per_group=arch.base_width
    )
    return _strict(network, path)


def _timm(path: Path, arch: Architecture) -> Network:
    resnet = importlib.import_module("timm.models.resnet")
    if arch.head != "linear" or not _paper_shaped(arch):
        raise NoOriginal("timm has no network of this shape")
    if arch.order == "pre":
        v2 = importlib.import_module("timm.models.resnetv2")
        create = importlib.import_module("timm.layers").create_conv2d
        norm = importlib.import_module("timm.layers").BatchNormAct2d
        return _strict(
            v2.ResNetV2(
                layers=arch.blocks,
                num_classes=arch.num_classes,
                in_chans=arch.in_channels,
                conv_layer=create,
                norm_layer=norm,
            ),
            path,
        )
    deep = arch.stem == "deep"
    network = resnet.ResNet(
        block={"basic": resnet.BasicBlock, "bottleneck": resnet.Bottleneck}[arch.block],
        layers=arch.blocks,
        num_classes=arch.num_classes,
        in_chans=arch.in_channels,
        cardinality=arch.cardinality,
        base_width=arch.base_width,
        stem_width=arch.stem_width // 2 if deep else arch.stem_width,
        stem_type="deep" if deep else "",
        avg_down=arch.shortcut == "pooled_projection",
        block_args={"attn_layer": "se"} if arch.se_reduction else None,
    )
    return _strict(network, path)


def _transformers(path: Path, arch: Architecture) -> Network:
    transformers = importlib.import_module("transformers")
    if arch.head == "linear":
        network = transformers.ResNetForImageClassification.from_pretrained(path, local_files_only=True).eval()
    else:
        network = transformers.ResNetModel.from_pretrained(path, local_files_only=True).eval()

    def run(batch: Tensor) -> Maps:
        answer = network(batch, output_hidden_states=True)
        maps = {f"C{number}": level for number, level in enumerate(answer.hidden_states, 1)}
        return maps | ({"logits": answer.logits} if arch.head == "linear" else {})

    return run


def _keras(path: Path, arch: Architecture) -> Network:
    keras = importlib.import_module("keras")
    depths: dict[tuple[int, ...], int] = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
    depth = depths.get(arch.blocks)
    if depth is None or arch.head != "linear":
        raise NoOriginal("Keras Applications has no network of this shape")
    build = getattr(keras.applications, f"ResNet{depth}{'V2' if arch.order == 'pre' else ''}")
    shape = keras.Input((None, None, arch.in_channels))
    network = build(weights=None, input_tensor=shape, classes=arch.num_classes, classifier_activation=None)
    network.load_weights(path)

    def run(batch: Tensor) -> Maps:
        answer: Any = network(batch.permute(0, 2, 3, 1).numpy(), training=False)
        return {"logits": torch.from_numpy(keras.ops.convert_to_numpy(answer).copy())}

    return run


ORIGINALS: Mapping[str, Original] = MappingProxyType(
    {
        "torchvision": Original("torchvision", _torchvision),
        "timm": Original("timm", _timm),
        "transformers": Original("transformers", _transformers),
        "keras": Original("keras", _keras),
    }
)
"""Codebases that can be asked, by the name of their dialect."""


def _paper_shaped(arch: Architecture) -> bool:
    """Four stages of 64 to 512 channels, the first without a stride: what these constructors take for granted."""
    return arch.widths == (64, 128, 256, 512) and arch.strides == (1, 2, 2, 2)


def _strict(network: nn.Module, path: Path) -> Network:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state, strict=True)
    network.eval()
    return lambda batch: {"logits": network(batch)}
