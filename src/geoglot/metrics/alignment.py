"""How well two grey pictures agree when one of them may be shifted: what tells a copy from a mere look-alike.

Two forests have the same texture, but no detail of one lies where the other has it. So a picture g is reduced to its
details, what differs from the mean of the 7 x 7 pixels around, evened out so that marks count no more than grass does:

    a = (g - mean g) / sqrt(mean (g - mean g)^2 + 2^2)

and these are correlated at every shift of up to a given number of pixels in either direction:

    r(d) = sum_x a(x + d) b(x) / sqrt(sum_x a(x + d)^2  sum_x b(x)^2),     x where both pictures are

The greatest r is the agreement. A copy that was re-compressed, made brighter or resized has one near 1, another picture
of the same kind of place about 0.1 to 0.3. Stripes agree wherever they are put: fields and runways reach 0.8. But then
they agree as well at other shifts, and a copy agrees nowhere else; so the greatest r far from the best shift, the
rival, has to leave more than twice as much unexplained, see :func:`is_copy`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RADIUS: Final = 3
FLAT: Final = 0.5
"""Root mean square of details, in grey levels, below which a picture has nothing to compare."""
NOISE: Final = 2.0
"""Grey levels that count as noise where details are evened out."""
FAR: Final = 4
"""Pixels between a rival shift and the best one."""
AGREES: Final = 0.6
UNEXPLAINED: Final = 0.45
_TOGETHER: Final = 256


class Alignment(NamedTuple):
    """How P pairs of pictures agree.

    Attributes:
        agreement: (P,) float64 in [-1, 1], at the best shift; 0 where a picture is flat.
        rival: (P,) float64, the best that is at least :data:`FAR` pixels away from that shift.
        down: (P,) int64, rows by which the second picture lies further down than the first.
        right: (P,) int64, columns by which it lies further to the right.
    """

    agreement: NDArray[np.float64]
    rival: NDArray[np.float64]
    down: NDArray[np.int64]
    right: NDArray[np.int64]


def detail_maps(pictures: NDArray[Any]) -> NDArray[np.float32]:
    """The evened-out details of pictures; zero where a picture is flat.

    Args:
        pictures: (N, S, S) grey values, 0 to 255.

    Returns:
        (N, S, S) float32.

    Example:
        >>> ramp = np.arange(64.0).reshape(1, 8, 8)
        >>> bool(np.abs(detail_maps(ramp) - detail_maps(200 - ramp) * -1).max() < 1e-6), detail_maps(ramp * 0).any()
        (True, np.False_)
    """
    values = np.asarray(pictures, np.float64)
    details = values - _around(values)
    flat = np.sqrt((details**2).mean((1, 2))) < FLAT
    details /= np.sqrt(np.maximum(_around(details**2), 0) + NOISE**2)
    details[flat] = 0
    return np.asarray(details, np.float32)


def _around(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the pixels around, the border repeated. (N, S, S) -> the same shape."""
    side = 2 * RADIUS + 1
    edges = (RADIUS + 1, RADIUS)
    sums = np.pad(values, ((0, 0), edges, edges), mode="edge").cumsum(1).cumsum(2)
    corners = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    return np.asarray(corners / side**2)


def is_copy(found: Alignment) -> NDArray[np.bool_]:
    """Which pairs are copies: r >= 0.6, and 1 - r <= 0.45 (1 - rival).

    Example:
        >>> shift = np.zeros(3, np.int64)
        >>> is_copy(Alignment(np.array([0.9, 0.9, 0.5]), np.array([0.2, 0.85, 0.1]), shift, shift)).tolist()
        [True, False, False]
    """
    agrees = found.agreement >= AGREES
    return np.asarray(agrees & (1 - found.agreement <= UNEXPLAINED * (1 - found.rival)))


def align(first: NDArray[np.float32], second: NDArray[np.float32], most: int) -> Alignment:
    """The best agreement of pairs of detail maps over all shifts.

    Args:
        first: (P, S, S), of :func:`detail_maps`.
        second: (P, S, S).
        most: Greatest shift in each direction, pixels; at least :data:`FAR`, and below S.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 50, (1, 24, 24))
        >>> moved = np.roll(noise, (2, -1), axis=(1, 2))
        >>> found = align(detail_maps(noise), detail_maps(moved), most=4)
        >>> found.agreement.round(1).tolist(), found.down.tolist(), found.right.tolist()
        ([1.0], [2], [-1])
    """
    parts = [_align(first[k : k + _TOGETHER], second[k : k + _TOGETHER], most) for k in range(0, len(first), _TOGETHER)]
    if not parts:
        return Alignment(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
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
    best = agreement.reshape(pairs, -1).argmax(1)
    down, right = best // len(shifts), best % len(shifts)
    found = agreement[np.arange(pairs), down, right]
    place = np.arange(len(shifts))
    far_down = np.abs(place[None] - down[:, None]) >= FAR
    far_right = np.abs(place[None] - right[:, None]) >= FAR
    rival = np.where(far_down[:, :, None] | far_right[:, None, :], agreement, -1.0).reshape(pairs, -1).max(1)
    return Alignment(np.clip(found, -1, 1), np.clip(rival, -1, 1), shifts[down], shifts[right])


def _shared_power(maps: NDArray[np.float32], shifts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum of squares of the part of each map that meets its partner, for every shift. -> (P, shifts, shifts)."""
    side = maps.shape[1]
    sums = np.zeros((len(maps), side + 1, side + 1))
    sums[:, 1:, 1:] = (maps.astype(np.float64) ** 2).cumsum(1).cumsum(2)
    low, high = np.maximum(0, shifts), side + np.minimum(0, shifts)

    def corner(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        return sums[:, rows][:, :, columns]

    return np.asarray(corner(high, high) - corner(low, high) - corner(high, low) + corner(low, low))
