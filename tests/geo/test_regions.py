"""Connected regions against a plain oracle, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geoglot.geo.probability import blocks_of
from geoglot.geo.regions import PixelRegion, collect, simplified, without_holes


def regions_of(probability: np.ndarray, side: int, threshold: float = 0.5, **options: float) -> list[PixelRegion]:
    blocks = blocks_of(probability.shape[1], probability.shape[0], side)
    cut = ((w, probability[w.row : w.row + w.height, w.column : w.column + w.width]) for w in blocks)
    return collect(cut, threshold=threshold).regions(**options)  # type: ignore[arg-type]


def flooded(inside: np.ndarray) -> list[set[tuple[int, int]]]:
    """Regions by filling from each pixel over its four neighbours: the oracle."""
    left = {(int(r), int(c)) for r, c in np.argwhere(inside)}
    found = []
    while left:
        todo, region = [left.pop()], set()
        while todo:
            row, column = todo.pop()
            region.add((row, column))
            for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if near in left:
                    left.remove(near)
                    todo.append(near)
        found.append(region)
    return found


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    st.integers(1, 13),
)
def test_regions_are_those_of_the_oracle(inside: np.ndarray, side: int) -> None:
    probability = np.where(inside, 0.75, 0.25).astype(np.float32)
    found = regions_of(probability, side)
    expected = flooded(inside)
    assert sorted(one.pixels for one in found) == sorted(len(region) for region in expected)
    assert sum(one.polygon.area for one in found) == inside.sum()
    for one in found:
        assert one.polygon.is_valid
        assert one.score == pytest.approx(0.75)
        members = {
            (r, c) for r, c in np.argwhere(inside).tolist() if one.polygon.contains(shapely.Point(c + 0.5, r + 0.5))
        }
        assert members in expected


@settings(deadline=None, max_examples=40)
@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.floats(0, 1, width=16)),
    st.integers(1, 15),
)
def test_blocks_change_nothing(probability: np.ndarray, side: int) -> None:
    whole, parts = regions_of(probability, 64), regions_of(probability, side)
    assert [one.polygon.wkb for one in whole] == [one.polygon.wkb for one in parts]
    assert [one.pixels for one in whole] == [one.pixels for one in parts]
    assert [one.score for one in whole] == pytest.approx([one.score for one in parts], rel=1e-6)
    assert [one.peak for one in whole] == [one.peak for one in parts]


def test_a_snake_through_many_blocks_is_one_region() -> None:
    inside = np.zeros((40, 40), np.float32)
    inside[::4] = 1
    for number, row in enumerate(range(0, 36, 4)):
        inside[row : row + 4, 39 if number % 2 == 0 else 0] = 1
    (snake,) = regions_of(inside, 7)
    assert snake.pixels == int(inside.sum())
    assert len(snake.polygon.interiors) == 0


def test_a_hole_over_a_seam_is_a_hole() -> None:
    inside = np.ones((10, 10), np.float32)
    inside[3:7, 3:7] = 0
    (ring,) = regions_of(inside, 5)
    assert len(ring.polygon.interiors) == 1
    assert shapely.get_num_coordinates(ring.polygon) == 10  # no point is left where the seams ran
    assert without_holes(ring.polygon).area == 100


def test_pixels_that_touch_at_a_corner_are_two_regions() -> None:
    found = regions_of(np.eye(2, dtype=np.float32), 1)
    assert [one.pixels for one in found] == [1, 1]


def test_size_and_peak_choose() -> None:
    probability = np.zeros((4, 9), np.float32)
    probability[0, 0] = 0.9
    probability[:, 3:5] = 0.6
    probability[:, 7] = 0.55
    probability[2, 7] = 0.95
    assert [one.pixels for one in regions_of(probability, 4)] == [1, 8, 4]
    assert [one.pixels for one in regions_of(probability, 4, least_pixels=2)] == [8, 4]
    assert [one.pixels for one in regions_of(probability, 4, least_peak=0.7)] == [1, 4]
    # (3 x 0.55 + 0.95) / 4
    assert regions_of(probability, 4)[2].score == pytest.approx(0.65, rel=1e-6)


def test_simplified_outlines_stay_near_and_valid() -> None:
    steps = shapely.union_all([shapely.box(0, 0, 20 - k, k + 1) for k in range(20)])
    plain = simplified(steps, 1.5)
    assert shapely.get_num_coordinates(plain) < shapely.get_num_coordinates(steps)
    assert plain.hausdorff_distance(steps) <= 1.5
    assert simplified(shapely.box(0, 0, 1, 1), 100).area > 0
