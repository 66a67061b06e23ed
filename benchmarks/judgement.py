"""The judgement of four published CIFAR-10 networks: accuracy, calibration, and which gaps are more than noise.

    python benchmarks/judgement.py --weights ../shared/data/weights-cifar10-akamaster --data cifar-10-batches-py

ResNet-20, 32, 44 and 56 of akamaster/pytorch_resnet_cifar10 on the 10,000 test pictures. Exit code 1 where a published
accuracy is outside our interval. It takes some minutes on one core; benchmarks/results holds what was seen.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

from machine import machine

from resnets.data.open import open_data
from resnets.evaluation.evaluate import answer
from resnets.evaluation.judge import judge
from resnets.evaluation.paired import paired

PUBLISHED = {"resnet20": 91.73, "resnet32": 92.63, "resnet44": 93.10, "resnet56": 93.39}
"""Top-1 on the test set, in percent, as their repository states."""


def judgement(report: Any, published: float) -> dict[str, Any]:
    """Return what is said of one network, shares in percent."""
    top1, found = report.intervals["top1"], report.calibration
    ends = [round(100 * end, 2) for end in (top1.low, top1.high)]
    return {
        "published_top1": published,
        "top1": round(100 * top1.value, 2),
        "interval": ends,
        "published_is_inside": ends[0] <= published <= ends[1],
        "macro_f1": round(100 * report.f1, 2),
        "ece_before": round(100 * found.before.ece, 3),
        "ece_after_cross_fitted": round(100 * found.after.ece, 3),
        "loss_before": round(found.before.loss, 4),
        "loss_after_cross_fitted": round(found.after.loss, 4),
        "temperature": round(found.temperature, 4),
        "area_under_risk_coverage": round(report.coverage.area, 5),
    }


def main() -> None:
    """Ask each network once, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="Where to write a JSON of it.")
    asked = parser.parse_args()
    data = open_data(asked.data)
    answers = {name: answer(next(asked.weights.glob(f"{name}-*.th")), data, device="cpu") for name in PUBLISHED}
    rows = {name: judgement(judge(said), PUBLISHED[name]) for name, said in answers.items()}
    print("              published  ours    interval          ECE     tempered  T")
    for name, row in rows.items():
        low, high = row["interval"]
        print(
            f"{name:13} {row['published_top1']:.2f} %    {row['top1']:.2f}   {low:.2f} to {high:.2f}   "
            f"{row['ece_before']:.2f} %  {row['ece_after_cross_fitted']:.2f} %    {row['temperature']:.3f}"
        )
    pairs = {}
    for one, other in combinations(PUBLISHED, 2):
        found = paired(answers[one], answers[other])
        pairs[f"{one} {other}"] = found.to_dict()
        print(f"\n{one} and {other}: {found.sentence()}")
    if asked.results:
        told = {"command": "python benchmarks/judgement.py", "machine": machine(), "networks": rows, "pairs": pairs}
        asked.results.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(row["published_is_inside"] for row in rows.values()) else 1)


if __name__ == "__main__":
    main()
