"""Colour: a picture in the channels that a network sees."""

from __future__ import annotations

import torch
from PIL import Image

from resnets.spec.preprocess import Preprocess


def to_colour(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Return a picture of mode "L" or "RGB" as "L" for colour="grey", otherwise "RGB".

    Blue comes before red (colour="bgr") only when a batch is normalised: a picture is always RGB.
    Raises `ValueError` for colour="bands", which no picture of one or three channels has.
    """
    if preprocess.colour == "bands":
        raise ValueError(
            f"the network takes {preprocess.channels} bands, and a picture of {len(image.getbands())} cannot give "
            "them; read the file with decode_bands, or pass the network a tensor (N, bands, H, W)"
        )
    mode = "L" if preprocess.colour == "grey" else "RGB"
    return image if image.mode == mode else image.convert(mode)


def to_channels(batch: torch.Tensor, channels: int) -> torch.Tensor:
    """Return a (N, 1 or 3, H, W) uint8 batch with 1 or 3 channels, in the very numbers of `to_colour`.

    Grey to colour is a view: the three channels share their memory.
    """
    if batch.shape[1] == channels:
        return batch
    if channels == 3:
        return batch.expand(-1, 3, -1, -1)
    # Pillow's L from RGB, in 16-bit fixed point (libImaging/Convert.c, after ITU-R 601-2).
    red, green, blue = batch.to(torch.int32).unbind(dim=1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8).unsqueeze(1)
