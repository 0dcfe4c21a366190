"""Geometric agreement of local descriptors, on grids whose true transform is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from geoglot.metrics.same_place import REACH, agreement

GRID, SIZE = 12, 24


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def field(seed: int = 0, side: int = 40) -> NDArray[np.float32]:
    """A landscape of descriptors, larger than a picture, (side, side, D)."""
    return unit(np.random.default_rng(seed).normal(size=(side, side, SIZE)))


def cut(landscape: NDArray[np.float32], left: int, top: int) -> NDArray[np.float32]:
    return landscape[top : top + GRID, left : left + GRID].reshape(-1, SIZE)


def test_a_shift_is_found_and_what_falls_outside_counts_nothing() -> None:
    """Shifted by (3, 2) of 12 cells: 9 x 10 of 144 positions are inside; of the others, few fit by chance."""
    land = field()
    found = agreement(cut(land, 10, 10), np.stack([cut(land, 13, 12), cut(field(1), 10, 10)]))
    assert 90 / 144 <= found.score[0] < 100 / 144
    np.testing.assert_allclose(found.transforms[0], [[1, 0, -3 / 12], [0, 1, -2 / 12]], atol=1e-6)
    assert found.score[1] < 0.15


@pytest.mark.parametrize(("scale", "degrees"), [(1.3, 0.0), (0.75, 0.0), (1.0, 18.0), (1.25, -12.0)])
def test_a_scale_and_a_rotation_are_found(scale: float, degrees: float) -> None:
    """A view by nearest neighbours: the fit returns the transform that made it, to a twentieth."""
    land, middle = field(2), 20
    turn = math.radians(degrees)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    along = np.arange(GRID) - (GRID - 1) / 2
    cells = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    view = np.rint(cells @ linear.T + middle + (GRID - 1) / 2 - 5.5).astype(int)
    candidate = cut(land, middle - 6, middle - 6)
    found = agreement(land[view[:, 1], view[:, 0]], candidate[None])
    np.testing.assert_allclose(found.transforms[0][:, :2], linear, atol=0.05)
    assert found.score[0] > 0.4


def test_the_order_of_candidates_changes_nothing_and_few_are_enough() -> None:
    generator = np.random.default_rng(3)
    land = field()
    others = np.stack([cut(field(seed), 8, 8) for seed in range(5, 14)] + [cut(land, 11, 9)])
    straight = agreement(cut(land, 10, 10), others)
    shuffled = generator.permutation(len(others))
    np.testing.assert_allclose(agreement(cut(land, 10, 10), others[shuffled]).score, straight.score[shuffled])
    assert agreement(cut(land, 10, 10), others, fitted=1).score.argmax() == len(others) - 1
    for row in range(len(others)):
        alone = agreement(cut(land, 10, 10), others[row : row + 1])
        assert alone.score[0] == pytest.approx(straight.score[row], abs=1e-6)


def test_pictures_of_nothing_are_no_place() -> None:
    """Every position alike, or none at all: no pair is told from another, so nothing agrees."""
    same = np.zeros((GRID * GRID, SIZE), np.float32)
    same[:, 0] = 1
    for empty in (same, np.zeros_like(same)):
        found = agreement(empty, np.stack([empty, cut(field(), 0, 0)]))
        assert found.score.tolist() == [0, 0]
    assert agreement(cut(field(), 0, 0), np.zeros((0, GRID * GRID, SIZE), np.float32)).score.shape == (0,)


def test_agreement_is_as_counted_by_a_naive_loop() -> None:
    """The score from the returned transform, pair by pair."""
    land = field(4)
    query, candidate = cut(land, 10, 10), unit(cut(land, 12, 11) + 0.3 * cut(field(5), 0, 0))
    found = agreement(query, candidate[None])
    count, middle = 0, (GRID - 1) / 2
    for ours in range(GRID * GRID):
        theirs = max(range(GRID * GRID), key=lambda other: float(query[ours] @ candidate[other]))
        back = max(range(GRID * GRID), key=lambda other: float(query[other] @ candidate[theirs]))
        if back == ours:
            spot = found.transforms[0][:, :2] @ [ours % GRID - middle, ours // GRID - middle]
            spot = spot + found.transforms[0][:, 2] * GRID + middle
            count += math.dist(spot, (theirs % GRID, theirs // GRID)) < REACH
    assert found.score[0] == count / GRID**2
    assert count > 80
