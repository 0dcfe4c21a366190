"""Tiles of scenes against a naive reader: whole array, crop, fill, resize."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from raster_files import UTM_31_NORTH, picture, write_raster
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from geoglot.core.errors import SourceError
from geoglot.core.records import Window
from geoglot.geo import pixels as pixels_module
from geoglot.geo.pixels import read_source
from geoglot.geo.resample import to_square
from geoglot.geo.scene import Scene
from geoglot.geo.source import ReadOptions, SourceInfo, TileBatch
from geoglot.geo.tiling import plan

SIDE = 48


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def read(path, **options):
    """The info, (N, side, side, 3) pixels, and the tiles, read in this process."""
    info, *batches = read_source(path, root=None, options=ReadOptions(**{"tile": 64, "side": SIDE, **options}))
    assert isinstance(info, SourceInfo)
    assert all(isinstance(batch, TileBatch) and 1 <= len(batch.tiles) <= 64 for batch in batches)
    tiles = [tile for batch in batches for tile in batch.tiles]
    empty = np.zeros((0, options.get("side", SIDE), options.get("side", SIDE), 3), np.uint8)
    return info, np.concatenate([empty, *(batch.pixels for batch in batches)]), tiles


def crop(array, window):
    """(bands, H, W) -> (h, w, bands)."""
    return np.moveaxis(
        array[:, window.row : window.row + window.height, window.column : window.column + window.width], 0, -1
    )


LAYOUTS = {
    "tiled": {"tiled": True, "blockxsize": 32, "blockysize": 32},
    "tall blocks": {"tiled": True, "blockxsize": 16, "blockysize": 112, "compress": "deflate"},
    "strips of 7": {"blockysize": 7, "compress": "lzw"},
    "one strip": {"blockysize": 301, "compress": "zstd"},
    "planes": {"tiled": True, "blockxsize": 32, "blockysize": 48, "interleave": "band", "compress": "deflate"},
    "big": {"BIGTIFF": "YES"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_tiles_equal_a_naive_reader(tmp_path, layout, overlap):
    array = picture(301, 277)
    path = write_raster(tmp_path / "scene.tif", array, **LAYOUTS[layout], **UTM_31_NORTH)
    info, pixels, tiles = read(path, overlap=overlap)
    windows = list(plan(277, 301, tile=64, overlap=overlap, levels=1)[0].windows())
    assert [tile.window for tile in tiles] == windows
    assert info.tile_count == len(windows)
    for got, window in zip(pixels, windows, strict=True):
        assert np.array_equal(got, to_square(crop(array, window), SIDE))


def test_column_chunks_give_the_same_tiles(tmp_path, monkeypatch):
    array = picture(200, 1000)
    path = write_raster(tmp_path / "scene.tif", array, tiled=True, blockxsize=32, blockysize=32, **UTM_31_NORTH)
    _, whole, tiles = read(path)
    monkeypatch.setattr(pixels_module, "STRIP_BYTES", 200 * 96 * 10)
    _, chunked, chunked_tiles = read(path)
    order = {tile.window: n for n, tile in enumerate(chunked_tiles)}
    assert [tile.window for tile in chunked_tiles] != [tile.window for tile in tiles]
    for tile, square in zip(tiles, whole, strict=True):
        position = order[tile.window]
        assert chunked_tiles[position] == tile
        assert np.array_equal(chunked[position], square)


def test_no_row_is_read_twice_and_reading_goes_by_whole_blocks(tmp_path, monkeypatch):
    path = write_raster(
        tmp_path / "scene.tif", picture(500, 300), tiled=True, blockxsize=32, blockysize=48, **UTM_31_NORTH
    )
    seen = []
    original = Scene.read_into

    def spy(self, window, out):
        seen.append(window)
        return original(self, window, out)

    monkeypatch.setattr(Scene, "read_into", spy)
    read(path)
    assert all(window.column == 0 and window.width == 300 for window in seen)
    assert all(a.row + a.height == b.row for a, b in pairwise(seen))
    assert seen[0].row == 0
    assert seen[-1].row + seen[-1].height == 500
    assert all(window.row % 48 == 0 for window in seen)


@pytest.mark.parametrize("overviews", [(), (2, 4)])
def test_higher_levels_are_box_averages(tmp_path, overviews):
    array = picture(512, 384)
    path = write_raster(tmp_path / "scene.tif", array, tiled=True, blockxsize=64, blockysize=64, **UTM_31_NORTH)
    if overviews:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews(overviews, rasterio.enums.Resampling.average)
    _, pixels, tiles = read(path, levels=3, overlap=0.0)
    half = array.reshape(3, 256, 2, 192, 2).mean(axis=(2, 4))
    quarter = array.reshape(3, 128, 4, 96, 4).mean(axis=(2, 4))
    assert {tile.level for tile in tiles} == {0, 1, 2}
    for got, tile in zip(pixels, tiles, strict=True):
        reduced = (array, half, quarter)[tile.level]
        scale = 2**tile.level
        window = Window(*(value // scale for value in tile.window))
        expected = to_square(np.rint(crop(reduced, window)).astype(np.uint8), SIDE)
        assert np.abs(got.astype(int) - expected).max() <= 2  # averages of averages round twice
    gsd = {level: next(tile.gsd_m for tile in tiles if tile.level == level) for level in (0, 1, 2)}
    assert gsd[1] == pytest.approx(2 * gsd[0], rel=1e-3)
    assert gsd[2] == pytest.approx(4 * gsd[0], rel=1e-3)


def linear(values, low, high):
    return np.clip(np.rint((values - low) * 255.0 / (high - low)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64", "int32", "uint32", "int8"])
def test_other_types_are_stretched_from_the_2nd_to_the_98th_percentile(tmp_path, dtype):
    rng = np.random.default_rng(0)
    array = (rng.integers(-100, 100, (3, 64, 64)) if dtype == "int8" else rng.integers(1, 3000, (3, 64, 64))).astype(
        dtype
    )
    path = write_raster(tmp_path / "scene.tif", array, **UTM_31_NORTH)
    info, pixels, _ = read(path, side=64)
    assert info.dtype == dtype
    for band in range(3):
        low, high = np.percentile(array[band].astype(float), [2, 98])
        expected = linear(array[band].astype(float), low, high)
        assert np.abs(pixels[0, ..., band].astype(int) - expected).max() <= 1  # GDAL may leave out (0, 0, 0) pixels


def test_one_scale_for_the_whole_scene(tmp_path):
    """A bright and a dark half stay bright and dark, tile by tile."""
    rng = np.random.default_rng(0)
    array = rng.integers(1000, 1100, (3, 64, 128)).astype(np.uint16)
    array[:, :, 64:] += 1000
    _, pixels, _ = read(write_raster(tmp_path / "scene.tif", array, **UTM_31_NORTH), overlap=0.0)
    assert pixels[0].mean() < 30
    assert pixels[1].mean() > 225


def test_8_bit_colours_are_left_alone_even_when_pale(tmp_path):
    array = np.full((3, 64, 64), 120, np.uint8) + np.arange(64, dtype=np.uint8) // 8
    _, pixels, _ = read(write_raster(tmp_path / "scene.tif", array, **UTM_31_NORTH), side=64)
    assert np.array_equal(pixels[0], np.moveaxis(array, 0, -1))


def test_8_bit_at_the_bottom_of_the_range_is_stretched(tmp_path):
    array = np.zeros((1, 64, 64), np.uint8)
    array[:, :, 32:] = 1
    _, pixels, _ = read(write_raster(tmp_path / "scene.tif", array, nbits=1, **UTM_31_NORTH), side=64)
    assert set(np.unique(pixels[0])) == {0, 255}


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf, -9999.0])
def test_holes_in_floating_point_scenes_become_the_mean(tmp_path, hole):
    array = picture(64, 64, 1).astype(np.float32)
    clean = array.copy()
    array[:, :20, :30] = hole
    nodata = {"nodata": hole} if hole == -9999.0 else {}
    _, pixels, _ = read(write_raster(tmp_path / "scene.tif", array, **nodata, **UTM_31_NORTH), side=64)
    valid = np.ones((64, 64), bool)
    valid[:20, :30] = False
    expected = linear(clean[0], *np.percentile(clean[0][valid], [2, 98]))
    assert np.abs(pixels[0][valid][:, 0].astype(int) - expected[valid]).max() <= 1
    fill = pixels[0][~valid]
    assert (fill == fill[0]).all()
    assert fill[0, 0] == pytest.approx(pixels[0][valid][:, 0].mean(), abs=1)


def test_integer_nodata_counts_only_where_all_bands_have_it(tmp_path):
    array = np.full((3, 64, 64), 90, np.uint8)
    array[0, :32] = 0  # true zero of one band
    array[:, :, :16] = 0  # no data
    _, pixels, _ = read(write_raster(tmp_path / "scene.tif", array, nodata=0, **UTM_31_NORTH), side=64)
    assert (pixels[0, 10, 40] == [0, 90, 90]).all()
    assert (pixels[0, :, :16] == [45, 90, 90]).all()  # mean of the valid ones: half 0, half 90


@pytest.mark.parametrize("how", ["nodata", "alpha", "mask", "nan"])
def test_tiles_with_less_than_a_tenth_of_data_are_left_out(tmp_path, how):
    """Four tiles of 64 in a row, 0, 5, 50 and 100 percent valid."""
    valid = np.zeros((64, 256), bool)
    valid[:, 64 : 64 + 3] = True  # 3 of 64 columns: 4.7 %
    valid[:, 128 : 128 + 32] = True
    valid[:, 192:] = True
    array = np.where(valid, picture(64, 256, 3), 0).astype(np.uint8)
    array[:, valid] = np.maximum(array[:, valid], 1)
    profile = dict(UTM_31_NORTH)
    if how == "nodata":
        profile["nodata"] = 0
    elif how == "alpha":
        array = np.concatenate([array, valid[None] * np.uint8(255)])
        profile["colorinterp"] = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    elif how == "mask":
        profile["mask"] = valid
    else:
        array = np.where(valid, array, np.nan).astype(np.float32)
    info, _, tiles = read(write_raster(tmp_path / "scene.tif", array, **profile), overlap=0.0)
    assert info.tile_count == 4
    assert [tile.window.column for tile in tiles] == [128, 192]


def test_a_scene_without_any_data_has_no_tiles(tmp_path):
    for name, array, profile in (
        ("nan.tif", np.full((1, 80, 80), np.nan, np.float32), {}),
        ("zero.tif", np.zeros((3, 80, 80), np.uint8), {"nodata": 0}),
    ):
        info, pixels, tiles = read(write_raster(tmp_path / name, array, **profile, **UTM_31_NORTH))
        assert (info.tile_count, len(pixels), tiles) == (4, 0, [])


def test_palettes_are_expanded_and_their_nodata_are_holes(tmp_path):
    array = np.zeros((1, 64, 64), np.uint8)
    array[:, :, 16:] = 1
    array[:, :, 48:] = 2
    colours = {0: (255, 0, 0, 255), 1: (0, 200, 0, 255), 2: (9, 9, 9, 255)}
    path = write_raster(
        tmp_path / "scene.tif", array, colormap=colours, photometric="palette", nodata=2, **UTM_31_NORTH
    )
    _, pixels, _ = read(path, side=64)
    assert (pixels[0, :, :16] == [255, 0, 0]).all()
    assert (pixels[0, :, 16:48] == [0, 200, 0]).all()
    assert (pixels[0, :, 48:] == [85, 133, 0]).all()  # mean: a third red, two thirds green


def test_grey_is_repeated_and_a_choice_of_bands_is_kept(tmp_path):
    array = picture(64, 64, 5)
    path = write_raster(tmp_path / "scene.tif", array, **UTM_31_NORTH)
    bands = lambda **how: np.moveaxis(read(path, side=64, **how)[1][0], -1, 0)  # noqa: E731
    assert np.array_equal(bands(), array[:3])
    assert np.array_equal(bands(bands=(5, 1, 3)), array[[4, 0, 2]])
    assert np.array_equal(bands(bands=(4,)), array[[3, 3, 3]])
    two = write_raster(tmp_path / "two.tif", array[:2], **UTM_31_NORTH)
    assert np.array_equal(np.moveaxis(read(two, side=64)[1][0], -1, 0), array[[0, 0, 0]])
    with pytest.raises(SourceError, match="has 5 bands, so none numbered 6"):
        read(path, bands=(1, 2, 6))


def test_colour_interpretation_decides(tmp_path):
    array = picture(64, 64, 4)
    order = [ColorInterp.undefined, ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    path = write_raster(tmp_path / "scene.tif", array, photometric="MINISBLACK", colorinterp=order, **UTM_31_NORTH)
    assert np.array_equal(np.moveaxis(read(path, side=64)[1][0], -1, 0), array[[3, 2, 1]])


def test_white_may_be_zero(tmp_path):
    array = picture(64, 64, 1)
    path = write_raster(tmp_path / "scene.tif", array, photometric="MINISWHITE", **UTM_31_NORTH)
    assert np.array_equal(read(path, side=64)[1][0, ..., 0], 255 - array[0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_the_thinnest_scenes(tmp_path, shape):
    array = picture(*shape)
    info, pixels, tiles = read(write_raster(tmp_path / "scene.tif", array, **UTM_31_NORTH), levels=3)
    assert len(tiles) == info.tile_count >= 1
    assert pixels.shape[1:] == (SIDE, SIDE, 3)
    for tile, square in zip(tiles, pixels, strict=True):
        if tile.level == 0:
            assert np.array_equal(square, to_square(crop(array, tile.window), SIDE))


@pytest.mark.parametrize("block", [128, 2048])
def test_tall_blocks_are_read_once_for_each_column_chunk(tmp_path, monkeypatch, block):
    """What is read of each chunk of columns adds up to its height, however tall the blocks are."""
    array = np.tile(picture(500, 2600), (1, 5, 1))
    path = write_raster(tmp_path / "scene.tif", array, tiled=True, blockxsize=block, blockysize=block, **UTM_31_NORTH)
    monkeypatch.setattr(pixels_module, "STRIP_BYTES", 16 << 20)
    rows = {}
    original = Scene.read_into

    def spy(self, window, out):
        rows[window.column] = rows.get(window.column, 0) + window.height
        return original(self, window, out)

    monkeypatch.setattr(Scene, "read_into", spy)
    _, pixels, tiles = read(path, tile=256)
    assert set(rows.values()) == {2500}
    assert len(rows) == (1 if block == 128 else 2)
    for tile, square in list(zip(tiles, pixels, strict=True))[::7]:
        assert np.array_equal(square, to_square(crop(array, tile.window), SIDE))


def test_complex_pixels_are_refused(tmp_path):
    path = write_raster(tmp_path / "scene.tif", np.ones((1, 8, 8), np.complex64), **UTM_31_NORTH)
    with pytest.raises(SourceError, match="complex64"):
        read(path)


def test_a_tiff_without_a_place_is_tiled_and_unlocated(tmp_path):
    for name, profile in (
        ("bare.tif", {}),
        ("no-crs.tif", {"transform": UTM_31_NORTH["transform"]}),
        ("no-transform.tif", {"crs": "EPSG:32631"}),
    ):
        info, _, tiles = read(write_raster(tmp_path / name, picture(100, 100), **profile))
        assert (info.kind, info.crs, info.gsd_m) == ("scene", None, None)
        assert len(tiles) == 4
        assert all(t.footprint is None and t.bounds is None and t.gsd_m is None for t in tiles)


def test_places_of_tiles(tmp_path):
    info, _, tiles = read(write_raster(tmp_path / "scene.tif", picture(100, 100), **UTM_31_NORTH), overlap=0.0)
    assert info.crs == "EPSG:32631"
    assert info.gsd_m == pytest.approx(10.004, abs=1e-3)
    union = shapely.union_all([shapely.from_wkb(tile.footprint) for tile in tiles])
    to_wgs84 = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    west, north = to_wgs84.transform(500_000, 5_000_000)
    east, _ = to_wgs84.transform(501_000, 5_000_000)
    _, south = to_wgs84.transform(501_000, 4_999_000)
    assert np.allclose(union.bounds, (west, south, east, north), rtol=0, atol=1e-7)
    assert tiles[0].bounds.north > tiles[-1].bounds.north


def test_jpeg_2000_keeps_its_place(tmp_path):
    array = picture(100, 120)
    path = write_raster(
        tmp_path / "scene.jp2",
        array,
        driver="JP2OpenJPEG",
        QUALITY="100",
        REVERSIBLE="YES",
        YCBCR420="NO",
        **UTM_31_NORTH,
    )
    info, pixels, tiles = read(path, tile=256)
    assert (info.driver, info.crs, info.kind) == ("JP2OpenJPEG", "EPSG:32631", "scene")
    assert np.array_equal(pixels[0], to_square(np.moveaxis(array, 0, -1), SIDE))
    assert tiles[0].footprint is not None


def test_ground_control_points_place_a_scene(tmp_path):
    gcps = [
        GroundControlPoint(row=r, col=c, x=500_000 + 10 * c, y=5_000_000 - 10 * r) for r in (0, 100) for c in (0, 100)
    ]
    path = write_raster(tmp_path / "scene.tif", picture(100, 100), gcps=(gcps, rasterio.crs.CRS.from_epsg(32631)))
    info, _, tiles = read(path, tile=100)
    same = read(write_raster(tmp_path / "affine.tif", picture(100, 100), **UTM_31_NORTH), tile=100)[2]
    assert info.crs == "EPSG:32631"
    assert np.allclose(tiles[0].bounds, same[0].bounds, atol=1e-7)


def test_time_from_tags(tmp_path):
    path = write_raster(
        tmp_path / "a.tif", picture(64, 64), tags={"TIFFTAG_DATETIME": "2020:08:31 10:20:30"}, **UTM_31_NORTH
    )
    info, _, tiles = read(path)
    assert info.time.isoformat() == "2020-08-31T10:20:30+00:00"
    assert tiles[0].time == info.time


def test_absent_blocks_of_a_sparse_file_hold_no_data(tmp_path):
    path = tmp_path / "sparse.tif"
    profile = {"width": 4096, "height": 4096, "count": 3, "dtype": "uint8", "tiled": True, "SPARSE_OK": True}
    with rasterio.open(path, "w", driver="GTiff", compress="deflate", **profile, **UTM_31_NORTH) as dataset:
        dataset.write(np.full((3, 256, 256), 77, np.uint8), window=rasterio.windows.Window(512, 1024, 256, 256))
    info, pixels, tiles = read(path, tile=256, overlap=0.0)
    assert info.tile_count == 256
    assert [tile.window for tile in tiles] == [Window(512, 1024, 256, 256)]
    assert (pixels == 77).all()


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("side", [64, 32, 48])
def test_tiles_reduced_with_their_strip_equal_tiles_reduced_alone(tmp_path, bands, side):
    """Sides 64 and 32 are whole reductions of 128, done strip by strip; the last column starts at an odd pixel."""
    pixels = np.random.default_rng(side).integers(0, 256, (bands, 301, 333), dtype=np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels)
    _, squares, tiles = read(path, tile=128, overlap=0.25, side=side)
    assert len(tiles) == 12  # columns 0, 96, 192, 205; rows 0, 96, 173
    for tile, square in zip(tiles, squares, strict=True):
        alone = crop(pixels, tile.window)
        expected = to_square(alone if bands == 3 else np.repeat(alone, 3, axis=2), side)
        np.testing.assert_array_equal(square, expected)
