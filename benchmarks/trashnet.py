"""Accuracy on photographs of rubbish: our recipes beside torchvision's reference script, on the same split.

    python benchmarks/trashnet.py --data ../shared/data/trashnet --weights resnet18.pth.tar --torchvision DIR

TrashNet as it lies there: 6 classes, `train/` with 45 and `val/` with 15 photographs of each. ResNet-18, from scratch
at 128 pixels and fine-tuned from ImageNet weights at 224, three seeds each, ours by `resnets train` with its recipes
`photos` and `finetune`, the peer by torchvision's references/classification/train.py (DIR holds it and the files it
imports) with its defaults for as many epochs, its classes and its weights given to it from outside, since it has no
option for either. Minutes are from the first line of the process to its end. Finished runs are kept in --results, so
that a stopped benchmark goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from machine import machine
from scipy.stats import binomtest

SETTINGS: dict[str, dict[str, Any]] = {
    "scratch": {"size": 128, "epochs": 20, "recipe": "photos"},
    "finetuned": {"size": 224, "epochs": 5, "recipe": "finetune"},
}
PICTURES = 90
HERE = Path(__file__).resolve()

PEER = """
import runpy, sys, torch, torchvision
weights = sys.argv.pop(1)
build = torchvision.models.get_model
def get_model(name, weights=None, num_classes=6):
    network = build(name, num_classes=1000)
    if WEIGHTS:
        state = torch.load(WEIGHTS, map_location="cpu", weights_only=True)["state_dict"]
        network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    network.fc = torch.nn.Linear(network.fc.in_features, num_classes)
    return network
WEIGHTS = None if weights == "-" else weights
torchvision.models.get_model = get_model
torch.manual_seed(int(sys.argv.pop(1)))
sys.path.insert(0, sys.argv[1])
sys.argv = [sys.argv[1] + "/train.py", *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Torchvision's script has no option for other classes than its weights', for weights in a file, or for a seed."""


def ours(data: Path, weights: Path, kind: str, seed: int, folder: Path) -> float:
    """Train by our command line; return the share of the test pictures that is answered rightly."""
    given = SETTINGS[kind]
    model = "resnet18" if kind == "scratch" else str(weights)
    words = [sys.executable, "-m", "resnets", "train", str(data), "--model", model, "--recipe", given["recipe"]]
    words += ["--size", str(given["size"]), "--epochs", str(given["epochs"]), "--seed", str(seed)]
    subprocess.run(
        [*words, "--eval-every", "1000", "--held-out", "0", "--out", str(folder)], check=True, stdout=subprocess.DEVNULL
    )
    *_, last = (json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines())
    return float(last["top1"])


def peer(data: Path, weights: Path, kind: str, seed: int, folder: Path, script: Path) -> float:
    """Train by torchvision's script; return the share that its last evaluation says."""
    given = SETTINGS[kind]
    start = "-" if kind == "scratch" else str(weights)
    size = given["size"]
    words = [sys.executable, "-c", PEER, start, str(seed), str(script), "--data-path", str(data), "--model", "resnet18"]
    words += ["--device", "cpu", "--epochs", str(given["epochs"]), "--output-dir", str(folder)]
    words += ["--train-crop-size", str(size), "--val-crop-size", str(size), "--val-resize-size", str(size * 8 // 7)]
    if kind == "finetuned":
        words += ["--lr", "0.01"]  # its default, 0.1, is for training from scratch
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(re.findall(r"Acc@1 ([\d.]+) Acc@5", done.stdout)[-1]) / 100


def run(args: argparse.Namespace, who: str, kind: str, seed: int) -> dict[str, Any]:
    """Make one run, and return its accuracy and minutes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        start = time.perf_counter()
        if who == "ours":
            share = ours(args.data, args.weights, kind, seed, out)
        else:
            share = peer(args.data, args.weights, kind, seed, out, args.torchvision)
        minutes = (time.perf_counter() - start) / 60
    return {"who": who, "kind": kind, "seed": seed, "top1": share, "minutes": minutes, "load": os.getloadavg()[0]}


def table(runs: list[dict[str, Any]]) -> str:
    """Return a line for each of us and the peer in each setting."""
    lines = []
    for kind in SETTINGS:
        for who in ("ours", "torchvision"):
            made = [r for r in runs if (r["who"], r["kind"]) == (who, kind)]
            if not made:
                continue
            right, count = round(sum(r["top1"] * PICTURES for r in made)), PICTURES * len(made)
            low, high = binomtest(right, count).proportion_ci(method="wilson")
            each = ", ".join(f"{r['top1']:.1%}" for r in made)
            lines.append(
                f"{kind:10} {who:12} {right / count:6.1%} ({low:.1%} to {high:.1%})  seeds {each}  "
                f"{mean(r['minutes'] for r in made):5.1f} minutes each"
            )
    return "\n".join(lines)


def main() -> None:
    """Make what is missing of the runs, taking turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data" / "trashnet")
    parser.add_argument(
        "--weights", type=Path, help="ImageNet weights of a ResNet-18; without them, from scratch alone"
    )
    parser.add_argument("--torchvision", type=Path, help="folder of references/classification; without it, ours alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("runs/benchmark-trashnet.json"))
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"TrashNet is not at {args.data}; give its folder with --data")
    runs: list[dict[str, Any]] = json.loads(args.results.read_text())["runs"] if args.results.exists() else []
    for seed in range(args.seeds):
        for kind in SETTINGS if args.weights else ("scratch",):
            for who in ("ours", "torchvision") if args.torchvision else ("ours",):
                if any((r["who"], r["kind"], r["seed"]) == (who, kind, seed) for r in runs):
                    continue
                runs.append(run(args, who, kind, seed))
                args.results.parent.mkdir(parents=True, exist_ok=True)
                args.results.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=2) + "\n")
                last = runs[-1]
                print(f"{who} {kind} seed {seed}: {last['top1']:.1%} in {last['minutes']:.1f} minutes", flush=True)
    print(table(runs))


if __name__ == "__main__":
    main()
