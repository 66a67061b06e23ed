"""The model part of a training step at 224 beside bf16 matrix products of the same shapes.

    python benchmarks/step.py [--models resnet18 resnet50] [--batch 32] [--rounds 7]

A step is what the loop does with a batch that is there: forward in bf16 with channels_last, loss, backward, SGD. Beside
it, in turn: the three matrix products of every convolution and linear layer (its answer, the gradient of its weights,
and, but for the first layer, of its input) on matrices that lie ready; and one product of (2048, 2048) by (2048, 2048),
the fastest there is. Prints the share of each that the step reaches; the aim is 80 %.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from machine import machine
from torch import Tensor, nn

from resnets.net.network import ResNet, build
from resnets.training.optimizer import optimizer
from resnets.training.precision import autocast, lay_out, lay_out_network
from resnets.training.recipes import recipe

CPU = torch.device("cpu")
SIDE = 2048

Shape = tuple[int, int, int]
"""Rows, inner and columns of the product that is a layer's answer."""


def shapes(network: ResNet, images: Tensor) -> list[Shape]:
    """Return the matrix product that each layer with weights is on these images (N, 3, H, W), in order."""
    found: list[Shape] = []

    def see(layer: nn.Module, _: Any, answer: Tensor) -> None:
        weight: Any = layer.weight
        found.append((answer.numel() // len(weight), weight[0].numel(), len(weight)))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(see) for layer in layers]
    with torch.no_grad():
        network.eval()(images)
    for hook in hooks:
        hook.remove()
    return found


def products(layers: list[Shape]) -> float:
    """Return the seconds of all products of a step; each is done twice, and the second time counts."""
    seconds = 0.0
    for number, (rows, inner, columns) in enumerate(layers):
        x, w, g = (torch.ones(s, dtype=torch.bfloat16) for s in ((rows, inner), (inner, columns), (rows, columns)))
        for _ in range(2):
            start = time.perf_counter()
            x @ w
            x.T @ g
            if number:
                g @ w.T
            last = time.perf_counter() - start
        seconds += last
    return seconds


def square() -> float:
    """Return the operations a second of the square product, the best of ten."""
    a, b = torch.ones(2, SIDE, SIDE, dtype=torch.bfloat16)
    return 2 * SIDE**3 / min(timed(lambda: a @ b) for _ in range(10))


def timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def stepper(network: ResNet, batch: int, side: int) -> Callable[[], None]:
    """Return a function that does a training step, on the same batch each time."""
    lay_out_network(network, "bf16", CPU).train()
    sgd = optimizer(network, recipe("he2015"))
    images, labels = lay_out(torch.randn(batch, 3, side, side), "bf16", CPU), torch.arange(batch)

    def step() -> None:
        sgd.zero_grad()
        with autocast("bf16", CPU):
            logits = network(images)
        F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        sgd.step()

    return step


def main() -> None:
    """Measure steps and products in turn, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=Path("runs/benchmarks/step.json"))
    given = parser.parse_args()
    print(json.dumps(machine()))
    known: dict[str, Any] = {"machine": machine(), "rounds": []}
    for model in given.models:
        network = build(model, seed=0)
        layers = shapes(network, torch.zeros(given.batch, 3, given.side, given.side))
        operations = sum(
            2 * rows * inner * columns * (3 if number else 2) for number, (rows, inner, columns) in enumerate(layers)
        )
        step = stepper(network, given.batch, given.side)
        step()
        for _ in range(given.rounds):
            seconds, same, best = timed(step), products(layers), square()
            known["rounds"].append(
                {"model": model, "load": os.getloadavg()[0], "step_s": seconds, "same_shapes_s": same}
                | {"tflop": operations / 1e12, "square_gflops": best / 1e9}
            )
        its = [each for each in known["rounds"] if each["model"] == model]
        rate = median(given.batch / each["step_s"] for each in its)
        share = median(each["same_shapes_s"] / each["step_s"] for each in its)
        of_best = median(1e3 * each["tflop"] / each["step_s"] / each["square_gflops"] for each in its)
        print(f"{model}: {rate:.1f} images/s; {share:.0%} of products of its shapes, {of_best:.0%} of the square one")
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
