"""What int8 changes: four CIFAR-10 networks through the whole export, and two ImageNet networks by their answers.

    python benchmarks/int8.py --cifar-weights ../shared/data/weights-cifar10-akamaster --cifar cifar-10-batches-py \\
        --imagenet-weights weights-imagenet-NC --shared ../shared/data --results benchmarks/results/int8-DATE.json

ResNet-20, 32, 44 and 56 of akamaster/pytorch_resnet_cifar10 are exported with ranges and repair from training pictures
and judged on all 10,000 test pictures: at most 0.2 points may be lost. For ResNet-18 and 50 (Uber PQF) there is no
labelled set of their classes but 200 photographs, so ranges and repair have other photographs (TrashNet and
scikit-image's), of which only changed answers are counted; 98 % of the answers to the 200 must stay, and at most one
right one be lost net. Exit code 1 where any of that fails. Half an hour on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from resnets.data.decoding.picture import file_pixels
from resnets.data.source import ArraySource
from resnets.deployment.export import export
from resnets.deployment.gate import gate
from resnets.deployment.repair import MOST_CHANGED, quantize_within
from resnets.evaluation.answers import Answers
from resnets.runtime.engine import LOGITS
from resnets.runtime.fuse import fuse
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.onnx_engine import OnnxEngine
from resnets.runtime.openvino_engine import OpenVinoEngine, read_onnx
from resnets.runtime.packaged import Packaged
from resnets.runtime.quantize import quantize
from resnets.weights.load import load

CIFAR = ("resnet20", "resnet32", "resnet44", "resnet56")
IMAGENET = {"resnet18": "resnet18_pqf.pth.tar", "resnet50": "resnet50_pqf.safetensors"}
AT_ONCE = 20


def cifar(weights: Path, data: Path) -> dict[str, Any]:
    """Export each network to OpenVINO in int8, and return its gate and repair."""
    rows = {}
    for name in CIFAR:
        with tempfile.TemporaryDirectory() as folder:
            done = export(
                load(next(weights.glob(f"{name}-*.th"))), Path(folder, name), precision="int8", data=data, force=True
            )
        assert done.gate is not None
        rows[name] = done.to_dict()
        print(f"{name}: {done.gate.sentence()}", flush=True)
    return rows


def logits(engine: Any, pictures: np.ndarray) -> np.ndarray:
    """Return what an engine answers, (N, C)."""
    parts = [engine.run(pictures[first : first + AT_ONCE])[LOGITS] for first in range(0, len(pictures), AT_ONCE)]
    return np.concatenate(parts)


def answers(said: np.ndarray, labels: np.ndarray) -> Answers:
    """Return logits as answers to pictures of these labels."""
    source = ArraySource(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, "photo")
    names = tuple(map(str, range(said.shape[1])))
    return Answers(classes=names, logits=said, labels=labels, indices=np.arange(len(labels)), source=source)


def imagenet(file: Path, shared: Path) -> dict[str, Any]:
    """Quantize within what its own answers to other photographs allow, and return how it does on the 200."""
    model = load(file)
    policy = model.card.preprocess
    rubbish = sorted((shared / "trashnet" / "train").rglob("*.jpg"))
    others = [*rubbish[::2], *sorted((shared / "photos-cc0-skimage").glob("*.*g"))]
    ranges, trying = (np.stack([file_pixels(path, policy) for path in paths]) for paths in (others, rubbish[1::2]))
    with (shared / "imagenet-sample" / "labels.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    labels = np.array([int(row["index"]) for row in rows])
    photos = np.stack([file_pixels(shared / "imagenet-sample" / row["path"], policy) for row in rows])

    onnx = to_onnx(Packaged(fuse(model.network), policy).eval())
    plain = read_onnx(onnx)
    before = OpenVinoEngine(plain)
    own = logits(before, trying)

    def judge(graph: Any) -> Any:
        said = logits(OpenVinoEngine(graph, precision="int8"), trying)
        truth = own.argmax(1)  # nobody knows what is right of a thousand classes that have no rubbish
        found = gate(answers(own, truth), answers(said, truth), tolerance=0.98, limit=0.99)
        print(f"  tried: {found.changed} of {len(truth)} changed", flush=True)
        return found

    repair = quantize_within(plain, ranges, judge)
    first = answers(logits(before, photos), labels)
    found = {"ranges": len(ranges), "trying": len(trying), "repair": repair.to_dict()}
    engines = {
        "openvino": OpenVinoEngine(repair.model, precision="int8"),
        "onnx": OnnxEngine(quantize(onnx, ranges, repair.kept), precision="int8"),
    }
    for name, engine in engines.items():
        judged = gate(first, answers(logits(engine, photos), labels))
        lost, won = judged.paired.one_alone, judged.paired.other_alone
        print(f"{file.name} {name}: {judged.changed} of {len(labels)} changed, {lost} lost, {won} won; {repair.kept}")
        found[name] = {"changed": judged.changed, "lost": lost, "won": won, "paired": judged.paired.to_dict()}
    return found


def main() -> None:
    """Quantize all, print what is seen, and say by the exit code whether it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cifar-weights", type=Path)
    parser.add_argument("--cifar", type=Path)
    parser.add_argument("--imagenet-weights", type=Path)
    parser.add_argument("--shared", type=Path, help="The folder with imagenet-sample, trashnet, photos-cc0-skimage.")
    parser.add_argument("--only", help="One of the ImageNet networks.")
    parser.add_argument("--results", type=Path, help="Where to write a JSON of it.")
    asked = parser.parse_args()
    told: dict[str, Any] = {"command": "python benchmarks/int8.py", "machine": machine()}
    holds = True
    if asked.cifar:
        told["cifar"] = cifar(asked.cifar_weights, asked.cifar)
        holds &= all(row["gate"]["verdict"] == "passes" for row in told["cifar"].values())
    if asked.imagenet_weights:
        names = [name for name in IMAGENET if asked.only in (None, name)]
        told["imagenet"] = {name: imagenet(asked.imagenet_weights / IMAGENET[name], asked.shared) for name in names}
        seen = [row["openvino"] for row in told["imagenet"].values()]
        holds &= all(row["changed"] <= MOST_CHANGED * 200 and row["lost"] - row["won"] <= 1 for row in seen)
    if asked.results:
        asked.results.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
