"""OnnxEngine: a graph run by ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from resnets.runtime.engine import Engine, Outputs, Pictures, Precision, check_pictures
from resnets.runtime.program import PICTURES
from resnets.runtime.quiet import load
from resnets.runtime.threads import usable_threads

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
"""ONNX Runtime's processor kernels have no bf16."""

ERRORS_ONLY = 3
"""A severity of its log: warnings about this machine (no GPU, no affinity in a container) say nothing of the answer."""


class OnnxEngine(Engine):
    """An ONNX model, given as its bytes, on any number of pictures. "int8" is said of a model quantized before.

    Its threads sleep between batches, so that decoding has the processor. `run` may be called from several threads.
    Raises `ValueError` where ONNX Runtime is not installed, for bf16, and for threads below one.
    """

    name = "onnx"

    def __init__(self, model: bytes, *, precision: Precision = "fp32", threads: int | None = None) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision={precision!r} is not one of the onnx engine's: {', '.join(PRECISIONS)}")
        runtime = load("onnxruntime")
        self.precision, self.threads = precision, usable_threads(threads)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session: Any = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        channels, height, width = self._session.get_inputs()[0].shape[1:]
        self.shape = (channels, height, width)

    def run(self, pictures: Pictures) -> Outputs:
        """Return what the network says of one batch; raises `ValueError` for pictures of another shape or type."""
        check_pictures(pictures, self.shape)
        made = self._session.run(None, {PICTURES: np.ascontiguousarray(pictures)})
        return dict(zip(self.outputs, made, strict=True))

    def close(self) -> None:
        """Give back threads and memory; `run` must not be called after it."""
        self._session = None
