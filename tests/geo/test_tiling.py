"""Windows of a scene, by hand and by property."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.records import Window
from geoglot.geo.tiling import plan, starts


def test_by_hand():
    # stride 256 * 0.75 = 192; 700 - 256 = 444: 0, 192, 384, then 444
    assert starts(700, 256, 0.25) == (0, 192, 384, 444)
    assert starts(256, 256, 0.25) == (0,)
    assert starts(257, 256, 0.25) == (0, 1)
    assert starts(448, 256, 0.25) == (0, 192)  # 448 - 256 = 192 falls on the grid: no duplicate
    assert starts(512, 256, 0.0) == (0, 256)
    assert starts(100, 16, 0.9)[:3] == (0, 2, 4)  # round(16 * 0.1) = 2


def test_a_source_no_larger_than_a_tile_is_one_whole_window():
    (level,) = plan(256, 200, tile=256, overlap=0.25, levels=5)
    assert list(level.windows()) == [Window(0, 0, 256, 200)]


def test_levels_cover_twice_as_much_and_end_with_the_whole():
    levels = plan(1001, 700, tile=256, overlap=0.25, levels=9)
    assert [level.tile_count for level in levels] == [5 * 4, 3 * 2, 1]
    # level 1 is 500 x 350 level pixels: columns 0, 192, 244; rows 0, 94
    assert list(levels[1].windows()) == [
        Window(0, 0, 512, 512),
        Window(384, 0, 512, 512),
        Window(488, 0, 512, 512),
        Window(0, 188, 512, 512),
        Window(384, 188, 512, 512),
        Window(488, 188, 512, 512),
    ]
    assert list(levels[2].windows()) == [Window(0, 0, 1001, 700)]


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    tile=st.integers(16, 300),
    overlap=st.floats(0, 0.9),
    levels=st.integers(1, 4),
)
def test_tiles_stay_inside_cover_everything_and_never_repeat(width, height, tile, overlap, levels):
    seen = set()
    for level in plan(width, height, tile=tile, overlap=overlap, levels=levels):
        covered = np.zeros((height, width), bool)
        windows = list(level.windows())
        assert len(windows) == level.tile_count
        for window in windows:
            assert 0 <= window.column < window.column + window.width <= width
            assert 0 <= window.row < window.row + window.height <= height
            assert window.width == min(tile * level.scale, width)
            assert window.height == min(tile * level.scale, height)
            assert window not in seen
            seen.add(window)
            covered[window.row : window.row + window.height, window.column : window.column + window.width] = True
        left_over = level.scale - 1  # full-resolution pixels that do not fill a level pixel
        assert covered[: height - left_over or None, : width - left_over or None].all()
