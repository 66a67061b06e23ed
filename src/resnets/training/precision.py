"""Precision: fp32, or 16-bit autocast with channels_last where this processor gains from it; measured, not guessed."""

from __future__ import annotations

import copy
import time
from contextlib import AbstractContextManager
from statistics import median
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.net.network import ResNet

Precision = Literal["fp32", "bf16"]

GAIN = 1.1
"""bf16 must be this many times faster to be chosen: it rounds to 8 bits, so a tie goes to fp32."""


SHORT = MappingProxyType({"bf16": torch.bfloat16, "fp16": torch.float16})
"""Precisions that are autocast; fp16 needs its gradients scaled, and is for GPUs without bf16."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs in this precision."""
    return torch.autocast(device.type, SHORT.get(precision, torch.bfloat16), enabled=precision in SHORT)


def lay_out(tensor: Tensor, precision: str, device: torch.device) -> Tensor:
    """Return a batch (N, C, H, W) on the device, in the memory order this precision runs best in."""
    order = torch.channels_last if precision in SHORT else torch.contiguous_format
    return tensor.to(device, memory_format=order)


def lay_out_network(network: ResNet, precision: str, device: torch.device) -> ResNet:
    """Move a network to the device, in the memory order this precision runs best in; in place, and returned."""
    order = torch.channels_last if precision in SHORT else torch.contiguous_format
    return network.to(device, memory_format=order)  # type: ignore[call-overload, no-any-return]


def fastest(network: ResNet, batch: Tensor, steps: int = 3) -> Precision:
    """Return the precision in which a training step on such a batch (N, C, H, W) is faster on this device.

    Runs `steps` steps of each on a copy of the network, after one to warm up; the network is left as it is.
    """
    seconds = {precision: _step_seconds(network, batch, precision, steps) for precision in ("fp32", "bf16")}
    return "bf16" if seconds["fp32"] > GAIN * seconds["bf16"] else "fp32"


def _step_seconds(network: ResNet, batch: Tensor, precision: str, steps: int) -> float:
    device = next(network.parameters()).device
    # On a processor that others use too, the time that all threads worked says more than the time that passed.
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    trial = lay_out_network(copy.deepcopy(network), precision, device).train()
    images = lay_out(batch, precision, device)
    times: list[float] = []
    for _ in range(steps + 1):
        start = clock()
        with autocast(precision, device):
            answer = trial(images)
        F.mse_loss(answer.float(), torch.zeros_like(answer, dtype=torch.float32)).backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - start)
    return median(times[1:])
