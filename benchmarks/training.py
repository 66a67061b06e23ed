"""Training ResNets at 224 on real JPEGs, images a second end to end: torchvision's and timm's own scripts, and ours.

    python benchmarks/training.py --torchvision DIR --timm FILE [--models resnet18 resnet50] [--rounds 5]

DIR is `references/classification` of github.com/pytorch/vision, FILE is `train.py` of
github.com/huggingface/pytorch-image-models; clone them, none of their code is here. Every contestant runs in a process
of its own, in turn with the others, as its script is started: `--device cpu`, the same folder of JPEGs, a random
resized crop and a flip. torchvision's runs at its defaults (batch 32, 16 workers, fp32) and with the settings it offers
that could be faster here; timm's in bf16 with channels_last, its fastest; ours is `resnets train`. All are measured
alike, by a hook on the optimizer: pictures of all steps between the first --warm seconds, which are left out with
starting, compiling and filled queues, and the --seconds after them. Prints medians and ratios within a round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from machine import machine

BF16 = "--amp --amp-dtype bfloat16 --channels-last"
LIKE_OURS = "--color-jitter 0 --train-interpolation bilinear --smoothing 0 --num-classes 8 --val-split val"
TORCHVISION = MappingProxyType(
    {
        "torchvision": "",
        "torchvision -j 2": "-j 2",
        "torchvision -j 1": "-j 1",
        "torchvision -j 2 --use-v2": "-j 2 --use-v2",
        "torchvision -j 2 --backend tensor": "-j 2 --backend tensor",
        "torchvision -j 2 -b 64": "-j 2 -b 64",
    }
)
"""Settings of torchvision's script, the first its defaults; its --amp is for CUDA alone."""

TIMM = MappingProxyType(
    {
        "timm -j 2": f"-b 32 -j 2 {BF16} {LIKE_OURS}",
        "timm -j 1": f"-b 32 -j 1 {BF16} {LIKE_OURS}",
        "timm -j 2 -b 64": f"-b 64 -j 2 {BF16} {LIKE_OURS}",
        "timm -j 2 --torchcompile": f"-b 32 -j 2 --torchcompile {BF16} {LIKE_OURS}",
    }
)
"""Settings of timm's script."""

OURS = MappingProxyType({"resnets": 32, "resnets -b 64": 64, "resnets -b 128": 128})
"""Batch sizes of ours: as the peers' default, and two that suit a processor better."""

COPIES = 8
"""Links to each photograph: 560 of them make 140 whole batches of 32."""


def torchvision_script(place: Path, model: str, folder: Path, settings: str) -> None:
    sys.path.insert(0, str(place))
    run(place / "train.py", f"--device cpu --data-path {folder} --model {model} {settings}")


def timm_script(file: Path, model: str, folder: Path, settings: str) -> None:
    run(file, f"--device cpu --data-dir {folder} --model {model} {settings}")


def run(script: Path, arguments: str) -> None:
    sys.argv = [str(script), *arguments.split()]
    runpy.run_path(str(script), run_name="__main__")


def ours(model: str, folder: Path, batch: int) -> None:
    from resnets.cli import main

    words = (
        f"train {folder} --model {model} --recipe he2015 --size 224 --batch-size {batch} --eval-every 1000 --out run"
    )
    sys.argv = ["resnets", *words.split(), "--no-check"]
    main()


def batch_size(name: str) -> int:
    return int(found[1]) if (found := re.search(r"-b (\d+)$", name)) else 32


