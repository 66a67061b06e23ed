"""Transform: a picture at the size that a network sees, and a batch of pictures as its numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from resnets.data.colour import to_colour
from resnets.data.decode import MAX_PIXELS
from resnets.data.errors import BadImage
from resnets.spec.preprocess import Preprocess

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def fit(image: Image.Image, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    """Return a picture of mode "L" or "RGB" as (C, H, W) uint8 of the preprocess's size and channels.

    - crop: the shorter side to `preprocess.shorter_side`, then the centre; torchvision's Resize and
      CenterCrop on a PIL image, to the bit.
    - pad: as large as fits, in the middle of bars in the mean colour.
    - squash: both sides to size, whatever that does to the proportions.

    Raises `BadImage` for a picture so long and thin that resizing it would need too much memory.
    """
    image = to_colour(image, preprocess)
    height, width = preprocess.size
    if preprocess.fit == "squash":
        image = _resize(image, (width, height), preprocess)
    elif preprocess.fit == "crop":
        image = _centre(_resize(image, _shorter_side_to(preprocess.shorter_side, image.size), preprocess), preprocess)
    else:
        scale = min(width / image.width, height / image.height)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        bars = Image.new(image.mode, (width, height), _mean_colour(preprocess))
        bars.paste(_resize(image, inner, preprocess), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        image = bars
    pixels = np.asarray(image)
    return np.array(pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), order="C")


def is_identity(size: tuple[int, int], preprocess: Preprocess) -> bool:
    """Say whether `fit` leaves pictures of this (height, width) as they are, but for their colour."""
    return size == preprocess.size and (preprocess.fit != "crop" or preprocess.shorter_side == min(size))


def normalise(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Return a (N, C, H, W) batch in [0, 255], uint8 or float32, as (batch / 255 - mean) / std in float32.

    The batch is red, green, blue. For colour="bgr" its channels are turned round first, so mean and std are
    in the order that the network sees. The batch given is not changed.
    """
    if preprocess.colour == "bgr":
        batch = batch.flip(1)
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=batch.device).view(1, -1, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    return batch.to(torch.float32, copy=True).div_(255).sub_(mean).div_(std)


def _shorter_side_to(shorter: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) whose shorter side is that, rounded down as torchvision does."""
    width, height = size
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _centre(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    height, width = preprocess.size
    # Python rounds halves to even here, and so does torchvision.
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def _resize(image: Image.Image, size: tuple[int, int], preprocess: Preprocess) -> Image.Image:
    if image.size == size:
        return image
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadImage("image", f"{image.width} x {image.height} would become {width} x {height} pixels")
    if preprocess.antialias or preprocess.interpolation == "nearest":  # nearest never averages
        return image.resize(size, _RESAMPLING[preprocess.interpolation])
    return _resize_without_antialias(image, size, preprocess)


def _resize_without_antialias(image: Image.Image, size: tuple[int, int], preprocess: Preprocess) -> Image.Image:
    """Resize as torch does on a tensor: Pillow cannot leave the averaging out."""
    pixels = np.array(image)
    planes = torch.from_numpy(pixels[..., np.newaxis] if pixels.ndim == 2 else pixels).permute(2, 0, 1)
    resized = torch.nn.functional.interpolate(
        planes[None].to(torch.float32), size=size[::-1], mode=preprocess.interpolation, align_corners=False
    )
    rounded = resized[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(rounded[:, :, 0] if pixels.ndim == 2 else np.ascontiguousarray(rounded))


def _mean_colour(preprocess: Preprocess) -> int | tuple[int, ...]:
    values = [round(255 * value) for value in preprocess.mean]
    if preprocess.channels == 1:
        return values[0]
    colour = values * 3 if len(values) == 1 else values
    return tuple(reversed(colour)) if preprocess.colour == "bgr" else tuple(colour)
