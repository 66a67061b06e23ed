"""What a file looks like from its first bytes, for the sentence that refuses it."""

from __future__ import annotations

from pathlib import Path

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive, such as a PyTorch .pt or .pth checkpoint"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras weights"),
    (b"\x80\x02", "a pickle, such as an old PyTorch or Detectron checkpoint"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"RIFF", "a WebP picture or another RIFF file"),
    (b"GIF8", "a GIF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x00\x00\x08", "an MNIST-style idx file"),
    (b"\x08", "perhaps an ONNX model"),
    (b"version https://git-lfs", "a pointer of git-lfs, not the file itself; `git lfs pull` fetches that"),
    (b"<svg", "an SVG drawing"),
    (b"<", "a text in XML or HTML"),
    (b"{", "a text in JSON"),
)

LONGEST_HEADER = 100_000_000
"""Bytes; the safetensors library reads no longer one."""


def appearance(path: Path) -> str:
    """Return a phrase such as "a zip archive, such as a PyTorch .pt or .pth checkpoint"."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "an empty file"
    # A safetensors file opens with the length of its JSON header, whose bytes may be anyone's signature.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER:
        return "a damaged or cut-off safetensors file"
    for signature, phrase in SIGNATURES:
        if start.startswith(signature):
            return phrase
    return "a text" if start.isascii() and b"\x00" not in start else "an unknown kind of file"
