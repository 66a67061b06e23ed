"""Goldens: what other frameworks computed from weights and pictures that anybody can make again.

The numbers that go in come from PCG64's raw stream, which numpy keeps the same in every version (NEP 19), and
each tensor's depend on its name, its shape and the seed alone. What came out is kept as statistics and samples
of every level. So `make agreement` runs the frameworks, and `make test` checks their answers without them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod, sqrt
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.random import PCG64
from numpy.typing import NDArray

from resnets.net.network import ResNet
from resnets.spec.architecture import Architecture
from resnets.spec.plan import Norm, Plan, layer_tensors

Array = NDArray[Any]
Outputs = dict[str, Array]

FOLDER = Path(__file__).parent / "golden" / "agreement"
SEED = 20151210  # the day of arXiv:1512.03385
STATISTICS = ("mean", "std", "min", "max")
SAMPLES = 16
DIGITS = 10  # significant digits that a golden keeps
TOLERANCE = 1e-8  # of a level's largest magnitude, in float64
HOW = (
    "PCG64([seed, crc32(name)]).random_raw(ceil(n/2)) as 32-bit halves, low first; u = (half >> 8) / 2**24; "
    "low + (high - low) * u in float32, in the order of our shape; bounds by tests/goldens.py"
)

# Ranges that keep every map near 1 at any depth, and every fact of a network visible in the numbers: a ReLU
# halves the second moment, so convolutions double it; the branches of a stage share one LAST between them.
GAIN = 2.0
LAST = 0.5
NORM = {"weight": (0.5, 1.5), "bias": (-0.3, 0.3), "running_mean": (-0.3, 0.3), "running_var": (0.5, 1.5)}
BIAS = (-0.2, 0.2)
PICTURE = (-2.0, 2.0)


def uniform(name: str, shape: tuple[int, ...], low: float, high: float, *, seed: int = SEED) -> NDArray[np.float32]:
    """Return the float32 numbers in [low, high) that a name, a shape and a seed stand for."""
    count = prod(shape)
    raw = PCG64([seed, crc32(name.encode())]).random_raw((count + 1) // 2)
    halves = raw.astype("<u8").view("<u4")[:count] >> np.uint32(8)
    unit = halves.astype(np.float32) * np.float32(2**-24)
    return (np.float32(low) + np.float32(high - low) * unit).reshape(shape)


def random_weights(network: Plan, *, seed: int = SEED) -> Outputs:
    """Return every parameter and statistic of a network by name, biases and statistics far from 0 and 1."""
    shares = {
        block.branch[-1].conv.name: LAST / len(stage.blocks) for stage in network.stages for block in stage.blocks
    }
    numbers: Outputs = {}
    for layer in network.layers():
        for name, shape in layer_tensors(layer).items():
            match name.rpartition(".")[2], layer:
                case "num_batches_tracked", _:
                    numbers[name] = np.zeros(shape, np.int64)
                    continue
                case key, Norm():
                    low, high = NORM[key]
                case "weight", _:
                    high = sqrt(3 * GAIN * shares.get(layer.name, 1.0) / prod(shape[1:]))  # variance: high ** 2 / 3
                    low = -high
                case _:
                    low, high = BIAS
            numbers[name] = uniform(name, shape, low, high, seed=seed)
    return numbers


def picture(shape: tuple[int, ...], *, seed: int = SEED) -> NDArray[np.float32]:
    """Return the picture of a shape (N, C, H, W)."""
    return uniform("picture", shape, *PICTURE, seed=seed)


def cotangents(outputs: Mapping[str, Array]) -> Outputs:
    """Return what each output is multiplied by before all are summed into the one number to differentiate."""
    return {name: uniform(f"cotangent of {name}", tuple(map_.shape), -1.0, 1.0) for name, map_ in outputs.items()}


def network_of(arch: Architecture, dtype: torch.dtype = torch.float64) -> ResNet:
    """Return our network with its random weights, in evaluation mode."""
    with torch.device("meta"):
        network = ResNet(arch)
    numbers = {name: torch.from_numpy(array) for name, array in random_weights(network.plan).items()}
    network.load_state_dict(numbers, strict=True, assign=True)
    return network.to(dtype).eval()


def outputs_of(network: ResNet, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return every level by name, and the logits where there is a head."""
    outputs = network.levels(x)
    if network.head is not None:
        outputs["logits"] = network(x)
    return outputs


def relative_error(ours: Array, theirs: Array) -> float:
    """Return the largest difference over the reference's largest magnitude."""
    assert ours.shape == theirs.shape, f"{ours.shape} against {theirs.shape}"
    return float(np.abs(ours.astype(np.float64) - theirs).max() / np.abs(theirs).max())


def statistics(map_: Array) -> dict[str, Any]:
    """Return what a golden keeps of a map: its shape, four statistics, and samples at evenly spaced places."""
    flat = map_.astype(np.float64).reshape(-1)
    places = np.linspace(0, flat.size - 1, SAMPLES).astype(int)
    return {
        "shape": list(map_.shape),
        **{key: _rounded(getattr(flat, key)()) for key in STATISTICS},
        "samples": {str(place): _rounded(flat[place]) for place in places},
    }


def disagreements(levels: Mapping[str, Any], outputs: Mapping[str, Array], tolerance: float = TOLERANCE) -> list[str]:
    """Return a sentence for each thing in which outputs differ from a golden's levels; empty when they agree."""
    if list(levels) != list(outputs):
        return [f"the levels are {list(outputs)} and should be {list(levels)}"]
    found: list[str] = []
    for name, expected in levels.items():
        given = statistics(outputs[name])
        if given["shape"] != expected["shape"]:
            found.append(f"{name}: the shape is {given['shape']} and should be {expected['shape']}")
            continue
        scale = max(abs(expected["min"]), abs(expected["max"]))
        for key, value in _numbers(expected).items():
            error = abs(_numbers(given)[key] - value) / scale
            if not error <= tolerance:
                found.append(f"{name}, {key}: {error:.1e} of the largest magnitude away from {value}")
    return found


def write_golden(
    row: str, reference: str, versions: Mapping[str, str], shape: tuple[int, ...], outputs: Mapping[str, Array]
) -> None:
    """Write what a reference computed in float64 for a row and a picture of some shape: a line for each level."""
    facts = {
        "row": row,
        "reference": reference,
        "versions": versions,
        "dtype": "float64",
        "digits": DIGITS,
        "picture": shape,
        "seed": SEED,
        "numbers": HOW,
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items()]
    levels = ",\n  ".join(f"{json.dumps(level)}: {json.dumps(statistics(map_))}" for level, map_ in outputs.items())
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = "{\n " + ",\n ".join([*lines, f'"levels": {{\n  {levels}\n }}']) + "\n}\n"
    (FOLDER / f"{row}.json").write_text(text, encoding="utf-8")


def read_golden(name: str) -> dict[str, Any]:
    """Return what `write_golden` wrote."""
    golden: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return golden


def _numbers(kept: Mapping[str, Any]) -> dict[str, float]:
    return {**{key: kept[key] for key in STATISTICS}, **kept["samples"]}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
