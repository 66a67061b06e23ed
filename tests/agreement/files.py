"""Models that are written for other frameworks, and what both directions of a file are checked with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from resnets.data.decoding.transform import fit
from resnets.net.network import ResNet
from resnets.net.normalise import normalise
from resnets.spec.architecture import Architecture
from resnets.spec.card import Card
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.weights.modelfile import Model
from tests.agreement.compare import assert_equal, our_outputs
from tests.goldens import NORM, Array, Outputs, network_of

FLOAT32 = 1e-4
"""Largest difference over the largest magnitude of a level: the frameworks add in different orders."""

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""In photos-cc0-skimage: square, wide, and of different sizes."""


def our_model(arch: Architecture, preprocess: Preprocess = IMAGENET) -> Model:
    """Return our network with its random weights and statistics in float32, and names for its classes."""
    classes = tuple(f"class {number}" for number in range(arch.classes_out or 0))
    return Model(network_of(arch, torch.float32), Card(architecture=arch, classes=classes, preprocess=preprocess))


def assert_computes(network: ResNet, x: Array, theirs: Outputs) -> float:
    """Assert that a network of ours has every output that another framework has, and return the largest error."""
    ours = our_outputs(network, x)
    return assert_equal({name: ours[name] for name in theirs}, theirs, FLOAT32)


def randomise(network: nn.Module, seed: int = 1) -> None:
    """Draw every parameter and statistic of another codebase's network, whatever it calls them."""
    chance = torch.Generator().manual_seed(seed)

    def draw(tensor: Any, low: float, high: float) -> None:
        tensor.data.uniform_(low, high, generator=chance)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = (3 / module.weight[0].numel()) ** 0.5
            draw(module.weight, -bound, bound)
            if module.bias is not None:
                draw(module.bias, -0.2, 0.2)
        elif isinstance(module, nn.BatchNorm2d):
            for name, (low, high) in NORM.items():
                draw(getattr(module, name), low, high)


def forget(network: nn.Module) -> None:
    """Set every number of a network to zero, so that what it holds afterwards came out of a file."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data.zero_()


def forget_keras(model: Any) -> None:
    """Set every number of a Keras model to zero."""
    for variable in model.weights:
        variable.assign(variable * 0)


def photo(shared_data: Path, name: str, mode: str = "RGB") -> Image.Image:
    """Return a photograph, in colour or grey."""
    with Image.open(shared_data / "photos-cc0-skimage" / name) as image:
        return image.convert(mode)


def our_pixels(image: Image.Image, preprocess: Preprocess) -> Array:
    """Return what our networks are given of an image, (1, C, H, W)."""
    return normalise(torch.from_numpy(fit(image, preprocess))[None], preprocess).numpy()
