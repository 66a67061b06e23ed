"""Evidence: how well a network, built and fed in one way, agrees with what it remembers of its training.

No labels. A norm's running mean and variance are what its input had in training (Ioffe and Szegedy 2015, section 3.1):
with the strides, shortcuts and colours of the training, pictures of the same kind give them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from resnets.data.augmentation.augment import pad_crop
from resnets.data.augmentation.crop import crop_box
from resnets.data.augmentation.rows import AUGMENTATIONS
from resnets.data.decoding.decode import decode
from resnets.data.decoding.transform import fit
from resnets.data.draws import generator, uniforms
from resnets.inference.hypotheses import SMALL
from resnets.net.layers import BatchNorm
from resnets.net.network import ResNet
from resnets.net.normalise import normalise
from resnets.spec.preprocess import Preprocess

View = Literal["training", "testing"]
"""Pictures as they are cut when a network is trained, or when it is tested: running statistics are of the first."""

TOGETHER = 1 << 19
"""Pixels that go through a network at a time: ten pictures of 224x224."""

LEAST_DISTANCE, MOST_DISTANCE = 1e-6, 1e3
"""Of one norm: below, pictures are too few to tell; above, numbers overflow."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evidence:
    """What a run says: tensors of 1 + N rows, first of all N pictures, then without each of them in turn.

    `distances`: (1 + N, norms), Bhattacharyya's distance between the Gaussians of a norm's input on these pictures
    and in training, the mean over its channels. `heights`: (1 + N,), how many deviations the largest logit stands
    above the mean logit. None where norms were folded, and where there is no head.
    """

    distances: Tensor | None
    heights: Tensor | None
    probability: float | None  # of the first answer, geometric mean over the pictures

    @property
    def distance(self) -> float | None:
        """The geometric mean over norms of their distances on all pictures, 0 for perfect agreement."""
        return None if self.distances is None else float(self.distances[0].log().mean().exp())

    @property
    def height(self) -> float | None:
        """The height of the answers, over all pictures."""
        return None if self.heights is None else float(self.heights[0])


def see(images: Sequence[Image.Image], preprocess: Preprocess, view: View) -> Tensor:
    """Return pictures as (N, C, H, W) uint8 in one view; the same pictures give the same cuts."""
    small = max(preprocess.size) <= SMALL
    if view == "training" and not small:
        images = [_zoomed(image, place) for place, image in enumerate(images)]
        preprocess = replace(preprocess, fit="squash", resize=None)
    batch = torch.from_numpy(np.stack([fit(image, preprocess) for image in images]))
    if view == "training" and small:
        draws = uniforms(0, 0, "pixels", np.arange(len(batch)), 2)
        return pad_crop(batch, AUGMENTATIONS["cifar"].pad, draws)
    return batch


def _zoomed(image: Image.Image, place: int) -> Image.Image:
    """A random part of a picture, as networks for ImageNet are trained on."""
    box = crop_box(image.width, image.height, AUGMENTATIONS["imagenet"], generator(0, 0, "crop", place))
    left, top, width, height = box
    return image.crop((left, top, left + width, top + height))


def read(path: Path, preprocess: Preprocess) -> Image.Image:
    """Return a picture, no larger than a crop of it needs; raise `BadImage` where it cannot be decoded."""
    image = decode(path, preprocess)
    image.thumbnail((4 * max(preprocess.size), 4 * max(preprocess.size)), Image.Resampling.BILINEAR)
    return image


def remembering(network: ResNet) -> dict[str, BatchNorm]:
    """Return the norms whose running statistics say something: folded ones have mean 0 and one variance."""
    norms = {name: module for name, module in network.named_modules() if isinstance(module, BatchNorm)}
    return {name: norm for name, norm in norms.items() if norm.running_mean is not None and norm.running_mean.any()}


def weigh(network: ResNet, pixels: Tensor, preprocess: Preprocess) -> Evidence:
    """Return the evidence of (N, C, H, W) uint8 pictures for a network in evaluation mode, fed as stated."""
    norms = remembering(network)
    moments: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in norms}
    hooks = [norm.register_forward_pre_hook(_noting(moments[name])) for name, norm in norms.items()]
    chunk = max(1, TOGETHER // (pixels.shape[2] * pixels.shape[3]))
    try:
        with torch.inference_mode():
            answers = [network(normalise(part, preprocess)) for part in torch.split(pixels, chunk)]
    finally:
        for hook in hooks:
            hook.remove()
    shares = _shares(len(pixels))
    distances = [_distances(norm, moments[name], shares) for name, norm in norms.items()]
    logits = torch.cat(answers) if network.head is not None else None
    several = logits is not None and logits.shape[1] > 1
    return Evidence(
        distances=torch.stack(distances, 1) if distances else None,
        heights=shares @ _heights(logits) if logits is not None and several else None,
        probability=float(logits.log_softmax(1).amax(1).mean().exp()) if logits is not None and several else None,
    )


def _noting(moments: list[tuple[Tensor, Tensor]]) -> Any:
    """A hook that keeps mean and mean square of a norm's input, less the running mean, for each picture."""

    def note(norm: BatchNorm, inputs: tuple[Tensor]) -> None:
        assert norm.running_mean is not None
        centred = inputs[0] - norm.running_mean[:, None, None]
        moments.append((centred.mean((2, 3)), centred.square().mean((2, 3))))

    return note


def _shares(count: int) -> Tensor:
    """(1 + N, N): the share of each picture in the whole, and in what is left without each of them in turn."""
    whole = torch.full((1, count), 1 / count)
    if count == 1:
        return whole
    return torch.cat([whole, (1 - torch.eye(count)) / (count - 1)])


def _distances(norm: BatchNorm, moments: list[tuple[Tensor, Tensor]], shares: Tensor) -> Tensor:
    """(1 + N,): Bhattacharyya's distance, which is bounded in the shift and logarithmic in the scale.

    Both variances have the norm's eps, so that a channel that is dead in both agrees.
    """
    assert norm.running_var is not None
    means, squares = (torch.cat(part) for part in zip(*moments, strict=True))
    shift = shares @ means
    here = (shares @ squares - shift.square()).clamp_min(0) + norm.eps
    then = norm.running_var + norm.eps
    apart = shift.square() / (here + then) / 4 + ((here + then) / 2 / (here * then).sqrt()).log() / 2
    return apart.mean(1).nan_to_num(MOST_DISTANCE, MOST_DISTANCE).clamp(LEAST_DISTANCE, MOST_DISTANCE)


def _heights(logits: Tensor) -> Tensor:
    """(N, K) -> (N,). Free of the logits' scale: a network without norms answers loud input with sure nonsense."""
    heights = (logits.amax(1) - logits.mean(1)) / logits.std(1)
    return heights.nan_to_num(0.0, 0.0, 0.0)
