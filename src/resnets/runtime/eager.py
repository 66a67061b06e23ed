"""EagerEngine: PyTorch as it comes, on a fused network in channels_last; it needs nothing but torch."""

from __future__ import annotations

from torch import Tensor

from resnets.runtime.torch_engine import TorchEngine


class EagerEngine(TorchEngine):
    """A packaged network run operation by operation, in fp32 or bf16, on batches of any size."""

    name = "torch"

    def _forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        made: tuple[Tensor, ...] = self._module(batch)
        return made
