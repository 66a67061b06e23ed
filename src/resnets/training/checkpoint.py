"""Checkpoints: everything a run needs to go on, in one safetensors file written in one step."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn

from resnets.files import atomic

KEPT = 2
"""Newest checkpoints that stay on disk: the last one, and the one before should the last be damaged."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: epochs and batches done, and seconds of training without evaluation.

    `loss`, `right` and `seen` add up since the last line of metrics, which may lie in an earlier epoch.
    """

    epoch: int
    step: int
    seconds: float
    loss: float = 0.0
    right: int = 0
    seen: int = 0


PROGRESS = tuple(field.name for field in fields(Progress))
"""What of a run's state is progress, by name."""


def save(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> Path:
    """Write a checkpoint into a folder and remove all but the newest `KEPT`."""
    from safetensors.torch import save as to_bytes

    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in entries.items() if isinstance(v, Tensor)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    facts = json.dumps({**asdict(progress), "sha256": _digest(progress, tensors)})
    path = folder / f"step-{progress.step:09d}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(path, to_bytes(tensors, metadata={"progress": facts}))
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d{9,}\.safetensors", path.name))


def restore(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Bring network and optimizer, in place, to the newest whole checkpoint; None if there is none.

    A damaged checkpoint is passed over for the one before it.
    """
    from safetensors import SafetensorError, safe_open

    for path in reversed(checkpoints(folder)):
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest, progress = facts.pop("sha256"), Progress(**facts)
            if digest != _digest(progress, tensors):
                continue
        except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError):
            continue
        _put_back(tensors, network, optimizer)
        return progress
    return None


def _digest(progress: Progress, tensors: dict[str, Tensor]) -> str:
    """The sha256 of all that a checkpoint says: safetensors sees a file cut short, but no changed number."""
    digest = sha256(json.dumps(asdict(progress)).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _put_back(tensors: dict[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    weights: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part == "network":
            weights[rest] = tensor
        else:
            number, _, key = rest.partition(".")
            state.setdefault(int(number), {})[key] = tensor
    network.load_state_dict(weights, strict=True)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
