"""ONNX Runtime says what the plain network says, for any batch, quietly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnets.runtime.onnx_engine import OnnxEngine
from tests.runtime.lowered import COUNTS, ROWS, assert_agree, expected, onnx_of, pictures

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("name", ROWS)
def test_a_network_says_the_same_in_onnx_runtime_for_any_batch(name: str) -> None:
    made = OnnxEngine(onnx_of(name), threads=1)
    for count in COUNTS:
        assert_agree(made.run(pictures(name, count)), expected(name, count))


def test_a_stream_is_in_order() -> None:
    made = OnnxEngine(onnx_of("resnet20_cifar"), threads=1)
    counts = [2, 1, 7, 2]
    said = list(made.stream(pictures("resnet20_cifar", count) for count in counts))
    for count, answers in zip(counts, said, strict=True):
        assert_agree(answers, expected("resnet20_cifar", count))


def test_answers_are_the_callers_own() -> None:
    made = OnnxEngine(onnx_of("resnet20_cifar"), threads=1)
    first = made.run(pictures("resnet20_cifar", 2))
    for numbers in first.values():
        numbers[:] = 0
    assert_agree(made.run(pictures("resnet20_cifar", 2)), expected("resnet20_cifar", 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bf16"}, "precision='bf16' is not one of the onnx engine's: fp32, int8"),
        ({"threads": 0}, "threads"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OnnxEngine(onnx_of("resnet20_cifar"), **options)


def test_pictures_of_another_size_or_type_are_refused() -> None:
    made = OnnxEngine(onnx_of("resnet20_cifar"), threads=1)
    with pytest.raises(ValueError, match="uint8"):
        made.run(pictures("resnet20_cifar", 2).astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="37, 50"):
        made.run(pictures("resnet20_cifar", 2)[:, :, 1:])


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    OnnxEngine(onnx_of("resnet20_cifar")).run(pictures("resnet20_cifar", 2))
    assert capfd.readouterr() == ("", "")
