"""Transform: a picture at the size that a network sees, and a batch of pictures as its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from resnets.data.decoding.colour import to_colour
from resnets.data.decoding.decode import MAX_PIXELS
from resnets.data.decoding.geometry import geometry
from resnets.data.errors import BadImage
from resnets.spec.preprocess import Preprocess

Array = npt.NDArray[Any]

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def fit(image: Image.Image | Array, preprocess: Preprocess) -> Array:
    """Return a picture, or bands, as (C, H, W) of the preprocess's size and channels.

    A picture of mode "L" or "RGB" gives uint8. Bands (H, W, C) keep their type, uint8 or float32 in [0, 255];
    each is resized for itself.

    - crop: the shorter side to `preprocess.shorter_side`, then the centre; torchvision's Resize and
      CenterCrop on a PIL image, to the bit.
    - pad: as large as fits, in the middle of bars in the mean colour.
    - squash: both sides to size, whatever that does to the proportions.

    Raises `BadImage` for a picture so long and thin that resizing it would need too much memory, and for bands
    of another number or type.
    """
    if isinstance(image, Image.Image):
        pixels = np.asarray(_fitted(to_colour(image, preprocess), preprocess, _mean_colour(preprocess)))
        return np.array(pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), order="C")
    _check_bands(image, preprocess)
    mean = preprocess.mean * (preprocess.channels // len(preprocess.mean))
    is_float = image.dtype == np.float32
    planes = []
    for band, level in zip(np.moveaxis(image, 2, 0), mean, strict=True):
        plane = Image.fromarray(np.ascontiguousarray(band))
        planes.append(np.asarray(_fitted(plane, preprocess, 255 * level if is_float else round(255 * level))))
    fitted = np.stack(planes)
    return np.clip(fitted, 0, 255) if is_float else fitted  # bicubic goes past an edge; Pillow stops bytes itself


def _fitted(image: Image.Image, preprocess: Preprocess, bar: float | tuple[int, ...]) -> Image.Image:
    """Return an image of any mode at the preprocess's size."""
    laid = geometry(image.size, preprocess)
    resized = _resize(image, laid.resized, preprocess)
    high, wide = preprocess.size
    if preprocess.fit == "squash":
        return resized
    if preprocess.fit == "crop":
        return resized.crop((laid.left, laid.top, laid.left + wide, laid.top + high))
    bars = Image.new(image.mode, (wide, high), bar)
    bars.paste(resized, (-laid.left, -laid.top))
    return bars


def _check_bands(bands: Array, preprocess: Preprocess) -> None:
    if bands.ndim != 3 or bands.shape[2] != preprocess.channels or bands.dtype not in (np.uint8, np.float32):
        allowed = f"uint8 or float32 (H, W, {preprocess.channels})"
        raise BadImage("image", f"its bands are {bands.dtype} {bands.shape}; allowed: {allowed}")


def is_identity(size: tuple[int, int], preprocess: Preprocess) -> bool:
    """Say whether `fit` leaves pictures of this (height, width) as they are, but for their colour."""
    return size == preprocess.size and (preprocess.fit != "crop" or preprocess.shorter_side == min(size))


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
    if pixels.dtype == np.float32:
        return Image.fromarray(resized[0, 0].numpy())
    rounded = resized[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(rounded[:, :, 0] if pixels.ndim == 2 else np.ascontiguousarray(rounded))


def _mean_colour(preprocess: Preprocess) -> int | tuple[int, ...]:
    values = [round(255 * value) for value in preprocess.mean]
    if preprocess.channels == 1:
        return values[0]
    colour = values * 3 if len(values) == 1 else values
    return tuple(reversed(colour)) if preprocess.colour == "bgr" else tuple(colour)
