"""Sweeps: windows on a fixed grid, and working pixels that do not depend on how a source is read."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from raster_files import UTM_31_NORTH, picture, write_raster

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Window
from geoglot.geo.decoder import Decoder, ReadOptions, SourceInfo, Sweep, WindowBatch
from geoglot.geo.sweep import CELL, sweep_grid, working_scale

ANY = Path("any.tif")


def swept(asked: Sweep) -> tuple[SourceInfo, list[WindowBatch]]:
    with Decoder(ReadOptions()) as decoder:
        info, *batches = decoder.sweep(asked)
    assert isinstance(info, SourceInfo)
    return info, [batch for batch in batches if isinstance(batch, WindowBatch)]


def assembled(asked: Sweep) -> tuple[np.ndarray, np.ndarray]:
    """All working pixels and where they are valid; windows must agree where they overlap."""
    info, batches = swept(asked)
    grid = sweep_grid(info.width, info.height, info.gsd_m, asked)
    whole = np.full((grid.rows[-1] + asked.side, grid.columns[-1] + asked.side, 3), -1)
    for batch in batches:
        for square, column in zip(batch.pixels, batch.columns, strict=True):
            target = whole[batch.row : batch.row + asked.side, column : column + asked.side]
            there = square[..., 3] > 0
            known = there & (target[..., 0] >= 0)
            np.testing.assert_array_equal(target[known], square[known][:, :3])
            target[there] = square[there][:, :3]
    return whole[: grid.height, : grid.width], whole[: grid.height, : grid.width, 0] >= 0


@settings(deadline=None)
@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.sampled_from([32, 64, 256]),
    st.floats(0, 0.75),
    st.sampled_from([0.25, 0.5, 1.0, 1.7, 3.0, 40.0]),
)
def test_windows_cover_every_working_pixel(width: int, height: int, side: int, overlap: float, scale: float) -> None:
    grid = sweep_grid(width, height, None, Sweep(path=ANY, side=side, overlap=overlap, scale=scale))
    for starts, length in ((grid.columns, grid.width), (grid.rows, grid.height)):
        assert starts[0] == 0
        assert all(start % CELL == 0 for start in starts)
        assert all(0 < after - before <= side for before, after in itertools.pairwise(starts))
        assert length <= starts[-1] + side
        assert len(starts) == 1 or starts[-1] + side < length + CELL
    assert grid.scale * (grid.width - 1) < width
    assert grid.count() == len(grid.columns) * len(grid.rows) == len(list(grid.windows()))


def test_a_plain_scene_comes_pixel_by_pixel(tmp_path: Path) -> None:
    pixels = picture(150, 210)
    path = write_raster(tmp_path / "a.tif", pixels, **UTM_31_NORTH)
    whole, valid = assembled(Sweep(path=path, side=64))
    np.testing.assert_array_equal(whole, pixels.transpose(1, 2, 0))
    assert valid.all()
    info, _ = swept(Sweep(path=path, side=64))
    assert info.transform == (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.0, 2.7, 3.0])
@pytest.mark.parametrize("profile", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 64}])
def test_working_pixels_do_not_depend_on_the_files_blocks(
    tmp_path: Path, scale: float, profile: dict[str, object]
) -> None:
    pixels = picture(151, 213)
    plain = write_raster(tmp_path / "a.tif", pixels, **UTM_31_NORTH)
    other = write_raster(tmp_path / "b.tif", pixels, **UTM_31_NORTH, **profile)
    one, other_way = (
        assembled(Sweep(path=plain, side=64, scale=scale))[0],
        assembled(Sweep(path=other, side=32, scale=scale, overlap=0.5))[0],
    )
    np.testing.assert_array_equal(one, other_way)


def test_whole_scales_are_means(tmp_path: Path) -> None:
    pixels = picture(120, 160)
    whole, _ = assembled(Sweep(path=write_raster(tmp_path / "a.tif", pixels, **UTM_31_NORTH), side=32, scale=4))
    means = pixels.reshape(3, 30, 4, 40, 4).astype(float).mean(axis=(2, 4)).transpose(1, 2, 0)
    assert np.abs(whole - means).max() <= 1


def test_photos_and_scenes_of_the_same_pixels_are_the_same(tmp_path: Path) -> None:
    pixels = picture(100, 140)
    Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / "a.png")
    for scale in (1.0, 2.0, 1.5):
        scene = assembled(Sweep(path=write_raster(tmp_path / "a.tif", pixels), side=64, scale=scale))[0]
        photo = assembled(Sweep(path=tmp_path / "a.png", side=64, scale=scale))[0]
        assert np.abs(scene - photo).max() <= 1  # two programs round their means


def test_what_has_no_data_is_marked_and_left_out(tmp_path: Path) -> None:
    pixels = picture(128, 256)
    pixels[:, :, :128] = 0
    path = write_raster(tmp_path / "a.tif", pixels, **UTM_31_NORTH, nodata=0)
    _, batches = swept(Sweep(path=path, side=64, overlap=0))
    assert {column for batch in batches for column in batch.columns} == {128, 192}
    _, batches = swept(Sweep(path=path, side=64, overlap=0.5))
    (square,) = {bytes(batch.pixels[0, ..., 3]) for batch in batches if batch.columns[0] == 96}
    assert np.frombuffer(square, np.uint8).reshape(64, 64)[:, 32:].all()
    assert not np.frombuffer(square, np.uint8).reshape(64, 64)[:, :32].any()


def test_rows_and_areas_are_left_out_on_request(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", picture(300, 300), **UTM_31_NORTH)
    every = swept(Sweep(path=path, side=64))[1]
    later = swept(Sweep(path=path, side=64, from_row=3))[1]
    assert [b.row for b in later] == [
        b.row for b in every if b.row >= sweep_grid(300, 300, None, Sweep(path=ANY, side=64)).rows[3]
    ]
    for one, other in zip(later, [b for b in every if b.row >= later[0].row], strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    near = swept(Sweep(path=path, side=64, areas=(Window(200, 200, 1, 1),)))[1]
    assert all(b.row <= 200 < b.row + 64 and all(c <= 200 < c + 64 for c in b.columns) for b in near)
    assert swept(Sweep(path=path, side=64, areas=()))[1] == []


def test_control_points_give_a_plane(tmp_path: Path) -> None:
    from rasterio.control import GroundControlPoint

    points = [GroundControlPoint(row, col, 10.0 + col * 1e-4, 50.0 - row * 1e-4) for row in (0, 99) for col in (0, 99)]
    path = write_raster(tmp_path / "a.tif", picture(100, 100), gcps=(points, rasterio.crs.CRS.from_epsg(4326)))
    info, _ = swept(Sweep(path=path, side=64))
    assert info.transform == pytest.approx((1e-4, 0, 10.0, 0, -1e-4, 50.0), abs=1e-9)


def test_scales_by_hand() -> None:
    asked = Sweep(path=ANY, side=64, gsd_m=1.0)
    # taken as it is up to a quarter off; whole numbers within a tenth; else as exactly as it is
    for gsd, scale in (
        (1.0, 1.0),
        (0.81, 1.0),
        (1.24, 1.0),
        (0.52, 2.0),
        (0.4, 2.5),
        (2.1, 0.5),
        (None, 1.0),
        (0.1, 10.0),
    ):
        assert working_scale(gsd, asked) == pytest.approx(scale), gsd
    assert working_scale(1.0, Sweep(path=ANY, side=64, gsd_m=1.0, scale=3.3)) == 3.3


def test_slips_and_refused_files(tmp_path: Path) -> None:
    for options in ({"side": 63}, {"side": 4}, {"overlap": 0.8}, {"scale": 0}, {"gsd_m": -1}):
        with pytest.raises(UsageError):
            Sweep(path=ANY, **{"side": 64, **options})  # type: ignore[arg-type]
    hostile = tmp_path / "a.tif"
    hostile.write_text("<VRTDataset/>")
    with pytest.raises(SourceError, match="XML"):
        swept(Sweep(path=hostile, side=64))
