"""Engine: what runs a network: uint8 pictures in, logits and levels out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]
"""(N, channels, H, W) of the network's size, before any normalisation; N may differ from call to call."""

Outputs = Mapping[str, npt.NDArray[np.float32]]
"""Name -> array: "logits" (N, classes), already over the temperature, and maps of levels such as "C5" (N, C, h, w)."""

Precision = Literal["fp32", "bf16", "int8"]

LOGITS = "logits"


class Engine(ABC):
    """A network made ready to run, with normalisation and temperature inside."""

    name: str
    """torch, compiled, openvino or onnx."""

    precision: Precision

    threads: int

    shape: tuple[int, int, int]
    """Channels, height and width of the pictures that it takes."""

    outputs: tuple[str, ...]
    """Names of what comes out, in their order; "logits" last, where there is a head."""

    @abstractmethod
    def run(self, pictures: Pictures) -> Outputs:
        """Return what the network says of one batch. Raises `ValueError` for pictures of another shape or type."""

    def stream(self, batches: Iterable[Pictures]) -> Iterator[Outputs]:
        """Yield what `run` says of each batch, in their order; an engine that can has several under way at once.

        At most a few batches are taken ahead, so that memory does not grow with their number.
        """
        yield from map(self.run, batches)

    def close(self) -> None:  # noqa: B027
        """Give back threads and memory; `run` must not be called after it."""


def check_pictures(pictures: Any, shape: tuple[int, int, int]) -> None:
    """Raise `ValueError` unless `pictures` is a uint8 array (N, *shape) of at least one; `shape` is (C, H, W)."""
    wanted = f"uint8 (N, {', '.join(map(str, shape))}) with N of 1 or more"
    if not isinstance(pictures, np.ndarray):
        raise ValueError(f"an engine takes a numpy array, {wanted}, and was given {type(pictures).__name__}")
    if pictures.dtype == np.uint8 and pictures.shape[1:] == shape and len(pictures):
        return
    hint = "give them decoded and resized as the model's card says, before any normalisation, which the engine does"
    if pictures.ndim == 3 and pictures.shape == shape:
        hint = "give pictures[None] for a batch of one"
    elif pictures.ndim == 4 and pictures.shape[1:] == (*shape[1:], shape[0]):
        hint = "give pictures.transpose(0, 3, 1, 2), channels first"
    raise ValueError(f"this engine takes {wanted}, and was given {pictures.dtype} {pictures.shape}; {hint}")
