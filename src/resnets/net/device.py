"""Device: where a network computes, by name."""

from __future__ import annotations

import torch


def find_device(name: str) -> torch.device:
    """Return the device a name stands for; "auto" is the GPU if torch sees one, else the CPU.

    Raises `ValueError` for a name torch does not know, or a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used ({reason}); give auto, cpu, or cuda with a GPU") from None
    return device
