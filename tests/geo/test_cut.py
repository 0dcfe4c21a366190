"""Cutting some windows out of a source instead of tiling it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine

from geoglot.core.errors import SourceError
from geoglot.core.records import Window
from geoglot.geo.decoder import Cut, Decoder, ReadOptions, SourceInfo, TileBatch
from geoglot.geo.tiling import single_windows


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 x 400 pixels; red counts columns, green counts rows (both halved), so a picture tells where it is from."""
    path = tmp_path_factory.mktemp("cut") / "scene.tif"
    rows, columns = np.mgrid[:400, :600]
    pixels = np.stack([columns // 4, rows // 4, np.full_like(rows, 200)]).astype(np.uint8)
    profile = {"driver": "GTiff", "width": 600, "height": 400, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    with rasterio.open(
        path, "w", **profile, transform=Affine(1, 0, 5e5, 0, -1, 5e6), tiled=True, blockxsize=64, blockysize=64
    ) as file:
        file.write(pixels)
    return path


def cut(path: Path, *windows: Window, side: int = 64) -> tuple[SourceInfo, list[tuple[Window, np.ndarray]]]:
    with Decoder(ReadOptions(side=side)) as decoder:
        parts = [part for _, part in decoder.read_many([Cut(path=path, windows=windows)])]
    info, *batches = parts
    assert isinstance(info, SourceInfo)
    found = []
    for batch in batches:
        assert isinstance(batch, TileBatch)
        found += [(tile.window, pixels) for tile, pixels in zip(batch.tiles, batch.pixels, strict=True)]
    return info, found


def test_a_window_of_the_wanted_side_comes_pixel_for_pixel(scene: Path) -> None:
    _, [(window, pixels)] = cut(scene, Window(128, 200, 64, 64))
    assert window == (128, 200, 64, 64)
    expected_red = np.broadcast_to(np.arange(128, 192) // 4, (64, 64))
    expected_green = np.broadcast_to((np.arange(200, 264) // 4)[:, None], (64, 64))
    np.testing.assert_array_equal(pixels[..., 0], expected_red)
    np.testing.assert_array_equal(pixels[..., 1], expected_green)


def test_windows_come_in_the_order_asked_for_cut_off_at_the_edges(scene: Path) -> None:
    asked = [Window(500, 300, 256, 256), Window(0, 0, 64, 64), Window(600, 0, 10, 10), Window(-10, -10, 74, 74)]
    info, found = cut(scene, *asked)
    assert [window for window, _ in found] == [(500, 300, 100, 100), (0, 0, 64, 64), (0, 0, 64, 64)]
    assert info.tile_count == 3


def test_everything_is_one_small_picture_of_the_scene(scene: Path) -> None:
    _, [(window, pixels)] = cut(scene, Window(0, 0, 1 << 31, 1 << 31), side=32)
    assert window == (0, 0, 600, 400)
    assert pixels.shape == (32, 32, 3)
    # red goes from 0 to 149 from left to right, green from 0 to 99 from top to bottom
    assert pixels[16, 1, 0] == pytest.approx(1.5 / 32 * 150, abs=3)
    assert pixels[16, 30, 0] == pytest.approx(30.5 / 32 * 150, abs=3)
    assert pixels[30, 16, 1] == pytest.approx(30.5 / 32 * 100, abs=3)


def test_a_photo_comes_whole_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (90, 50), (9, 99, 199)).save(tmp_path / "a.png")
    _, [(window, pixels)] = cut(tmp_path / "a.png", Window(10, 10, 5, 5))
    assert window == (0, 0, 90, 50)
    assert pixels[5, 5].tolist() == [9, 99, 199]
    with Decoder(ReadOptions()) as decoder:
        [(_, part)] = list(decoder.read_many([Cut(path=tmp_path / "none.tif", windows=(Window(0, 0, 9, 9),))]))
    assert isinstance(part, SourceError)


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.builds(Window, st.integers(-100, 6000), st.integers(-100, 6000), st.integers(1, 9000), st.integers(1, 9000)),
    st.integers(8, 512),
)
def test_the_level_keeps_enough_pixels_and_the_window_stays_inside(
    width: int, height: int, window: Window, side: int
) -> None:
    left, top = max(0, window.column), max(0, window.row)
    right, bottom = min(width, window.column + window.width), min(height, window.row + window.height)
    grids = single_windows(width, height, [window], side=side)
    if left >= right or top >= bottom:
        assert grids == []
        return
    (grid,) = grids
    (got,) = grid.windows()
    scale = 1 << grid.level
    assert got.column >= 0
    assert got.row >= 0
    assert got.column + got.width <= width
    assert got.row + got.height <= height
    assert abs(got.column - left) < scale
    assert abs(got.row - top) < scale
    shorter = min(right - left, bottom - top)
    assert grid.level == 0 or shorter // scale >= side
    assert shorter // (2 * scale) < side
