"""The blur of probability maps against a naive one, and that it is the same in parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.geo.probability import blurred, reach_of


def naive(values: np.ndarray, deviation: float) -> np.ndarray:
    """Weights exp(-(dx^2 + dy^2) / 2 s^2) over the square of the reach, edges going on, summed place by place."""
    reach = math.ceil(3 * deviation)
    rows, columns = values.shape
    out = np.zeros(values.shape)
    for row in range(rows):
        for column in range(columns):
            total = weights = 0.0
            for down in range(-reach, reach + 1):
                for right in range(-reach, reach + 1):
                    weight = math.exp(-(down**2 + right**2) / (2 * deviation**2))
                    there = values[min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1)]
                    total, weights = total + weight * there, weights + weight
            out[row, column] = total / weights
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.4, 0.7, 1.0, 1.5]), st.integers(0, 99))
def test_blur_is_the_naive_one(rows: int, columns: int, deviation: float, seed: int) -> None:
    values = np.random.default_rng(seed).random((rows, columns))
    assert np.allclose(blurred(values, deviation), naive(values, deviation), atol=1e-5)


@pytest.mark.parametrize("deviation", [0.5, 0.7, 1.3])
def test_parts_are_those_of_the_whole(deviation: float) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (40, 23)).astype(np.uint16)
    whole, reach = blurred(values, deviation), reach_of(deviation)
    for start, stop in ((0, 7), (7, 31), (31, 40)):
        first = max(0, start - reach)
        part = blurred(values[first : min(40, stop + reach)], deviation)[start - first : stop - first]
        assert np.array_equal(part, whole[start:stop])


def test_nothing_is_changed_by_none() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(blurred(values, 0), values)
    assert np.allclose(blurred(np.full((5, 4), 0.3), 2.0), 0.3)
