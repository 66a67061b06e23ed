"""Open a file of weights: look at its first bytes, not its name, and give it to the reader of that format."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from resnets.files import bounded
from resnets.files.errors import FileError
from resnets.weights.appearance import appearance
from resnets.weights.containers.contents import Contents
from resnets.weights.containers.zip_archive import open_archive

Looks = Callable[[bytes, Path], bool]

MOST_CONFIG_BYTES = 4 << 20
"""Of a `config.json` beside the weights; one with ImageNet's class names has 0.07 MB."""

WEIGHTS_IN_A_FOLDER = ("model.safetensors", "pytorch_model.bin")
CONFIGS_IN_A_FOLDER = {"config": "config.json", "preprocessor": "preprocessor_config.json"}


def open_weights(path: str | Path) -> Contents:
    """Return what a file of weights holds, or a folder with a `config.json`; its tensors are read when asked for.

    Raises `FileNotFoundError`, or `FileError` for a file that no reader knows (it says what it looks like), is
    damaged, or claims more than a network of this family can have.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise FileNotFoundError(f"no file {path}; `resnets train DATA --out DIR` writes DIR/model.safetensors")
    if not path.is_file():
        raise FileError(f"{path} is no regular file; give a file on disk")
    with path.open("rb") as file:
        head = file.read(4096)
    for module, looks in _READERS:
        if looks(head, path):
            reader: Callable[[Path], Contents] = importlib.import_module(f"resnets.weights.containers.{module}").read
            return reader(path)
    raise FileError(
        f"{path} looks like {appearance(path)}, which is no file of weights; these are read: safetensors, PyTorch "
        "(.pt, .pth, .bin, .tar), Keras (.h5, .weights.h5, .keras), .npz, Detectron's .pkl, .caffemodel, .onnx"
    )


def _folder(path: Path) -> Contents:
    """A model folder as transformers and timm publish them: weights, and what their configuration says."""
    found = [path / name for name in WEIGHTS_IN_A_FOLDER if (path / name).is_file()]
    if not found:
        raise FileError(f"{path} is a folder without {' or '.join(WEIGHTS_IN_A_FOLDER)}; give a file of weights")
    contents = open_weights(found[0])
    facts = dict(contents.facts)
    for name, file in CONFIGS_IN_A_FOLDER.items():
        if (path / file).is_file():
            facts[name] = read_config(path / file)
    return replace(contents, facts=facts)


def read_config(path: Path) -> dict[str, Any]:
    """Return a JSON object of at most `MOST_CONFIG_BYTES`; raise `FileError` for anything else."""
    try:
        config = json.loads(bounded.read(path, MOST_CONFIG_BYTES))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} cannot be read as JSON: {str(error)[:200]}") from None
    if not isinstance(config, dict):
        raise FileError(f"{path} holds a {type(config).__name__}, not a JSON object")
    return config


def _is_zip_of(module: str) -> Looks:
    """Ask a reader whether a zip archive's members are its own."""

    def looks(head: bytes, path: Path) -> bool:
        if not head.startswith(b"PK"):
            return False
        known: bool = importlib.import_module(f"resnets.weights.containers.{module}").looks_like(open_archive(path))
        return known

    return looks


def _is_safetensors(head: bytes, path: Path) -> bool:
    return head[8:9] == b"{" or path.suffix == ".safetensors"


def _asks(module: str) -> Looks:
    """Ask a reader's own `looks_like`, which knows its format's first bytes."""

    def looks(head: bytes, path: Path) -> bool:
        known: bool = importlib.import_module(f"resnets.weights.containers.{module}").looks_like(head)
        return known

    return looks


_READERS: tuple[tuple[str, Looks], ...] = (
    ("keras_zip", _is_zip_of("keras_zip")),
    ("npz", _is_zip_of("npz")),
    ("torch_zip", lambda head, path: head.startswith(b"PK")),
    ("hdf5", lambda head, path: head.startswith(b"\x89HDF\r\n\x1a\n")),
    ("torch_tar", lambda head, path: head[257:262] == b"ustar"),
    ("torch_legacy", _asks("torch_legacy")),
    ("detectron", lambda head, path: head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")),
    ("safetensors_file", _is_safetensors),
    ("caffe", _asks("caffe")),
    ("onnx_file", _asks("onnx_file")),
)
"""Module of a reader, and whether a file looks like its own; the first that does reads it."""
