"""CIFAR-10 in seconds: our recipe `cifar-speed` over several seeds, what it costs and what it reaches.

    python benchmarks/cifar10.py --data cifar-10-batches-py [--seeds 3]

Each run is `resnets.train` with nothing changed but its seed; the 10,000 test pictures are looked at once, when it is
over, and as they are (no copies at test time). Seconds count training alone; a run takes up to a minute more to start
and to be tested. Prints the mean accuracy, what was spent (6 operations for each multiply-add of each picture seen:
forward and twice as much backward) and its share of the peak: bf16 matrix products measured beside each run.

A stopped benchmark goes on where it was, in the middle of a run too; the seconds of both parts count.
benchmarks/results holds what was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from machine import machine

from resnets.data.open import open_data
from resnets.spec.resolve import plan
from resnets.spec.trace import macs
from resnets.spec.variants import architecture
from resnets.training.recipe import Recipe
from resnets.training.recipes import recipe
from resnets.training.schedule import side
from resnets.training.train import train

PICTURES, SIZE = 50_000, (32, 32)
OPERATIONS = 6
"""Of a multiply-add of the forward pass: two there, and four for the two gradients."""


def peak() -> float:
    """Return the operations a second of the fastest of some bf16 matrix products, (2048, 2048) by (2048, 2048)."""
    a, b = torch.ones(2, 2048, 2048, dtype=torch.bfloat16)
    fastest = float("inf")
    for _ in range(12):
        start = time.perf_counter()
        a @ b
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * 2048**3 / fastest


def spent(model: str, row: Recipe) -> float:
    """Return the operations of a whole run: pictures grow from epoch to epoch, as the loop has it."""
    network = plan(architecture(model))
    batches = -(-PICTURES // row.batch_size)
    total = row.iterations or max(round(row.epochs * batches), 1)
    operations = 0.0
    for begun in range(0, total, batches):
        pictures = min(PICTURES, (total - begun) * row.batch_size)
        operations += OPERATIONS * macs(network, side(row, begun / total, SIZE)) * pictures
    return operations


def run(data: Path, folder: Path, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train once, or go on with a run that was stopped, and return what it came to."""
    top, loads = peak(), [os.getloadavg()[0]]
    dataset = open_data(data)
    if (folder / "recipe.json").exists():
        done = train(dataset, resume=folder)
    else:
        done = train(dataset, model=given.model, recipe_name=given.recipe, out=folder, seed=seed, eval_every=1_000)
    top, loads = max(top, peak()), [*loads, os.getloadavg()[0]]
    assert done.report is not None
    operations = spent(given.model, recipe(given.recipe))
    return {
        "seed": seed,
        "accuracy": done.report.headline[1],
        "seconds": done.seconds,
        "pflop": operations / 1e15,
        "peak_gflops": top / 1e9,
        "share_of_peak": operations / done.seconds / top,
        "load": loads,
    }


def main() -> None:
    """Do the runs that are not there yet, and print what all of them say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar-10-batches-py"))
    parser.add_argument("--model", default="resnet8_cifar_speed")
    parser.add_argument("--recipe", default="cifar-speed")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--results", type=Path, default=Path("runs/benchmarks/cifar10.json"))
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"skipped: there is no {given.data}; give CIFAR-10's folder of batches with --data")
        return
    known: dict[str, Any] = json.loads(given.results.read_text()) if given.results.exists() else {}
    known.setdefault("machine", machine())
    known.setdefault("runs", {})
    for seed in range(given.seeds):
        key = f"{given.model} {given.recipe} seed {seed}"
        if key not in known["runs"]:
            folder = given.results.parent / "cifar10" / key.replace(" ", "-")
            known["runs"][key] = run(given.data, folder, given, seed)
            given.results.parent.mkdir(parents=True, exist_ok=True)
            given.results.write_text(json.dumps(known, indent=1) + "\n")
        one = known["runs"][key]
        print(f"{key}: {one['accuracy']:.2%} after {one['seconds']:.0f} s", flush=True)
    print(json.dumps(known["machine"]))
    report([one for key, one in known["runs"].items() if key.startswith(f"{given.model} {given.recipe} seed")])


def report(runs: list[dict[str, Any]]) -> None:
    """Print what the runs of one model and recipe say together."""
    accuracies, seconds = [one["accuracy"] for one in runs], [one["seconds"] for one in runs]
    spread = f", standard deviation {stdev(accuracies):.2%}" if len(runs) > 1 else ""
    print(f"mean accuracy of {len(runs)} seeds {mean(accuracies):.2%}{spread}; mean seconds {mean(seconds):.0f}")
    print(f"{runs[0]['pflop']:.3f} PFLOP a run, {mean(one['share_of_peak'] for one in runs):.0%} of the measured peak")


if __name__ == "__main__":
    main()
