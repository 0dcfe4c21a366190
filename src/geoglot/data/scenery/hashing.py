"""Randomness that depends on a place only: hashed integers and noise on a hashed lattice."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1


def mix(*values: int) -> int:
    """A 64-bit hash of integers (the finaliser of SplitMix64, chained).

    Example:
        >>> mix(7, 1, 2) == mix(7, 1, 2), mix(7, 1, 2) == mix(7, 2, 1)
        (True, False)
    """
    state = 0x9E3779B97F4A7C15
    for value in values:
        state = (state ^ (value & _MASK)) * 0xBF58476D1CE4E5B9 & _MASK
        state ^= state >> 30
        state = state * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state


def fraction(*values: int) -> float:
    """A number in [0, 1) that is a pure function of integers.

    Example:
        >>> 0.0 <= fraction(1, 2, 3) < 1.0
        True
    """
    return mix(*values) / 2.0**64


def generator(*values: int) -> random.Random:
    """A random stream seeded by integers; `random.Random` because its stream is the same on every platform."""
    return random.Random(mix(*values))  # noqa: S311 - pictures, not secrets


def _lattice(seed: int, column: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.float32]:
    state = (column * 0x27D4EB2F + row * 0x165667B1 + seed * 0x9E3779B1).astype(np.uint32)
    state ^= state >> np.uint32(15)
    state *= np.uint32(0x2C1B3C6D)
    state ^= state >> np.uint32(12)
    state *= np.uint32(0x297A2D39)
    state ^= state >> np.uint32(15)
    return state.astype(np.float32) * np.float32(2.0 / 2**32) - np.float32(1.0)


def noise_at(seed: int, x: NDArray[Any], y: NDArray[Any], period: float) -> NDArray[np.float32]:
    """Smooth noise in [-1, 1] at any points.

    Args:
        seed: Any integer; different seeds give unrelated fields.
        x: (...) coordinates, any unit.
        y: (...) coordinates, same shape and unit.
        period: Distance between lattice points, same unit.

    Example:
        >>> value = noise_at(1, np.array([0.0, 5.0]), np.array([0.0, 5.0]), 10.0)
        >>> value.shape, bool(np.abs(value).max() <= 1)
        ((2,), True)
    """
    seed = mix(seed) & 0xFFFFFF
    column, row = x / period, y / period
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    fx, fy = (column - left).astype(np.float32), (row - top).astype(np.float32)
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    upper = _lattice(seed, left, top) * (1 - fx) + _lattice(seed, left + 1, top) * fx
    lower = _lattice(seed, left, top + 1) * (1 - fx) + _lattice(seed, left + 1, top + 1) * fx
    return np.asarray(upper * (1 - fy) + lower * fy, dtype=np.float32)


def noise_grid(seed: int, x: NDArray[Any], y: NDArray[Any], period: float) -> NDArray[np.float32]:
    """The same noise on the grid of all ``x`` with all ``y``, for one pass over a block.

    Args:
        seed: Any integer.
        x: (W,) increasing coordinates of the columns.
        y: (H,) increasing coordinates of the rows.
        period: Distance between lattice points.

    Returns:
        (H, W) in [-1, 1]; equal to ``noise_at`` on the mesh of x and y up to rounding.

    Example:
        >>> x, y = np.arange(5.0), np.arange(3.0)
        >>> grid = noise_grid(1, x, y, 10.0)
        >>> bool(np.allclose(grid, noise_at(1, *np.meshgrid(x, y), 10.0), atol=1e-6))
        True
    """
    seed = mix(seed) & 0xFFFFFF
    column, row = x / period, y / period
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    fx, fy = (column - left).astype(np.float32), (row - top).astype(np.float32)
    fx, fy = fx * fx * (3 - 2 * fx), (fy * fy * (3 - 2 * fy))[:, None]
    columns, rows = np.arange(left[0], left[-1] + 2), np.arange(top[0], top[-1] + 2)
    corner = _lattice(seed, *np.broadcast_arrays(columns[None, :], rows[:, None]))
    at = left - left[0]
    across = corner[:, at] * (1 - fx) + corner[:, at + 1] * fx
    below = top - top[0]
    return np.asarray(across[below] * (1 - fy) + across[below + 1] * fy, dtype=np.float32)
