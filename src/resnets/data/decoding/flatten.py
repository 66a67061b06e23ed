"""Flatten: a picture of any depth, palette, transparency and colours as 8-bit grey or sRGB without transparency."""

from __future__ import annotations

import numpy as np
from PIL import Image

from resnets.data.decoding.loading import Loaded
from resnets.data.decoding.profile import Kind, profile_of, to_srgb
from resnets.spec.preprocess import Preprocess

STRIP = 1 << 22
"""Pixels that are converted at a time: of a large picture only the start and the end are kept whole."""

_KEYED = ("1", "L", "RGB")
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")


def flat(loaded: Loaded, preprocess: Preprocess) -> Image.Image:
    """Return a picture in mode "L" where it is grey and "RGB" otherwise, as it is turned in the file.

    Colours are taken to sRGB where `preprocess.profile` says so; what is transparent is laid on
    `preprocess.alpha`. A picture of mode "L" or "RGB" that has neither is returned to the bit.
    Raises `ValueError` for numbers of no known range.
    """
    image = loaded.image
    kind: Kind = "L" if image.mode in _GREY else "CMYK" if image.mode == "CMYK" else "RGB"
    profile = profile_of(image, kind) if preprocess.profile == "srgb" else None
    if image.mode in ("L", "RGB") and profile is None and not image.has_transparency_data:
        return image.copy()
    rows = max(1, STRIP // image.width)
    if rows >= image.height:
        return _flat(image, loaded, profile, preprocess)
    whole = None
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        piece = _flat(strip, loaded, profile, preprocess)
        whole = whole or Image.new(piece.mode, image.size)
        whole.paste(piece, (0, top))
    assert whole is not None
    return whole


def _flat(image: Image.Image, loaded: Loaded, profile: bytes | None, preprocess: Preprocess) -> Image.Image:
    colours, opacity = _parts(image, loaded, keep_cmyk=profile is not None)
    if profile is not None:
        colours = to_srgb(colours, profile)
    if opacity is None:
        return colours if colours.mode == "L" else colours.convert("RGB")
    seen = colours.convert("RGB")
    seen.putalpha(opacity)
    solid = Image.new("RGBA", image.size, (*preprocess.alpha, 255))
    return Image.alpha_composite(solid, seen).convert("RGB")


def _parts(image: Image.Image, loaded: Loaded, *, keep_cmyk: bool) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours in mode "L", "RGB" or "CMYK", and the opacity in mode "L" or None where all is opaque."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of no known range; save them as .npy from 0 to 1")
    if image.mode.startswith("I"):
        return _deep(image, loaded)
    clear = image.info.get("transparency")
    if clear is not None and isinstance(clear, tuple if image.mode == "RGB" else int) and image.mode in _KEYED:
        return image.convert("L") if image.mode == "1" else image, _keyed(image, clear, loaded.bits)
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        return whole.getchannel("R") if image.mode in _GREY else whole.convert("RGB"), whole.getchannel("A")
    if image.mode == "CMYK" and keep_cmyk:
        return image, None
    return image.convert("L" if image.mode in _GREY else "RGB"), None


def _keyed(image: Image.Image, clear: int | tuple[int, ...], bits: int) -> Image.Image:
    """Return the opacity of a picture in which one colour, given as the file has its samples, is transparent."""
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    sample = np.array(clear)
    # Pillow spreads 1, 2 and 4 bits over 0..255 and keeps the upper 8 of 16, but gives the colour as it stands.
    if image.mode == "L" and bits < 8:
        sample = sample * 255 // ((1 << bits) - 1)
    elif bits == 16:
        sample = sample >> 8
    is_clear = pixels == sample
    if is_clear.ndim == 3:
        is_clear = is_clear.all(axis=2)
    return Image.fromarray(np.where(is_clear, 0, 255).astype(np.uint8))


def _deep(image: Image.Image, loaded: Loaded) -> tuple[Image.Image, Image.Image | None]:
    """Map grey of more than 8 bits to 0..255; Pillow's own conversion would cut everything above 255 off at white."""
    if image.mode == "I" and loaded.image.format != "PPM":
        raise ValueError("its grey has a sign or 32 bits, and so no known range; save it with 16 bits or as .npy")
    grey = np.asarray(image).astype(np.uint32)
    white = (1 << loaded.bits) - 1
    if loaded.is_white_zero:
        grey = white - np.minimum(grey, white)
    scaled = Image.fromarray(((np.minimum(grey, white) * 255 + white // 2) // white).astype(np.uint8))
    clear = image.info.get("transparency")
    return scaled, None if clear is None else Image.fromarray(np.where(grey == clear, 0, 255).astype(np.uint8))
