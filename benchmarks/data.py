"""How many training pictures a second a loader makes of real JPEGs: torchvision's, timm's and ours, side by side.

    python benchmarks/data.py [--data ../shared/data] [--runs 5] [--cores 1 2] [--seconds 6]

Every loader makes the same batches of 64: a random resized crop to 224, a flip, float32 and normalised, on one and on
two cores, each run in a process of its own and in turn with the others. torchvision: ImageFolder, DataLoader and the
transforms of its reference script. timm: create_dataset, create_transform and create_loader (left out where timm is not
installed). Ours: resnets' loader on the files with exact and with fast decoding, and on a pack of the same files.
Prints medians, ratios within a round to the better peer of that round, and how each scales from one core to two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine

BATCH = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PEERS = ("torchvision", "timm")
OURS = ("exact", "fast", "pack")


def torchvision_batches(folder: Path, cores: int) -> Iterator[int]:
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    # references/classification/presets.py, ClassificationPresetTrain, backend "pil".
    steps = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(0.5), v2.PILToTensor()]
    steps += [v2.ToDtype(torch.float, scale=True), v2.Normalize(MEAN, STD)]
    loader = DataLoader(
        ImageFolder(folder, v2.Compose(steps)), BATCH, shuffle=True, num_workers=cores, persistent_workers=True
    )
    while True:
        for images, _ in loader:
            yield len(images)


def timm_batches(folder: Path, cores: int) -> Iterator[int]:
    from timm.data import create_dataset, create_loader

    dataset = create_dataset("", root=str(folder), split="")
    loader = create_loader(
        dataset,
        (3, 224, 224),
        BATCH,
        is_training=True,
        use_prefetcher=False,  # it needs a GPU
        interpolation="bilinear",
        color_jitter=None,
        mean=MEAN,
        std=STD,
        num_workers=cores,
        persistent_workers=True,
    )
    while True:
        for images, _ in loader:
            yield len(images)


def our_batches(folder: Path, cores: int, how: str, kind: str) -> Iterator[int]:
    from dataclasses import replace

    from resnets.data.augmentation.rows import AUGMENTATIONS
    from resnets.data.loader import Loader
    from resnets.data.open import open_data
    from resnets.spec.preprocess import IMAGENET

    source = open_data(folder.with_suffix(".pack") if how == "pack" else folder).train
    preprocess = replace(IMAGENET, profile="srgb", decoding="exact" if how == "exact" else "fast")
    row = replace(AUGMENTATIONS["photos"], crop_area=(0.08, 1.0))
    loader = Loader(source, preprocess, batch_size=BATCH, augmentation=row, shuffle=True, workers=cores, kind=kind)
    epoch = 0
    while True:
        for batch in loader.epoch(epoch):
            yield len(batch)
        epoch += 1


def one(name: str, folder: Path, cores: int, seconds: float) -> float:
    """Return images a second on so many cores, after the first two batches of each worker."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import torch

    torch.set_num_threads(1)
    how, _, kind = name.partition(" ")
    if how in OURS:
        batches = our_batches(folder, cores, how, kind or "threads")
    else:
        batches = {"torchvision": torchvision_batches, "timm": timm_batches}[how](folder, cores)
    for _ in range(2 * cores):
        next(batches)
    start, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        done += next(batches)
    return done / passed


def collect(data: Path, folder: Path, copies: int) -> int:
    """Link the real JPEGs into a folder of two classes, so often that starts and ends do not count."""
    photos = [*sorted(data.glob("trashnet/*/*/*.jpg")), *sorted(data.glob("imagenet-sample/*.JPEG"))]
    for number, photo in enumerate(photos * copies):
        target = folder / "train" / ("even", "odd")[number % 2] / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(photo.resolve())
    return len(photos)


def main() -> None:
    """Run every loader in turn, so many times, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--one", nargs=3, metavar=("NAME", "FOLDER", "CORES"), help="what each process does")
    given = parser.parse_args()
    if given.one:
        name, folder, cores = given.one
        print(one(name, Path(folder), int(cores), given.seconds))
        return
    if not given.data.is_dir():
        raise SystemExit(f"there are no real JPEGs at {given.data}; give their folder with --data")
    names = [*PEERS, *OURS, "fast processes", "pack processes"]
    try:
        import timm  # noqa: F401
    except ImportError:
        names.remove("timm")
    print(json.dumps(machine()))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "photos")
        print(f"{collect(given.data, folder, 2)} photographs, each twice")
        subprocess.run(
            [Path(sys.executable).with_name("resnets"), "pack", folder, folder.with_suffix(".pack")], check=True
        )
        report(rounds(names, folder, given), given)


def rounds(names: list[str], folder: Path, given: Any) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {(name, cores): [] for name in names for cores in given.cores}
    for _ in range(given.runs):
        for name, cores in found:
            command = [sys.executable, __file__, "--seconds", str(given.seconds), "--one", name, folder, str(cores)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[name, cores].append(float(answer.stdout.split()[-1]))
    return found


def report(found: dict[tuple[str, int], list[float]], given: Any) -> None:
    for cores in given.cores:
        print(f"\n{cores} core{'s' * (cores > 1)}, images/s: median (lowest to highest), ratio to the better peer")
        peers = [rates for (name, its_cores), rates in found.items() if its_cores == cores and name in PEERS]
        best = [max(each) for each in zip(*peers, strict=True)]
        for (name, its_cores), rates in found.items():
            if its_cores == cores:
                ratio = median(rate / peer for rate, peer in zip(rates, best, strict=True))
                label = name if name in PEERS else f"resnets, {name}"
                print(f"  {label:24} {median(rates):8,.0f}  ({min(rates):,.0f} to {max(rates):,.0f})  {ratio:5.2f}")
    if {1, 2} <= set(given.cores):
        print("\nfrom one core to two, share of twice the rate")
        for name in dict.fromkeys(name for name, _ in found):
            share = median(two / (2 * single) for single, two in zip(found[name, 1], found[name, 2], strict=True))
            print(f"  {name if name in PEERS else f'resnets, {name}':24} {share:.0%}")


if __name__ == "__main__":
    main()
