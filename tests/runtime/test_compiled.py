"""The compiled engine says what the plain network says, of batches of any size, and needs a C++ compiler."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import torch

from resnets.runtime.compiled import CompiledEngine
from tests.runtime import small

WITHIN = {"fp32": 1e-5, "bf16": 3e-2}
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs g++")


def agrees(name: str, precision: Any) -> None:
    packaged = small.packaged(name, ("C2",))
    before = torch.get_num_threads()
    engine = CompiledEngine(packaged, precision=precision, threads=1, batch_size=3)
    assert torch.get_num_threads() == before
    batches = [small.pictures(count, packaged.shape[0]) for count in (3, 1, 2, 7)]
    for said, batch in zip(engine.stream(batches), batches, strict=True):
        expected = small.expected(packaged, batch)
        assert tuple(said) == engine.outputs == tuple(expected)
        for key, array in said.items():
            assert (array.dtype, array.shape) == (np.float32, expected[key].shape)
            within = WITHIN[precision] * np.abs(expected[key]).max()
            np.testing.assert_allclose(array, expected[key], rtol=0, atol=within)


@needs_compiler
def test_it_says_what_the_plain_network_says_of_any_number_of_pictures() -> None:
    agrees("resnet20_cifar", "fp32")


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", small.ROWS)
def test_every_kind_of_row_says_what_the_plain_network_says(name: str, precision: Any) -> None:
    agrees(name, precision)


@needs_compiler
@pytest.mark.slow
def test_nothing_is_compiled_again_when_the_processs_threads_change(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = CompiledEngine(small.packaged("resnet20_cifar"), threads=1, batch_size=2)
    said = engine.run(small.pictures(2, 1))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx", fail)
    monkeypatch.setattr("torch._inductor.compile_fx.compile_fx_inner", fail)
    engine.threads = 2
    np.testing.assert_allclose(engine.run(small.pictures(2, 1))["logits"], said["logits"], rtol=1e-5, atol=1e-6)


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler and no-such-compiler is not on PATH; install it"):
        CompiledEngine(small.packaged("resnet18"))


def test_where_compiling_fails_it_says_why_and_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch._inductor.exc.CppCompileError(["g++"], "Python.h: no such file")

    monkeypatch.setattr("torch._inductor.compile", fail)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/g++")
    with pytest.raises(ValueError, match=r"torch could not compile this network \(.*\); use the engine torch instead"):
        CompiledEngine(small.packaged("resnet20_cifar"), batch_size=1)


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=0 is not possible; allowed: 1 or more"):
        CompiledEngine(small.packaged("resnet18"), batch_size=0)
