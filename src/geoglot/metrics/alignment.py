"""How well two grey pictures agree when one of them may be shifted: what tells a copy from a mere look-alike.

Two forests have the same texture, but no detail of one lies where the other has it. So pictures are reduced to their
details, that is to what differs from the mean of the 7 x 7 pixels around, and these are correlated at every shift

    r(d) = sum_x a(x + d) b(x) / sqrt(sum_x a(x + d)^2  sum_x b(x)^2),     x where both pictures are

of up to a given number of pixels in either direction. The greatest r decides: a copy that was re-compressed, made
brighter or resized has r near 1, another picture of the same kind of place about 0.1 to 0.3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RADIUS = 3
FLAT = 0.5
"""Root mean square of details, in grey levels, below which a picture has nothing to compare."""
_TOGETHER = 256


class Alignment(NamedTuple):
    """How P pairs of pictures agree.

    Attributes:
        correlation: (P,) float64 in [-1, 1], at the best shift; 0 where a picture is flat.
        down: (P,) int64, rows by which the second picture lies further down than the first.
        right: (P,) int64, columns by which it lies further to the right.
    """

    correlation: NDArray[np.float64]
    down: NDArray[np.int64]
    right: NDArray[np.int64]


def detail_maps(pictures: NDArray[Any], radius: int = RADIUS) -> NDArray[np.float32]:
    """Pictures less the mean of the pixels around, the border repeated; zero where a picture is flat.

    Args:
        pictures: (N, S, S) grey values, 0 to 255.
        radius: Pixels around, to each side.

    Returns:
        (N, S, S) float32.

    Example:
        >>> dot = np.zeros((1, 5, 5)); dot[0, 2, 2] = 90
        >>> detail_maps(dot, radius=1)[0, 2].tolist()
        [0.0, -10.0, 80.0, -10.0, 0.0]
        >>> detail_maps(dot / 900)[0].any()
        np.False_
    """
    values = np.asarray(pictures, np.float64)
    side = 2 * radius + 1
    padded = np.pad(values, ((0, 0), (radius + 1, radius), (radius + 1, radius)), mode="edge").cumsum(1).cumsum(2)
    around = padded[:, side:, side:] - padded[:, :-side, side:] - padded[:, side:, :-side] + padded[:, :-side, :-side]
    details = values - around / side**2
    flat = np.sqrt((details**2).mean((1, 2))) < FLAT
    details[flat] = 0
    return np.asarray(details, np.float32)


def align(first: NDArray[np.float32], second: NDArray[np.float32], most: int) -> Alignment:
    """The best agreement of pairs of detail maps over all shifts.

    Args:
        first: (P, S, S), of :func:`detail_maps`.
        second: (P, S, S).
        most: Greatest shift in each direction, pixels; below S.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 50, (1, 24, 24))
        >>> moved = np.roll(noise, (2, -1), axis=(1, 2))
        >>> found = align(detail_maps(noise), detail_maps(moved), most=4)
        >>> found.correlation.round(1).tolist(), found.down.tolist(), found.right.tolist()
        ([1.0], [2], [-1])
    """
    parts = [_align(first[k : k + _TOGETHER], second[k : k + _TOGETHER], most) for k in range(0, len(first), _TOGETHER)]
    if not parts:
        return Alignment(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Alignment(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _align(first: NDArray[np.float32], second: NDArray[np.float32], most: int) -> Alignment:
    pairs, side = len(first), first.shape[1]
    size = side + most  # no shift that is looked at wraps around
    shifts = np.arange(-most, most + 1)
    spectrum = np.fft.rfft2(second, (size, size)) * np.fft.rfft2(first, (size, size)).conj()
    products = np.fft.irfft2(spectrum, (size, size))[:, shifts][:, :, shifts]
    powers = _shared_power(second, shifts) * _shared_power(first, -shifts)
    least = 1e-6 * side**2
    agreement = np.where(powers > least**2, products / np.sqrt(np.maximum(powers, least**2)), 0.0)
    flat = agreement.reshape(pairs, -1)
    best = flat.argmax(1)
    found = np.clip(flat[np.arange(pairs), best], -1, 1).astype(np.float64)
    return Alignment(found, shifts[best // len(shifts)], shifts[best % len(shifts)])


def _shared_power(maps: NDArray[np.float32], shifts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum of squares of the part of each map that meets its partner, for every shift. -> (P, shifts, shifts)."""
    side = maps.shape[1]
    sums = np.zeros((len(maps), side + 1, side + 1))
    sums[:, 1:, 1:] = (maps.astype(np.float64) ** 2).cumsum(1).cumsum(2)
    low, high = np.maximum(0, shifts), side + np.minimum(0, shifts)

    def corner(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        return sums[:, rows][:, :, columns]

    return np.asarray(corner(high, high) - corner(low, high) - corner(high, low) + corner(low, low))
