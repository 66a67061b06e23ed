"""Roofline: how many operations a second this processor does on matrix products of one type, which nothing passes.

Convolutions are such products, and what else a network does costs time and counts no operations (Williams et al. 2009,
Roofline; of its two limits this is the one of arithmetic).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from resnets.runtime.engine import Precision
from resnets.runtime.openvino_engine import HINTS
from resnets.runtime.quiet import load
from resnets.runtime.threads import torch_threads

SIDE = 2_048
"""Of the square matrices: large enough that starting costs nothing, small enough for a second's work."""

TRIES = 2
"""Products of one measurement, of which the fastest counts."""


class Roofline:
    """Matrix products of one type on so many threads.

    It is torch's product or OpenVINO's, whichever is faster here: on some processors either is half as fast.
    """

    def __init__(
        self, precision: Precision, threads: int, side: int = SIDE, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._products = [_torch_product(precision, side), *_openvino_product(precision, threads, side)]
        self._threads, self._clock, self._operations = threads, clock, 2 * side**3
        self.measure()  # what is made ready at the first product is no part of the limit

    def measure(self) -> float:
        """Return the operations a second now; a multiply and an add are two."""
        taken = []
        with torch_threads(self._threads):
            for product in self._products * TRIES:
                start = self._clock()
                product()
                taken.append(self._clock() - start)
        return self._operations / max(min(taken), 1e-9)


def _torch_product(precision: Precision, side: int) -> Callable[[], object]:
    import torch

    generator = torch.Generator().manual_seed(0)
    if precision == "int8":
        whole = torch.randint(-127, 128, (side, side), dtype=torch.int8, generator=generator)
        return lambda: torch._int_mm(whole, whole)
    numbers = torch.randn(side, side, generator=generator)
    if precision == "bf16":
        numbers = numbers.bfloat16()
    return lambda: numbers @ numbers


def _openvino_product(precision: Precision, threads: int, side: int) -> list[Callable[[], object]]:
    """OpenVINO's product, where it is here. It is told of int8 by rounding to 8 bits what comes in."""
    try:
        openvino = load("openvino")
    except ValueError:
        return []
    from openvino import opset13

    def rounded(value: object, low: float, high: float, levels: int) -> object:
        if precision != "int8":
            return value
        ends = [opset13.constant(np.float32(end)) for end in (low, high, low, high)]
        return opset13.fake_quantize(value, *ends, levels)

    numbers = np.random.default_rng(0).uniform(-1, 1, (side, side)).astype(np.float32)
    given = opset13.parameter([side, side], np.float32)
    weights = rounded(opset13.constant(numbers), -1.27, 1.27, 255)
    model = openvino.Model([opset13.matmul(rounded(given, -1.28, 1.27, 256), weights, False, True)], [given])
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return [lambda: request.infer({0: numbers}, share_inputs=True)]
