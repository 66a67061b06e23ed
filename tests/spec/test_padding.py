"""Padding rules, against the definition of each; tests/net/test_layers.py holds them against torch."""

from __future__ import annotations

import pytest

from resnets.spec.padding import out_size, padding

SIZES = range(1, 60)
WINDOWS = [(1, 1), (1, 2), (2, 2), (3, 1), (3, 2), (5, 2), (7, 2), (3, 3)]  # kernel, stride


@pytest.mark.parametrize("size", SIZES)
def test_tensorflows_same_pads_0_and_1_before_a_stride_of_2_for_even_sizes_and_1_and_1_for_odd(
    size: int,
) -> None:
    assert padding("same", size, 3, 2) == ((1, 1) if size % 2 else (0, 1))


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_same_is_the_least_padding_with_a_window_for_every_stride_pixels(kernel: int, stride: int) -> None:
    # TensorFlow, tf.nn: the output is ceil(size / stride), the odd pixel goes after.
    for size in SIZES:
        before, after = padding("same", size, kernel, stride)
        assert out_size("same", size, kernel, stride) == -(-size // stride)
        assert after - before in (0, 1)
        if before + after:
            assert (size + before + after - 1 - kernel) // stride + 1 < -(-size // stride)


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_ceil_pads_only_after_and_only_until_every_pixel_is_in_some_window(kernel: int, stride: int) -> None:
    for size in SIZES:
        before, after = padding("ceil", size, kernel, stride)
        windows = out_size("ceil", size, kernel, stride)
        last = (windows - 1) * stride + kernel  # where the last window ends
        assert before == 0
        assert last >= size or stride > kernel
        assert after == max(last - size, 0)
        assert windows == 1 or last - stride < size  # without the last window a pixel would be left out


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_at_stride_1_every_odd_window_keeps_the_size_and_same_is_symmetric(kernel: int) -> None:
    for size in SIZES:
        assert padding("same", size, kernel, 1) == padding("symmetric", size, kernel, 1)
        assert out_size("symmetric", size, kernel, 1) == size


@pytest.mark.parametrize("kernel", [3, 7])
def test_symmetric_padding_does_not_depend_on_the_size(kernel: int) -> None:
    assert {padding("symmetric", size, kernel, 2) for size in SIZES} == {(kernel // 2, kernel // 2)}
    assert all(out_size("symmetric", size, kernel, 2) == -(-size // 2) for size in SIZES)
