"""The model alone: our OpenVINO engine beside raw OpenVINO on the same graph, pictures in memory, in one process.

    python benchmarks/engine.py [--model resnet50] [--pairs 20] [--seconds 1.0]

For each precision and batches of 1 and 16: pairs of measurements, the two in turn, each of --seconds. Raw OpenVINO is
given the same graph, precision and number of threads, and one request that shares its memory; ours is `Engine.run`,
which checks the pictures and returns arrays of its own. Prints the median of ours over raw and its 95 % interval (the
bootstrap over pairs). The weights are drawn by chance: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

import resnets
from resnets.inference.engines import packaged
from resnets.runtime.fuse import fuse
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.openvino_engine import HINTS, OpenVinoEngine, read_onnx
from resnets.runtime.quantize import quantize
from resnets.runtime.quiet import load
from resnets.runtime.threads import usable_threads
from resnets.spec.card import Card
from resnets.spec.preprocess import Preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def graphs(name: str) -> dict[str, Any]:
    """Return the graph of each precision."""
    network = fuse(resnets.build(name, seed=0).eval())
    policy = Preprocess(resize=256, mean=MEAN, std=STD)
    card = Card(architecture=network.architecture, classes=tuple(map(str, range(1000))), preprocess=policy)
    plain = read_onnx(to_onnx(packaged(resnets.Model(network, card))))
    ranges = np.random.default_rng(0).integers(0, 256, (32, 3, 224, 224), dtype=np.uint8)
    return {"fp32": plain, "bf16": plain, "int8": quantize(plain, ranges)}


def raw(graph: Any, precision: Any, pictures: Any) -> Callable[[], Any]:
    """Return a call that does one batch as a person would who knows OpenVINO well."""
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": usable_threads(),
    }
    model = graph.clone()
    model.reshape({0: list(pictures.shape)})
    request = load("openvino").Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer({0: pictures}, share_inputs=True, share_outputs=True)


def rate(call: Callable[[], Any], seconds: float) -> float:
    """Return calls a second."""
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        call()
        done += 1
    return done / passed


def pairs(one: Callable[[], Any], other: Callable[[], Any], count: int, seconds: float) -> list[float]:
    """Return the rate of the first over that of the second in each pair; who goes first changes."""
    for call in (one, other):
        rate(call, seconds)
    found = []
    for number in range(count):
        if number % 2:
            second, first = rate(other, seconds), rate(one, seconds)
        else:
            first, second = rate(one, seconds), rate(other, seconds)
        found.append(first / second)
    return found


def interval(ratios: list[float]) -> tuple[float, float]:
    drawn = np.random.default_rng(0).choice(ratios, (5_000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Measure every precision and batch, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--results", type=Path, default=Path("runs/benchmarks/engine.json"))
    given = parser.parse_args()
    known: dict[str, Any] = {"machine": machine(), "model": given.model, "pairs": {}}
    print(json.dumps(known["machine"]))
    for precision, graph in graphs(given.model).items():
        for batch in (1, 16):
            pictures = np.random.default_rng(1).integers(0, 256, (batch, 3, 224, 224), dtype=np.uint8)
            engine = OpenVinoEngine(graph, precision=precision, batch_size=batch)  # type: ignore[arg-type]
            ours, theirs = (lambda: engine.run(pictures)), raw(graph, precision, pictures)  # noqa: B023
            ratios = pairs(ours, theirs, given.pairs, given.seconds)
            low, high = interval(ratios)
            per_second = rate(ours, given.seconds) * batch
            known["pairs"][f"{precision}, batch {batch}"] = ratios
            print(
                f"{given.model} {precision}, batch {batch:2}: ours over raw OpenVINO {np.median(ratios):.3f} "
                f"({low:.3f} to {high:.3f}); ours {per_second:.1f} pictures/s",
                flush=True,
            )
            engine.close()
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