def watch_steps(pictures: int, warm: float, seconds: float) -> None:
    """From now on count the steps of any optimizer; print the rate and end the process when there is one."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    times: list[float] = []

    def see(*_: Any) -> None:
        times.append(time.perf_counter())
        kept = [at for at in times if at >= times[0] + warm]
        if len(kept) >= 4 and kept[-1] >= kept[0] + seconds:
            print(json.dumps({"rate": (len(kept) - 1) * pictures / (kept[-1] - kept[0]), "steps": len(kept) - 1}))
            sys.stdout.flush()
            os._exit(0)  # not sys.exit: no script may catch it, nor write a checkpoint first

    register_optimizer_step_post_hook(see)


def one(name: str, model: str, folder: Path, given: argparse.Namespace) -> None:
    """What each process does: start a contestant, which the hook ends."""
    watch_steps(batch_size(name), given.warm, given.seconds)
    starts: dict[str, Callable[[], None]] = {
        **{key: lambda: torchvision_script(given.torchvision, model, folder, TORCHVISION[name]) for key in TORCHVISION},
        **{key: lambda: timm_script(given.timm, model, folder, TIMM[name]) for key in TIMM},
        **{key: lambda: ours(model, folder, OURS[name]) for key in OURS},
    }
    starts[name]()
    raise SystemExit(f"{name} ended before it was measured; give more --copies")


def collect(data: Path, folder: Path, copies: int) -> int:
    """Link the real JPEGs into train and val, in folders of eight classes: both scripts ask for the best five."""
    photos = [*sorted(data.glob("trashnet/*/*/*.jpg")), *sorted(data.glob("imagenet-sample/*.JPEG"))]
    for part, chosen in (("train", photos * copies), ("val", photos[:64])):
        for number, photo in enumerate(chosen):
            target = folder / part / f"class{number % 8}" / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(photo.resolve())
    return len(photos)


def measured(name: str, model: str, folder: Path, given: argparse.Namespace) -> float:
    """Run one contestant in a process group of its own, and return its images a second."""
    options = ["--warm", str(given.warm), "--seconds", str(given.seconds)]
    peers = [f"--{peer}={path.resolve()}" for peer in ("torchvision", "timm") if (path := getattr(given, peer))]
    command = [given.python, Path(__file__).resolve(), *options, *peers, "--one", name, model, folder]
    with (
        tempfile.TemporaryDirectory() as place,
        open(Path(place, "out"), "w+") as out,
        open(Path(place, "err"), "w+") as err,
    ):
        process = subprocess.Popen(
            [*map(str, command)], cwd=place, stdout=out, stderr=err, text=True, start_new_session=True
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(given.limit)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too
        process.wait()
        answer, reason = Path(place, "out").read_text(), Path(place, "err").read_text()
    rates = [json.loads(line)["rate"] for line in answer.splitlines() if line.startswith('{"rate"')]
    if not rates:
        raise SystemExit(f"{name} on {model} gave no rate within {given.limit} s:\n{reason[-2_000:]}")
    rate: float = rates[-1]
    return rate


def main() -> None:
    """Run every contestant in turn, so many times, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--torchvision", type=Path, help="folder references/classification of pytorch/vision")
    parser.add_argument("--timm", type=Path, help="file train.py of huggingface/pytorch-image-models")
    parser.add_argument("--python", default=sys.executable, help="with torchvision, timm and resnets")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--only", nargs="+", help="these contestants alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=float, default=20.0, help="seconds after the first step that are left out")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which a contestant is given up")
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--results", type=Path, default=Path("runs/benchmarks/training.json"))
    parser.add_argument("--one", nargs=3, metavar=("NAME", "MODEL", "FOLDER"), help="what each process does")
    given = parser.parse_args()
    if given.one:
        name, model, folder = given.one
        one(name, model, Path(folder), given)
    if not given.data.is_dir():
        raise SystemExit(f"there are no real JPEGs at {given.data}; give their folder with --data")
    names = [*(TORCHVISION if given.torchvision else ()), *(TIMM if given.timm else ()), *OURS]
    names = [name for name in names if not given.only or name in given.only]
    print(json.dumps(machine()))
    known: dict[str, Any] = {"machine": machine(), "rounds": []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "photos")
        print(f"{collect(given.data, folder, given.copies)} photographs, each {given.copies} times", flush=True)
        for number in range(given.rounds):
            for model in given.models:
                turn = names[number % len(names) :] + names[: number % len(names)]
                rates = {name: measured(name, model, folder, given) for name in turn}
                known["rounds"].append({"model": model, "load": os.getloadavg(), "images_per_second": rates})
                given.results.parent.mkdir(parents=True, exist_ok=True)
                given.results.write_text(json.dumps(known, indent=1) + "\n")
                print(f"round {number + 1}, {model}: {rates}", flush=True)
    report(known["rounds"])


def report(rounds: list[dict[str, Any]]) -> None:
    """Print for each model and each of ours the medians, and ours over the others', within a round."""
    for model in dict.fromkeys(each["model"] for each in rounds):
        its = [each["images_per_second"] for each in rounds if each["model"] == model]
        others = sorted(its[0].keys() - OURS.keys(), key=lambda name: median(rates[name] for rates in its))
        for mine in OURS.keys() & its[0].keys():
            print(f"\n{model}, images/s: median (lowest to highest); {mine} over it, median (lowest to highest)")
            for name in (*others, mine):
                line(name, [rates[name] for rates in its], [rates[mine] / rates[name] for rates in its])
            best = [max(rates[name] for name in others) for rates in its if others]
            if best:
                line("best of the others", best, [rates[mine] / rate for rates, rate in zip(its, best, strict=True)])


def line(name: str, rates: list[float], ratios: list[float]) -> None:
    spread = f"{median(rates):7.1f}  ({min(rates):.1f} to {max(rates):.1f})"
    print(f"  {name:34} {spread:28} {median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
