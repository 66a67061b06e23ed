"""Checkpoints: everything a run needs to go on, in one safetensors file written in one step."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resnets.files import atomic

KEPT = 2
"""Newest checkpoints that stay on disk: the last one, and the one before should the last be damaged."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a run has come, and what it has met on its way; JSON-able, and part of every checkpoint."""

    step: int = 0
    epoch: int = 0  # whole passes behind us
    batch: int = 0  # of this epoch: planned batches behind us, from which the loader goes on
    epoch_step: int = 0  # the step at which this epoch began
    accumulate: int = 1  # parts of a batch; more than the recipe's where memory ran out
    seconds: float = 0.0  # of training alone
    waited: float = 0.0  # of `seconds`, since the last line of metrics: for pictures
    reported: float = 0.0  # `seconds` at the last line of metrics
    loss: float = 0.0  # these three add up since the last line of metrics
    right: int = 0
    seen: int = 0
    best: float | None = None  # the best validation so far, when it was, and how many evaluations came since
    best_step: int = 0
    since_best: int = 0
    bad: dict[str, str] = field(default_factory=dict)  # number of a picture that could not be read: why
    scaler: dict[str, Any] = field(default_factory=dict)  # of fp16's gradients
    request: str = ""  # sha256 of what the run was asked for


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that was read: whole, as its hash says."""

    path: Path
    progress: Progress
    tensors: dict[str, Tensor]


def save(
    folder: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer | None, progress: Progress
) -> Path:
    """Write a checkpoint into a folder and remove all but the newest `KEPT`.

    `modules` are the networks of a run by name, such as "network" and "ema". Raises `OSError` where the disk refuses;
    the checkpoints that were there are then untouched.
    """
    from safetensors.torch import save as to_bytes

    tensors = tensors_of(modules, optimizer)
    facts = json.dumps({**asdict(progress), "sha256": _digest(progress, tensors)})
    path = folder / f"step-{progress.step:09d}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(path, to_bytes(tensors, metadata={"progress": facts}))
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path


def tensors_of(modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer | None) -> dict[str, Tensor]:
    """Return every tensor that a run's next step depends on, by name, on the CPU."""
    tensors = {f"{part}.{name}": tensor for part, m in modules.items() for name, tensor in m.state_dict().items()}
    for number, entries in ({} if optimizer is None else optimizer.state_dict()["state"]).items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in entries.items() if isinstance(v, Tensor)}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d{9,}\.safetensors", path.name))


def read(folder: Path, before: int | None = None) -> Saved | None:
    """Return the newest whole checkpoint of a folder (before a step, where one is given); None if there is none.

    A damaged checkpoint is passed over for the one before it.
    """
    from safetensors import SafetensorError, safe_open

    for path in reversed(checkpoints(folder)):
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest, progress = facts.pop("sha256"), Progress(**facts)
            if digest != _digest(progress, tensors) or (before is not None and progress.step >= before):
                continue
        except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError):
            continue
        return Saved(path, progress, tensors)
    return None


def put_back(saved: Saved, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> None:
    """Bring networks and optimizer, in place, to where they were when a checkpoint was saved."""
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in modules}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in saved.tensors.items():
        part, _, rest = name.partition(".")
        if part == "optimizer":
            number, _, key = rest.partition(".")
            state.setdefault(int(number), {})[key] = tensor.clone()
        else:
            parts[part][rest] = tensor
    for name, module in modules.items():
        module.load_state_dict(parts[name], strict=True)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, entries in optimizer.state.items():  # in the parameter's memory order: else each step would reorder
        entries |= {k: torch.empty_like(parameter).copy_(v) for k, v in entries.items() if v.shape == parameter.shape}


def _digest(progress: Progress, tensors: dict[str, Tensor]) -> str:
    """The sha256 of all that a checkpoint says: safetensors sees a file cut short, but no changed number."""
    digest = sha256(json.dumps(asdict(progress)).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
