"""ProgramEngine: a program of torch.export run by PyTorch, which needs the file alone and not the network."""

from __future__ import annotations

import numpy as np
import torch
from torch.export import ExportedProgram

from resnets.runtime.engine import Engine, Outputs, Pictures, check_pictures
from resnets.runtime.threads import torch_threads, usable_threads


class ProgramEngine(Engine):
    """A program of torch.export run by PyTorch on the processor, in fp32, on any number of pictures."""

    name = "torch"

    def __init__(self, program: ExportedProgram, outputs: tuple[str, ...], *, threads: int | None = None) -> None:
        self.precision, self.threads, self.outputs = "fp32", usable_threads(threads), outputs
        (pictures,) = (node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs)
        channels, height, width = pictures.meta["val"].shape[1:]
        self.shape = (channels, height, width)
        self._module = program.module(check_guards=False).to(memory_format=torch.channels_last)

    def run(self, pictures: Pictures) -> Outputs:
        """Return what the network says of one batch; raises `ValueError` for pictures of another shape or type."""
        check_pictures(pictures, self.shape)
        batch = torch.from_numpy(np.require(pictures, requirements=["C", "W"]))
        with torch.no_grad(), torch_threads(self.threads):
            made = self._module(batch.contiguous(memory_format=torch.channels_last))
        return {name: tensor.contiguous().numpy() for name, tensor in zip(self.outputs, made, strict=True)}
