"""CompiledEngine: PyTorch's compiler, with the weights frozen into the program; it needs a C++ compiler."""

from __future__ import annotations

import os
import shutil

import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.runtime.engine import Precision
from resnets.runtime.packaged import Packaged
from resnets.runtime.threads import torch_threads
from resnets.runtime.torch_engine import TorchEngine


class CompiledEngine(TorchEngine):
    """A packaged network as one compiled program, in fp32 or bf16.

    The program is made for `batch_size` pictures: one for any number would lay out its weights anew at every run. A
    larger batch is run in parts, and what is missing in the last part is filled with black pictures, so one picture
    costs what `batch_size` do: make an engine for the batches you have.

    Compiling is done at construction, and takes seconds to minutes. The program is traced once and asks nothing when it
    runs, so no later change of threads or settings compiles it again. Raises `ValueError` without a C++ compiler (g++,
    or what CXX names), where compiling fails, for a batch size below one, and as `TorchEngine` does.
    """

    name = "compiled"

    def __init__(
        self,
        packaged: Packaged,
        *,
        precision: Precision = "fp32",
        threads: int | None = None,
        device: str = "cpu",
        batch_size: int = 16,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} is not possible; allowed: 1 or more")
        _check_compiler()
        super().__init__(packaged, precision=precision, threads=threads, device=device)
        self.batch_size = batch_size
        like = torch.zeros(batch_size, *self.shape, dtype=torch.uint8, device=self.device)
        like = like.contiguous(memory_format=torch.channels_last)
        try:
            with torch.no_grad(), torch_threads(self.threads):
                # By torch.export: the guards of torch.compile compile again when the process's threads change.
                traced = torch.export.export(self._module, (like,)).module(check_guards=False)
                self._program = torch._inductor.compile(traced, [like], options={"freezing": True})
            with torch.inference_mode(), torch_threads(self.threads):
                self._program(like)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise ValueError(
                f"torch could not compile this network ({reason}); use the engine torch instead"
            ) from error
        del self._module  # its weights are in the program

    def _forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        parts = [self._part(part) for part in torch.split(batch, self.batch_size)]
        return parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True)))

    def _part(self, batch: Tensor) -> tuple[Tensor, ...]:
        missing = self.batch_size - len(batch)
        if missing:
            whole = F.pad(batch, (0, 0, 0, 0, 0, 0, 0, missing))
            batch = whole.contiguous(memory_format=torch.channels_last)
        return tuple(made[: self.batch_size - missing] for made in self._program(batch))


def _check_compiler() -> None:
    compiler = os.environ.get("CXX") or ("clang++" if os.uname().sysname == "Darwin" else "g++")
    if shutil.which(compiler) is None:
        raise ValueError(
            f"the engine compiled needs a C++ compiler and {compiler} is not on PATH; install it (Debian: apt install "
            "g++), name yours in CXX, or use the engine torch"
        )
