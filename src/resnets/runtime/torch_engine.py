"""TorchEngine: what PyTorch's engines share: a prepared copy of the network, and the way from arrays and back."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import get_args

import torch
from torch import Tensor, nn

from resnets.net.device import find_device
from resnets.runtime.engine import Engine, Outputs, Pictures, Precision, check_pictures
from resnets.runtime.fuse import fuse
from resnets.runtime.packaged import Packaged
from resnets.runtime.threads import torch_threads, usable_threads

PRECISIONS = tuple(name for name in get_args(Precision) if name != "int8")
"""Those that PyTorch runs fast here; int8 is OpenVINO's and ONNX Runtime's."""


class TorchEngine(Engine):
    """A packaged network run by PyTorch, on a fused copy of it.

    Raises `ValueError` for a precision that PyTorch's engines do not have, a device that is not there, or threads below
    one (`threads.usable_threads`). On a GPU the copies there and back are pinned, and `stream` has two batches under
    way; on the processor a batch has all threads to itself.
    """

    def __init__(
        self, packaged: Packaged, *, precision: Precision = "fp32", threads: int | None = None, device: str = "cpu"
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision={precision!r} is not one of the {self.name} engine's: {', '.join(PRECISIONS)}")
        self.precision, self.threads = precision, usable_threads(threads)
        self.outputs, self.shape = packaged.outputs, packaged.shape
        self.device = find_device(device)
        self.ahead = int(self.device.type == "cuda")  # batches given to the device while an earlier one is awaited
        self._module = prepared(packaged, precision).to(self.device)

    @abstractmethod
    def _forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """uint8 (N, C, H, W) on the device -> float32 tensors in the order of `outputs`."""

    def run(self, pictures: Pictures) -> Outputs:
        """Return what the network says of one batch; raises `ValueError` for pictures of another shape or type."""
        return self._taken(*self._launched(pictures))

    def stream(self, batches: Iterable[Pictures]) -> Iterator[Outputs]:
        """Yield what `run` says of each batch, in their order."""
        under_way: deque[tuple[list[Tensor], torch.cuda.Event | None]] = deque()
        for pictures in batches:
            under_way.append(self._launched(pictures))
            if len(under_way) > self.ahead:
                yield self._taken(*under_way.popleft())
        yield from (self._taken(*launched) for launched in under_way)

    def _launched(self, pictures: Pictures) -> tuple[list[Tensor], torch.cuda.Event | None]:
        """Give a batch to the device; its tensors hold the answer once the event has happened."""
        check_pictures(pictures, self.shape)
        # torch takes over neither memory that must not be written to nor an order that runs backwards
        plain = pictures.flags.writeable and min(pictures.strides) >= 0
        batch = torch.from_numpy(pictures if plain else pictures.copy())
        with torch.inference_mode(), torch_threads(self.threads):
            if self.device.type == "cuda":
                batch = batch.pin_memory().to(self.device, non_blocking=True)
            made = [
                tensor.contiguous() for tensor in self._forward(batch.contiguous(memory_format=torch.channels_last))
            ]
            if self.device.type != "cuda":
                return made, None
            home = [torch.empty(x.shape, dtype=x.dtype, pin_memory=True).copy_(x, non_blocking=True) for x in made]
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record()
            return home, done

    def _taken(self, made: list[Tensor], done: torch.cuda.Event | None) -> Outputs:
        if done is not None:
            done.synchronize()
        return {name: tensor.numpy() for name, tensor in zip(self.outputs, made, strict=True)}


def prepared(packaged: Packaged, precision: Precision) -> Packaged:
    """Return a copy in evaluation mode, fused and channels_last, that runs in this precision and says float32.

    In bf16 the weights are converted, which autocast would do again for every batch; pooling and what follows
    it stay in float32, for in bf16 the logits would be rounded to 8 bits. The given module is left as it is.
    """
    network = fuse(packaged.network).float()
    if precision == "bf16":
        head, network.head = network.head, None
        network.bfloat16()
        network.head = head if head is None else nn.Sequential(_As(torch.float32), head)  # type: ignore[assignment]
        network.stem = nn.Sequential(OrderedDict(cast=_As(torch.bfloat16), **dict(network.stem.named_children())))
    copied = copy.copy(packaged)
    copied._modules = {"network": network}
    return copied.to(memory_format=torch.channels_last).eval()


class _As(nn.Module):
    """Numbers of whatever type as another."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)
