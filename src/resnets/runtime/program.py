"""Program: a packaged network as torch.export's graph of a few ATen operations, for any number of pictures.

Everything that is written for other engines starts here, so that all of them compute one graph.
"""

from __future__ import annotations

import torch
from torch.export import Dim, ExportedProgram

from resnets.runtime.packaged import Packaged

PICTURES = "pictures"
"""The one input: uint8 (N, C, H, W), H and W those of the preprocessing, N any number."""


def to_program(packaged: Packaged) -> ExportedProgram:
    """Return the graph of a packaged network in evaluation mode, with its weights; the network is left as it is."""
    parameter = next(packaged.parameters())
    # Two pictures: of an example with one, torch.export would take the number as fixed.
    example = torch.zeros(2, *packaged.shape, dtype=torch.uint8, device=parameter.device)
    modes = [(module, module.training) for module in packaged.modules()]
    try:
        with torch.no_grad():
            return torch.export.export(packaged.eval(), (example,), dynamic_shapes=({0: Dim("N")},))
    finally:
        for module, training in modes:
            module.training = training
