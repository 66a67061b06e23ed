"""The roofline: operations of a matrix product over the time that it took."""

from __future__ import annotations

import pytest

from resnets.runtime.engine import Precision
from resnets.runtime.roofline import Roofline


class Clock:
    """Half a second passes between two looks at it."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_two_operations_for_each_multiply_add_over_the_seconds(precision: Precision) -> None:
    assert Roofline(precision, 1, side=32, clock=Clock()).measure() == 2 * 32**3 / 0.5


def test_the_fastest_product_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnets.runtime.roofline._openvino_product", lambda *_: [])
    ticks = iter([0, 1, 1, 2, 10, 14, 20, 21])
    found = Roofline("fp32", 1, side=32, clock=lambda: float(next(ticks)))
    assert found.measure() == 2 * 32**3
