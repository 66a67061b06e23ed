"""OpenVINO says what the plain network says, for any batch, in every mode, and in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnets.runtime.engine import Pictures
from resnets.runtime.openvino_engine import OpenVinoEngine, read_onnx
from resnets.spec.variants import VARIANTS
from tests.runtime.lowered import COUNTS, ROWS, assert_agree, expected, onnx_of, pictures

pytest.importorskip("onnx")
pytest.importorskip("openvino")


def engine(name: str, **options: Any) -> OpenVinoEngine:
    return OpenVinoEngine(onnx_of(name), **{"threads": 1} | options)


@pytest.mark.parametrize("name", ROWS)
def test_a_network_says_the_same_in_openvino_for_any_batch(name: str) -> None:
    made = engine(name)
    for count in COUNTS:
        assert_agree(made.run(pictures(name, count)), expected(name, count))


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_row_says_the_same_in_openvino(name: str) -> None:
    made = engine(name)
    for count in COUNTS:
        assert_agree(made.run(pictures(name, count)), expected(name, count))


@pytest.mark.parametrize("name", ["resnet18", "seresnet50", "resnetv2_50"])
def test_bf16_says_it_to_its_eight_bits(name: str) -> None:
    try:
        made = engine(name, precision="bf16")
    except ValueError as error:
        pytest.skip(str(error))
    said, wanted = made.run(pictures(name, 2)), expected(name, 2)
    assert_agree(said, wanted, 2**-5)
    assert any(np.abs(said[level] - wanted[level]).max() > 1e-4 * np.abs(wanted[level]).max() for level in wanted)


def test_fp32_is_asked_for_where_the_processor_would_choose_less() -> None:
    made = engine("resnet18")
    (compiled, _), = made._compiled.values()  # fmt: skip
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


@pytest.mark.parametrize("mode", ["latency", "throughput"])
@pytest.mark.parametrize("usual", [None, 2])
def test_a_stream_is_in_order_and_takes_few_batches_ahead(mode: Any, usual: int | None) -> None:
    made = engine("resnet20_cifar", mode=mode, threads=2, batch_size=usual)
    counts = [2, 1, 7, 2, 2, 1, 7, 1]
    taken = 0

    def batches() -> Any:
        nonlocal taken
        for count in counts:
            taken += 1
            yield pictures("resnet20_cifar", count)

    for number, said in enumerate(made.stream(batches()), 1):
        assert_agree(said, expected("resnet20_cifar", counts[number - 1]))
        assert taken <= number + 3
    assert number == len(counts)


def test_a_stream_that_is_left_early_leaves_an_engine_that_works() -> None:
    made = engine("resnet20_cifar", mode="throughput", threads=2)
    stream = made.stream(pictures("resnet20_cifar", 2) for _ in range(9))
    next(iter(stream))
    assert_agree(made.run(pictures("resnet20_cifar", 7)), expected("resnet20_cifar", 7))
    stream.close()  # type: ignore[attr-defined]
    assert_agree(made.run(pictures("resnet20_cifar", 1)), expected("resnet20_cifar", 1))


def test_an_error_among_the_batches_comes_out_and_the_engine_goes_on() -> None:
    def batches() -> Any:
        yield pictures("resnet20_cifar", 2)
        raise OSError("the disk is gone")

    made = engine("resnet20_cifar")
    with pytest.raises(OSError, match="the disk is gone"):
        list(made.stream(batches()))
    assert_agree(made.run(pictures("resnet20_cifar", 2)), expected("resnet20_cifar", 2))


def test_answers_are_the_callers_own_and_pictures_are_left_alone() -> None:
    made = engine("resnet20_cifar")
    batch = pictures("resnet20_cifar", 2)
    kept = batch.copy()
    first = made.run(batch)
    copies = {name: numbers.copy() for name, numbers in first.items()}
    made.run(255 - batch)
    for name, numbers in first.items():
        np.testing.assert_array_equal(numbers, copies[name])
        numbers[:] = 0
    np.testing.assert_array_equal(batch, kept)
    assert_agree(made.run(batch), expected("resnet20_cifar", 2))


@pytest.mark.parametrize("kind", ["read-only", "turned round", "strided"])
def test_pictures_may_lie_in_memory_in_any_way(kind: str) -> None:
    batch: Pictures = pictures("resnet20_cifar", 7)
    if kind == "read-only":
        batch = batch.copy()
        batch.flags.writeable = False
    elif kind == "turned round":
        batch = batch[:, :, ::-1].copy()[:, :, ::-1]
    else:
        batch = np.repeat(batch, 2, axis=0)[::2]
    assert_agree(engine("resnet20_cifar").run(batch), expected("resnet20_cifar", 7))


def test_the_graph_is_compiled_for_the_usual_batch_and_once_for_all_others() -> None:
    made = engine("resnet20_cifar", batch_size=2)
    assert [*made._compiled] == [2]
    for count in (2, 1, 7, 2, 1):
        made.run(pictures("resnet20_cifar", count))
    assert [*made._compiled] == [2, None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp16"}, "precision='fp16' is not possible; allowed: fp32, bf16, int8"),
        ({"mode": "fast"}, "mode='fast' is not possible; allowed: latency, throughput"),
        ({"threads": 0}, "threads=0"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine("resnet20_cifar", **options)


def test_pictures_of_another_size_or_type_are_refused() -> None:
    made = engine("resnet20_cifar")
    with pytest.raises(ValueError, match="uint8"):
        made.run(pictures("resnet20_cifar", 2).astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="37, 50"):
        made.run(pictures("resnet20_cifar", 2)[:, :, 1:])


def test_bf16_is_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    real = openvino.Core.get_property
    monkeypatch.setattr(
        openvino.Core,
        "get_property",
        lambda self, *asked: ["FP32"] if "OPTIMIZATION_CAPABILITIES" in asked else real(self, *asked),
    )
    with pytest.raises(ValueError, match="this processor has no bf16"):
        engine("resnet20_cifar", precision="bf16")


def test_a_model_that_was_read_runs_as_its_bytes_do_and_is_left_as_it_is() -> None:
    model = read_onnx(onnx_of("resnet20_cifar"))
    for usual in (None, 2):
        made = OpenVinoEngine(model, threads=1, batch_size=usual)
        assert_agree(made.run(pictures("resnet20_cifar", 2)), expected("resnet20_cifar", 2))
    assert model.input(0).get_partial_shape()[0].is_dynamic


def test_convolutions_keep_their_names_in_openvino() -> None:
    operations = read_onnx(onnx_of("resnet18")).get_ordered_ops()
    found = [each.get_friendly_name() for each in operations if each.get_type_name() == "Convolution"]
    assert "stages.3.0.shortcut.conv/WithoutBiases" in found
    assert not any(each.get_type_name() == "ShapeOf" for each in operations if each.get_friendly_name() in found)
