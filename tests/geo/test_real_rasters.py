"""Real files: NAIP, Landsat, Sentinel-2, lidar, cloud-optimised and rotated GeoTIFFs, UC Merced photos."""

from __future__ import annotations

import warnings

import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from geoglot.core.errors import SourceError
from geoglot.geo.decoder import Decoder, ReadOptions, SourceInfo, TileBatch
from geoglot.geo.discover import Candidate, discover
from geoglot.geo.resample import to_square

pytestmark = pytest.mark.realdata


def read_all(data_root, *folders, **options):
    """Path -> (info, pixels, tiles)."""
    found = {}
    with Decoder(ReadOptions(**options)) as decoder:
        candidates = list(discover([data_root.joinpath(*folders)]))
        assert all(isinstance(candidate, Candidate) for candidate in candidates)
        for path, item in decoder.read_many(candidates):
            assert not isinstance(item, SourceError), item
            if isinstance(item, SourceInfo):
                found[path] = (item, [], [])
            else:
                assert isinstance(item, TileBatch)
                found[path][1].append(item.pixels)
                found[path][2].extend(item.tiles)
    return found


@pytest.fixture(scope="module")
def rasters(data_root):
    return read_all(data_root, "geotiff", levels=2)


def test_every_real_raster_is_read(rasters):
    assert len(rasters) >= 34
    for path, (info, pixels, tiles) in rasters.items():
        assert tiles, path
        assert info.tile_count >= len(tiles)
        assert sum(len(batch) for batch in pixels) == len(tiles)
        located = [tile.footprint is not None for tile in tiles]
        assert all(located) if info.crs else not any(located), path


def test_real_footprints_are_right_to_half_a_pixel(rasters):
    checked = 0
    for path, (info, _, tiles) in rasters.items():
        if info.crs is None:
            continue
        with rasterio.open(path) as dataset:
            to_wgs84 = pyproj.Transformer.from_crs(dataset.crs.to_wkt(), "EPSG:4326", always_xy=True)
            for tile in tiles:
                shape = shapely.from_wkb(tile.footprint)
                column, row, width, height = tile.window
                t = np.linspace(0, 1, 33)
                inner = [(0.5 + t * (width - 1), np.full(33, 0.5)), (np.full(33, width - 0.5), 0.5 + t * (height - 1))]
                outer = [(t * width, np.full(33, -0.5)), (np.full(33, width + 0.5), t * height)]
                for points, expected in ((inner, True), (outer, False)):
                    for across, down in points:
                        x, y = dataset.transform @ (column + across, row + down)
                        assert (shapely.contains_xy(shape, *to_wgs84.transform(x, y)) == expected).all(), path
                checked += 1
    assert checked > 100


def test_the_rotated_raster_without_a_system_is_unlocated(rasters):
    ((info, _, tiles),) = [found for path, found in rasters.items() if path.name == "rotated.tif"]
    assert info.crs is None
    assert [tile.bounds for tile in tiles] == [None]


def test_true_colours_are_cut_exactly(rasters):
    """8-bit RGB without nodata, read naively."""
    ((info, pixels, tiles),) = [found for path, found in rasters.items() if path.name == "cogeo.tif"]
    with warnings.catch_warnings(), rasterio.open(info.path) as dataset:
        whole = np.moveaxis(dataset.read([1, 2, 3]), 0, -1)
    for square, tile in zip(np.concatenate(pixels), tiles, strict=True):
        if tile.level == 0:
            column, row, width, height = tile.window
            assert np.array_equal(square, to_square(whole[row : row + height, column : column + width], 128))


@pytest.mark.parametrize(("name", "dtype"), [("L8-B5", "uint16"), ("dsm", "float32"), ("cog.tif", "float64")])
def test_deep_rasters_use_the_whole_range(rasters, name, dtype):
    ((info, pixels, _),) = [found for path, found in rasters.items() if name in path.name]
    values = np.concatenate(pixels)
    assert info.dtype == dtype
    assert values.min() < 20
    assert values.max() > 235
    assert 40 < values.mean() < 215


def test_naip_is_shown_as_red_green_blue(rasters):
    ((info, pixels, _),) = [found for path, found in rasters.items() if "m_3607717" in path.name]
    assert info.band_count == 4
    with rasterio.open(info.path) as dataset:
        means = dataset.read([1, 2, 3]).mean(axis=(1, 2))
    assert np.abs(np.concatenate(pixels).mean(axis=(0, 1, 2)) - means).max() < 12


def test_uc_merced_photos_are_read_whole(data_root):
    found = read_all(data_root, "ucm", "images")
    assert len(found) == 2100
    for info, pixels, tiles in found.values():
        assert info.kind == "photo"
        assert len(tiles) == len(pixels) == 1
        assert tiles[0].window == (0, 0, info.width, info.height)
        assert tiles[0].footprint is None
