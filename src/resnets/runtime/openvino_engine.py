"""OpenVinoEngine: a graph run by OpenVINO on the processor, in fp32, bf16 or int8."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import numpy as np

from resnets.runtime.engine import Engine, Outputs, Pictures, Precision, check_pictures
from resnets.runtime.program import PICTURES
from resnets.runtime.quiet import load
from resnets.runtime.threads import usable_threads

Mode = Literal["latency", "throughput"]
"""What is wanted soonest: the answer to one batch, which then has all threads, or to many, which share them."""

HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""In what is computed what is not quantized. OpenVINO would choose bf16 by itself where the processor has it."""


class OpenVinoEngine(Engine):
    """A graph, given as ONNX bytes or as an openvino.Model, compiled for this processor.

    "int8" is the precision of a model that was quantized before; it changes nothing of the model. Any number of
    pictures can be run. `batch_size` is the one that will come most: the graph is compiled for it, which saves some
    hundredths of a millisecond a layer and matters in small networks; the first batch of another size compiles the
    graph once more, for any size. `run` is for one caller at a time.

    Raises `ValueError` where OpenVINO is not installed, for bf16 on a processor without it, and for threads or a batch
    size below one.
    """

    name = "openvino"

    def __init__(
        self, model: bytes | Any, *, precision: Precision = "fp32", mode: Mode = "latency", threads: int | None = None,
        batch_size: int | None = None,
    ) -> None:  # fmt: skip
        if mode not in get_args(Mode):
            raise ValueError(f"mode={mode!r} is not possible; allowed: {', '.join(get_args(Mode))}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size={batch_size} is not possible; allowed: 1 or more, or None for no usual one")
        self._core = load("openvino").Core()
        self.precision, self.mode, self.threads, self.batch_size = precision, mode, usable_threads(threads), batch_size
        self._check_precision()
        self._model: Any = read_onnx(model) if isinstance(model, bytes) else model
        self.outputs = tuple(output.get_any_name() for output in self._model.outputs)
        self.shape = tuple(axis.get_length() for axis in list(self._model.input(0).get_partial_shape())[1:])
        self._compiled: dict[int | None, tuple[Any, deque[Any]]] = {}
        compiled, _ = self._compiled_for(batch_size or 0)
        self._most: int = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1

    def run(self, pictures: Pictures) -> Outputs:
        """Return what the network says of one batch; raises `ValueError` for pictures of another shape or type."""
        return self._taken(*self._launched(pictures))

    def stream(self, batches: Iterable[Pictures]) -> Iterator[Outputs]:
        """Yield what `run` says of each batch, in their order; one more is under way than run at once."""
        under_way: deque[tuple[deque[Any], Any, Pictures]] = deque()
        try:
            for pictures in batches:
                under_way.append(self._launched(pictures))
                if len(under_way) == self._most:
                    yield self._taken(*under_way.popleft())
            while under_way:
                yield self._taken(*under_way.popleft())
        finally:
            for free, request, _ in under_way:  # the caller has had enough; memory stays until all are done
                request.wait()
                free.append(request)

    def close(self) -> None:
        """Give back threads and memory; `run` must not be called after it."""
        self._compiled.clear()
        self._model = self._core = None

    def _launched(self, pictures: Pictures) -> tuple[deque[Any], Any, Pictures]:
        check_pictures(pictures, self.shape)
        pictures = np.ascontiguousarray(pictures)
        compiled, free = self._compiled_for(len(pictures))
        request = free.popleft() if free else compiled.create_infer_request()
        # Read where they are: whoever holds what this returns holds them, until the request is done.
        request.start_async({0: pictures}, share_inputs=True)
        return free, request, pictures

    def _taken(self, free: deque[Any], request: Any, _: Pictures) -> Outputs:
        request.wait()
        made = {name: np.array(request.get_output_tensor(at).data) for at, name in enumerate(self.outputs)}
        free.append(request)
        return made

    def _compiled_for(self, count: int) -> tuple[Any, deque[Any]]:
        """The graph compiled for so many pictures, which is done the first time, and its requests that are free."""
        key = count if count == self.batch_size else None
        if key not in self._compiled:
            model = self._model
            if key is not None:
                model = model.clone()
                model.reshape({0: [key, *self.shape]})
            self._compiled[key] = self._core.compile_model(model, "CPU", self._settings()), deque()
        return self._compiled[key]

    def _settings(self) -> dict[str, Any]:
        return {
            "INFERENCE_PRECISION_HINT": HINTS[self.precision],
            "INFERENCE_NUM_THREADS": self.threads,
            "PERFORMANCE_HINT": self.mode.upper(),
            # Of several processes each would pin its threads to the same first processors.
            "ENABLE_CPU_PINNING": False,
        }

    def _check_precision(self) -> None:
        if self.precision not in HINTS:
            raise ValueError(f"precision={self.precision!r} is not possible; allowed: {', '.join(HINTS)}")
        if self.precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ValueError("this processor has no bf16, and OpenVINO would compute in fp32; use precision='fp32'")


def read_onnx(data: bytes) -> Any:
    """Return the openvino.Model of an ONNX model's bytes, its constants folded, layers named as in the network.

    A convolution's name is its layer's, with "/WithoutBiases" behind it where it has a bias. Raises `ValueError` where
    OpenVINO is not installed.
    """
    model = load("openvino").Core().read_model(data)
    # What openvino.convert_model does after reading; without it each bias is shaped anew for every batch.
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(model, cf=False)
    assert model.input(0).get_any_name() == PICTURES
    return model
