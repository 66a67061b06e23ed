"""The eager engine says what the plain network says, of any batch and in order; wrong pictures are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from resnets.runtime.eager import EagerEngine
from resnets.runtime.engine import Pictures
from resnets.runtime.fuse import fuse, unfused
from tests.runtime import small

WITHIN = {"fp32": 1e-5, "bf16": 3e-2}
"""Of the largest number of a map: bf16 has 8 bits, so each of some ten roundings is off by up to 0.4 %."""


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", small.ROWS)
def test_it_says_what_the_plain_network_says(name: str, precision: Any, count: int) -> None:
    packaged = small.packaged(name)
    engine = EagerEngine(packaged, precision=precision)
    batch = small.pictures(count, packaged.shape[0])
    said, expected = engine.run(batch), small.expected(packaged, batch)
    assert tuple(said) == engine.outputs == tuple(expected)
    for key, array in said.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        np.testing.assert_allclose(array, expected[key], rtol=0, atol=WITHIN[precision] * np.abs(expected[key]).max())


def test_bf16_rounds_the_maps_and_not_the_logits() -> None:
    packaged = small.packaged("resnet18", ("C3",))
    said = dict(EagerEngine(packaged, precision="bf16").run(small.pictures(4)))
    said["logits"] *= small.TEMPERATURE  # which is divided by last, in float32
    rounded = {key: torch.from_numpy(array).bfloat16().float().numpy() for key, array in said.items()}
    np.testing.assert_array_equal(said["C3"], rounded["C3"])
    assert (said["logits"] != rounded["logits"]).mean() > 0.5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_of_another_type_are_converted(precision: Any) -> None:
    packaged = small.packaged("resnet18")
    expected = small.expected(packaged, small.pictures(2))
    packaged.network.double()
    for key, array in EagerEngine(packaged, precision=precision).run(small.pictures(2)).items():
        within = WITHIN[precision] * np.abs(expected[key]).max()
        np.testing.assert_allclose(array, expected[key], rtol=0, atol=within)
    assert packaged.network.get_parameter("stem.conv1.weight").dtype == torch.float64


@pytest.mark.parametrize("fused_before", [False, True])
def test_the_network_given_stays_as_it_was(fused_before: bool) -> None:
    packaged = small.packaged("resnet18")
    if fused_before:
        packaged.network = fuse(packaged.network)
    packaged.train()
    before = {key: tensor.clone() for key, tensor in packaged.state_dict().items()}
    norms = unfused(packaged.network)
    engine = EagerEngine(packaged, precision="bf16")
    engine.run(small.pictures(1))
    assert packaged.training and packaged.network.training
    assert unfused(packaged.network) == norms
    after = packaged.state_dict()
    assert list(after) == list(before)
    for key, tensor in before.items():
        assert after[key].dtype == tensor.dtype
        assert after[key].stride() == tensor.stride()
        assert torch.equal(after[key], tensor)


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_stream_keeps_the_order_and_takes_no_more_batches_ahead_than_it_says(ahead: int) -> None:
    engine = EagerEngine(small.packaged("resnet18", ()))
    assert engine.ahead == 0
    engine.ahead = ahead
    batches = [small.pictures(count) for count in (2, 1, 3, 2)]
    taken = 0

    def given() -> Iterator[Pictures]:
        nonlocal taken
        for batch in batches:
            taken += 1
            yield batch

    for number, (said, batch) in enumerate(zip(engine.stream(given()), batches, strict=True), 1):
        np.testing.assert_array_equal(said["logits"], engine.run(batch)["logits"])
        assert taken == min(number + ahead, len(batches))
    assert list(engine.stream([])) == []


def test_an_answer_is_not_written_to_by_the_next_one() -> None:
    engine = EagerEngine(small.packaged("resnet18"))
    first = engine.run(small.pictures(2))
    kept = {key: array.copy() for key, array in first.items()}
    engine.run(255 - small.pictures(2))
    for key, array in kept.items():
        np.testing.assert_array_equal(first[key], array)


def views(batch: Pictures) -> dict[str, Pictures]:
    read_only = batch.copy()
    read_only.flags.writeable = False
    return {
        "read-only": read_only,
        "turned round": np.ascontiguousarray(batch[::-1])[::-1],
        "channels last": np.ascontiguousarray(batch.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        "every other": np.repeat(batch, 2, axis=0)[::2],
    }


@pytest.mark.parametrize("kind", ["read-only", "turned round", "channels last", "every other"])
def test_any_array_of_those_pictures_will_do(kind: str) -> None:
    engine = EagerEngine(small.packaged("resnet18", ()))
    batch = small.pictures(3)
    before = batch.copy()
    np.testing.assert_array_equal(engine.run(views(batch)[kind])["logits"], engine.run(batch)["logits"])
    np.testing.assert_array_equal(batch, before)


def test_it_works_with_its_own_threads_and_gives_torchs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    engine = EagerEngine(small.packaged("resnet18", ()), threads=before + 1)
    seen: list[int] = []
    plain = engine._forward
    monkeypatch.setattr(engine, "_forward", lambda batch: seen.append(torch.get_num_threads()) or plain(batch))
    engine.run(small.pictures(1))
    assert (seen, torch.get_num_threads()) == ([before + 1], before)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (small.pictures(2).astype(np.float32), r"and was given float32 \(2, 3, 36, 33\); give them .* before any norm"),
        (small.pictures(2).transpose(0, 2, 3, 1), r"uint8 \(2, 36, 33, 3\); give pictures.transpose\(0, 3, 1, 2\)"),
        (small.pictures(2)[0], r"takes uint8 \(N, 3, 36, 33\) with N of 1 or more.* give pictures\[None\]"),
        (small.pictures(2)[:0], "with N of 1 or more"),
        (small.pictures(2)[..., :-1], r"was given uint8 \(2, 3, 36, 32\); give them decoded and resized"),
        (small.pictures(2, 1), r"was given uint8 \(2, 1, 36, 33\)"),
        (torch.zeros(2, 3, 36, 33, dtype=torch.uint8), "takes a numpy array, .* and was given Tensor"),
        (np.uint8(3), "takes a numpy array"),
    ],
)
def test_wrong_pictures_are_told_what_is_right(pictures: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EagerEngine(small.packaged("resnet18")).run(pictures)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": "int8"}, "precision='int8' is not one of the torch engine's: fp32, bf16"),
        ({"threads": 0}, "threads=0 is not possible"),
        ({"device": "abacus"}, "abacus cannot be used"),
    ],
)
def test_wrong_wishes_are_told_what_is_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EagerEngine(small.packaged("resnet18"), **given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_gpu_it_says_what_the_plain_network_says_on_the_processor(precision: Any) -> None:
    packaged = small.packaged("resnet50d")
    engine = EagerEngine(packaged, precision=precision, device="cuda")
    batches = [small.pictures(count) for count in (2, 1, 7)]
    for said, batch in zip(engine.stream(batches), batches, strict=True):
        for key, array in small.expected(packaged, batch).items():
            # fp32 convolutions on a GPU are in TF32 unless told otherwise, of 11 bits
            within = {"fp32": 5e-3, "bf16": WITHIN["bf16"]}[precision]
            np.testing.assert_allclose(said[key], array, rtol=0, atol=within * np.abs(array).max())
