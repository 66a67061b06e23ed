"""What a page of 10,000 pictures and 100 classes costs a reader: how fast it opens, how large it is, whether it fits.

    python benchmarks/report_page.py [--page report.html]

The page is made of random answers to random pictures, whose thumbnails are as large as any, or is the one that is
given. A headless Chromium opens it from a file in each width and colour scheme, --runs times. Seconds are from the
start of the navigation to the end of the load event, and to the second frame after it; requests are those of the
browser's own log, without the page itself; overflow is by how many pixels the page is wider than the window.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from browser import browser
from machine import machine

from resnets.data.source import ArraySource
from resnets.evaluation.answers import Answers
from resnets.evaluation.judge import judge
from resnets.evaluation.page import Circumstances, write_report
from resnets.evaluation.page_facts import environment
from resnets.page.texts import Language
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess
from resnets.spec.variants import architecture

WIDTHS, SCHEMES = (375, 1440), ("light", "dark")
PICTURES, CLASSES, SIDE = 10_000, 100, 128


def make_page(path: Path, language: Language = "en") -> None:
    """Write the page of random answers, two thirds of which are right."""
    chance = np.random.default_rng(0)
    labels = chance.integers(0, CLASSES, PICTURES)
    logits = chance.normal(0, 2, (PICTURES, CLASSES)).astype(np.float32)
    logits[np.arange(PICTURES), labels] += 6
    pixels = chance.integers(0, 256, (PICTURES, SIDE, SIDE, 3), dtype=np.uint8)
    classes = tuple(f"class {number} of {CLASSES}" for number in range(CLASSES))
    answers = Answers(
        classes=classes,
        logits=logits,
        labels=labels,
        indices=np.arange(PICTURES),
        source=ArraySource(pixels, labels, "test"),
        skipped=tuple((f"photos/{number}.jpg", "it ends early") for number in range(3)),
    )
    cameras = [f"camera {number}" for number in chance.integers(0, 20, PICTURES)]
    net = architecture("resnet20_cifar", num_classes=CLASSES)
    card = Card(architecture=net, classes=classes, preprocess=Preprocess(size=(SIDE, SIDE)))
    around = Circumstances(
        data={"name": "random", "sha256": "0" * 64, "split": "given"},
        command="python benchmarks/report_page.py",
        environment=environment(),
    )
    write_report(path, judge(answers, None, {"camera": cameras}), answers, card, around, language=language)


def measure(path: Path, runs: int) -> dict[str, Any]:
    """Open a page `runs` times in each width and scheme; return the figures of each."""
    found: dict[str, Any] = {"bytes": path.stat().st_size}
    with browser() as window:
        window.open("about:blank", WIDTHS[0], SCHEMES[0])  # the browser's own start is not the page's
        for width in WIDTHS:
            for scheme in SCHEMES:
                seen = [window.open(path.resolve().as_uri(), width, scheme) for _ in range(runs)]
                found[f"{width} {scheme}"] = {
                    "load_s": sorted(round(one["load"], 3) for one in seen),
                    "painted_s": sorted(round(one["painted"], 3) for one in seen),
                    "overflow_px": max(one["over"] for one in seen),
                    "elements_too_wide": max(one["wide"] for one in seen),
                    "pictures_not_shown": max(one["broken"] for one in seen),
                    "requests": [request for one in seen for request in one["requests"]],
                }
    return found


def main() -> None:
    """Make or take the page, measure it, and print a line for each width and scheme."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="a page to measure; default: one is made")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, help="where to write all figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.page or Path(folder) / "report.html"
        if args.page is None:
            make_page(path)
        found = measure(path, args.runs)
    print(f"{found['bytes'] / 1e6:.2f} MB")
    for name, one in found.items():
        if name != "bytes":
            print(
                f"{name:10}  loaded in {median(one['load_s']):.2f} s, painted in {median(one['painted_s']):.2f} s "
                f"(slowest {one['painted_s'][-1]:.2f}), {len(one['requests'])} requests, overflow "
                f"{one['overflow_px']:g} px, {one['elements_too_wide']} elements too wide, "
                f"{one['pictures_not_shown']} pictures not shown"
            )
    if args.results:
        args.results.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
