"""timm's side of a comparison: its network, our numbers under its names, its maps and gradients under ours."""

from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn

from resnets.spec.plan import Plan
from tests.agreement.compare import differentiate
from tests.goldens import Array, Outputs

RESNET_LEVELS = {"conv1": "act1", "C1": "maxpool"} | {f"C{k}": f"layer{k - 1}" for k in (2, 3, 4, 5)}
RESNETV2_LEVELS = {"conv1": "stem.conv", "C1": "stem.pool"} | {f"C{k}": f"stages.{k - 2}" for k in (2, 3, 4)}
RESNETV2_LEVELS["C5"] = "norm"  # with its ReLU: the level is the last sum after both
"""The module whose output is each level."""


@dataclass(frozen=True)
class TimmSide:
    """A timm network in float64, the modules of its levels, and its name for each of our tensors."""

    network: nn.Module
    levels: dict[str, str]
    names: dict[str, str]

    def outputs(self, picture: Array) -> Outputs:
        """(N, C, H, W) -> every level and the logits."""
        with torch.no_grad():
            maps = self._call(torch.from_numpy(picture).double())
        return {name: map_.numpy() for name, map_ in maps.items()}

    def gradients(self, picture: Array) -> Outputs:
        """Return the gradient of the outputs' weighted sum, for the picture and every trained tensor of ours."""
        pixels = torch.from_numpy(picture).double().requires_grad_()
        differentiate(self._call(pixels))
        parameters = dict(self.network.named_parameters())
        assert pixels.grad is not None
        slopes = {"picture": pixels.grad.numpy()}
        for ours, theirs in self.names.items():
            if theirs in parameters:
                slope = parameters[theirs].grad
                assert slope is not None, theirs
                slopes[ours] = _ours(slope, ours).numpy()
        return slopes

    def _call(self, picture: Tensor) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = {}

        def keep(level: str) -> Any:
            def hook(module: nn.Module, given: Any, map_: Tensor) -> None:
                maps[level] = map_.clone()  # a later layer may work in place

            return hook

        hooks = [
            self.network.get_submodule(name).register_forward_hook(keep(level)) for level, name in self.levels.items()
        ]
        maps["logits"] = self.network(picture)
        for hook in hooks:
            hook.remove()
        return {name: maps[name] for name in (*self.levels, "logits")}


def carry(name: str, network: Plan, numbers: Outputs) -> TimmSide:
    """Build timm's network and put every number of ours into it; none is left on either side."""
    v2 = name.startswith("resnetv2")
    theirs = timm.create_model(name, pretrained=False).double().eval()
    names = {ours: (_resnetv2_name if v2 else _resnet_name)(ours, network) for ours in network.tensors()}
    assert len(set(names.values())) == len(names)
    shapes = {key: tensor.shape for key, tensor in theirs.state_dict().items()}
    state = {names[ours]: torch.from_numpy(array) for ours, array in numbers.items()}
    theirs.load_state_dict({key: tensor.reshape(shapes[key]) for key, tensor in state.items()}, strict=True)
    for layer in network.layers():
        norm = theirs.get_submodule(names[f"{layer.name}.weight"].rpartition(".")[0])
        assert getattr(norm, "eps", None) == getattr(layer, "eps", None), layer.name
    return TimmSide(theirs, RESNETV2_LEVELS if v2 else RESNET_LEVELS, names)


DEEP_STEM = {"conv1": "conv1.0", "norm1": "conv1.1", "conv2": "conv1.3", "norm2": "conv1.4", "conv3": "conv1.6"}


def _resnet_name(name: str, network: Plan) -> str:
    """Return timm's name in `resnet.py` for a tensor of ours."""
    deep, pooled = network.architecture.stem == "deep", network.architecture.shortcut == "pooled_projection"
    match name.split("."):
        case ["stem", layer, tensor]:
            plain = {"conv1": "conv1", "norm1": "bn1"}
            return f"{(DEEP_STEM | {'norm3': 'bn1'} if deep else plain)[layer]}.{tensor}"
        case ["stages", stage, block, "branch", "gate", layer, tensor]:
            part = f"se.{'fc1' if layer == 'squeeze' else 'fc2'}.{tensor}"
        case ["stages", stage, block, "branch", layer, tensor]:
            part = f"{layer.replace('norm', 'bn')}.{tensor}"
        case ["stages", stage, block, "shortcut", kind, tensor]:
            # ResNet-D keeps index 0 for its average pool, or for the nothing in its place.
            part = f"downsample.{('conv', 'norm').index(kind) + pooled}.{tensor}"
        case ["head", "linear", tensor]:
            return f"fc.{tensor}"
        case _:
            raise AssertionError(f"{name} has no counterpart in timm's resnet.py")
    return f"layer{int(stage) + 1}.{block}.{part}"


def _resnetv2_name(name: str, network: Plan) -> str:
    """Return timm's name in `resnetv2.py` for a tensor of ours."""
    match name.split("."):
        case ["stem", "conv1", tensor]:
            return f"stem.conv.{tensor}"
        case ["stages", stage, block, "branch", layer, tensor]:
            return f"stages.{stage}.blocks.{block}.{layer}.{tensor}"
        case ["stages", stage, block, "shortcut", kind, tensor]:
            return f"stages.{stage}.blocks.{block}.downsample.{kind}.{tensor}"
        case ["norm", tensor]:
            return f"norm.{tensor}"
        case ["head", "linear", tensor]:
            return f"head.fc.{tensor}"
        case _:
            raise AssertionError(f"{name} has no counterpart in timm's resnetv2.py")


def _ours(slope: Tensor, name: str) -> Tensor:
    """Timm's v2 classifies with a 1x1 convolution; ours with a linear layer."""
    return slope.flatten(1) if name == "head.linear.weight" else slope
