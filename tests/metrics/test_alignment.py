"""Agreement of pictures under a shift, beside a naive loop and copies whose shift is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from geoglot.metrics.alignment import FAR, FLAT, NOISE, RADIUS, align, detail_maps, is_copy


def naive_details(picture: np.ndarray) -> np.ndarray:
    def around(values: np.ndarray) -> np.ndarray:
        side = len(values)
        out = np.zeros_like(values)
        for y in range(side):
            for x in range(side):
                total = 0.0
                for dy in range(-RADIUS, RADIUS + 1):
                    for dx in range(-RADIUS, RADIUS + 1):
                        total += values[min(max(y + dy, 0), side - 1), min(max(x + dx, 0), side - 1)]
                out[y, x] = total / (2 * RADIUS + 1) ** 2
        return out

    details = picture - around(picture)
    if math.sqrt((details**2).mean()) < FLAT:
        return details * 0
    return details / np.sqrt(around(details**2) + NOISE**2)


def naive_surface(first: np.ndarray, second: np.ndarray, most: int) -> dict[tuple[int, int], float]:
    """Agreement at every shift (down, right) of the second picture against the first."""
    side, found = len(first), {}
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            product = one = other = 0.0
            for y in range(side):
                for x in range(side):
                    if 0 <= y + down < side and 0 <= x + right < side:
                        a, b = first[y, x], second[y + down, x + right]
                        product, one, other = product + a * b, one + a * a, other + b * b
            found[down, right] = product / math.sqrt(one * other) if one * other > 0 else 0.0
    return found


def test_details_and_agreement_are_those_of_the_naive_loops() -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (4, 12, 12)).astype(np.uint8)
    pictures[3] = np.roll(pictures[2], (2, -1), axis=(0, 1))
    maps = detail_maps(pictures)
    for picture, got in zip(pictures, maps, strict=True):
        np.testing.assert_allclose(got, naive_details(picture.astype(np.float64)), atol=1e-5)
    found = align(maps[[0, 2]], maps[[1, 3]], most=5)
    for row, (one, other) in enumerate(((0, 1), (2, 3))):
        surface = naive_surface(maps[one].astype(np.float64), maps[other].astype(np.float64), 5)
        best = max(surface, key=lambda shift: surface[shift])
        far = [value for (y, x), value in surface.items() if max(abs(y - best[0]), abs(x - best[1])) >= FAR]
        assert (found.down[row], found.right[row]) == best
        assert found.agreement[row] == pytest.approx(surface[best], abs=1e-5)
        assert found.rival[row] == pytest.approx(max(far), abs=1e-5)
    assert (found.down[1], found.right[1]) == (2, -1)


def test_light_does_not_count_and_flat_pictures_agree_with_nothing() -> None:
    random = np.random.default_rng(1)
    grey = random.integers(60, 160, (1, 32, 32)).astype(np.float64)
    maps = detail_maps(np.concatenate([grey, grey + 40, grey * 0 + 77, grey * 0 + random.random((1, 32, 32)) * 0.5]))
    found = align(maps[[0, 0, 2, 3]], maps[[1, 2, 2, 3]], most=8)
    assert found.agreement.tolist() == [pytest.approx(1.0, abs=1e-5), 0.0, 0.0, 0.0]
    assert is_copy(found).tolist() == [True, False, False, False]
    assert len(align(maps[:0], maps[:0], most=8).agreement) == 0


def test_stripes_are_no_copies_of_other_stripes_but_of_themselves() -> None:
    """Two fields with the same rows and different weeds, and one of them with a little noise."""
    random = np.random.default_rng(2)
    rows = 120 + 60 * np.sin(np.arange(32) * 2 * np.pi / 5)[:, None] + np.zeros((32, 32))
    one, other = rows + random.normal(0, 10, (32, 32)), rows + random.normal(0, 10, (32, 32))
    again = one + random.normal(0, 2, (32, 32))
    maps = detail_maps(np.stack([one, other, again]))
    found = align(maps[[0, 0]], maps[[1, 2]], most=8)
    assert found.agreement[0] > 0.6  # alike, but at a shift by one row of the field as well
    assert is_copy(found).tolist() == [False, True]
