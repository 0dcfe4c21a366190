"""Map tiles: the right pixels at the right place, in a child that is expendable."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning

from geoglot.core.errors import SourceError, UsageError
from geoglot.geo.map_drawer import MapDrawer
from geoglot.geo.map_tiles import HALF_WORLD, Look, tile_bounds


@pytest.fixture(scope="module")
def drawer() -> Iterator[MapDrawer]:
    made = MapDrawer()
    yield made
    made.close()


def write(path: Path, pixels: np.ndarray, **more: object) -> Path:
    """(bands, H, W) as a GeoTIFF."""
    count, height, width = pixels.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": pixels.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{**profile, **more}) as file:
            file.write(pixels)
    return path


def mercator_scene(path: Path, z: int, x: int, y: int, **more: object) -> Path:
    """A scene that covers one map tile exactly: red in the west half, blue in the east, a black upper left pixel."""
    west, _, east, north = tile_bounds(z, x, y)
    pixels = np.zeros((3, 256, 256), np.uint8)
    pixels[0, :, :128], pixels[2, :, 128:] = 200, 180
    side = (east - west) / 256
    return write(
        path, pixels, crs="EPSG:3857", transform=Affine(side, 0, west, 0, -side, north), photometric="RGB", **more
    )


def test_tiles_quarter_their_parents() -> None:
    # the four children of a tile, in the order of their names, make the tile
    for z, x, y in ((0, 0, 0), (3, 5, 2), (12, 2200, 1400)):
        west, south, east, north = tile_bounds(z, x, y)
        first, last = tile_bounds(z + 1, 2 * x, 2 * y), tile_bounds(z + 1, 2 * x + 1, 2 * y + 1)
        assert (first[0], first[3], last[2], last[1]) == pytest.approx((west, north, east, south))
    assert tile_bounds(0, 0, 0) == pytest.approx((-HALF_WORLD, -HALF_WORLD, HALF_WORLD, HALF_WORLD))


@pytest.mark.parametrize("place", [(-1, 0, 0), (25, 0, 0), (3, 8, 0), (3, 0, -1)])
def test_there_are_no_other_tiles(place: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="no tile of the map"):
        tile_bounds(*place)


def test_a_tile_of_its_own_grid_comes_back_pixel_by_pixel(drawer: MapDrawer, tmp_path: Path) -> None:
    scene = mercator_scene(tmp_path / "a.tif", 14, 8600, 5900)
    drawn = drawer.draw(scene, 14, 8600, 5900, Look())
    assert drawn.shape == (256, 256, 4)
    assert (drawn[..., 3] == 255).all()
    assert (drawn[:, :127, 0] == 200).all()
    assert (drawn[:, 129:, 2] == 180).all()
    # the tile beside it is empty; the parent holds it in its quarter: 8600 and 5900 are even, so upper left
    assert not drawer.draw(scene, 14, 8601, 5900, Look()).any()
    parent = drawer.draw(scene, 13, 4300, 2950, Look())
    assert (parent[2:126, 2:126, 3] == 255).all()
    assert not parent[130:, :, 3].any()
    assert not parent[:, 130:, 3].any()
    # bands the other way round
    turned = drawer.draw(scene, 14, 8600, 5900, Look(bands=(3, 2, 1)))
    assert (turned[:, :127, 2] == 200).all()
    grey = drawer.draw(scene, 14, 8600, 5900, Look(bands=(1,)))
    assert (grey[:, :127, :3] == 200).all()


def test_a_stretch_is_by_hand(drawer: MapDrawer, tmp_path: Path) -> None:
    west, _, east, north = tile_bounds(15, 17000, 12000)
    side = (east - west) / 256
    pixels = np.full((1, 256, 256), 1500, np.uint16)
    pixels[:, :, 128:] = 3000
    scene = write(tmp_path / "b.tif", pixels, crs="EPSG:3857", transform=Affine(side, 0, west, 0, -side, north))
    drawn = drawer.draw(scene, 15, 17000, 12000, Look(stretch=(1000, 2000)))
    # (1500 - 1000) / 1000 * 255 = 127.5 is 128; 3000 is beyond white
    assert set(drawn[:, :127, 0].ravel().tolist()) == {128}
    assert set(drawn[:, 129:, 0].ravel().tolist()) == {255}


def test_no_data_is_clear(drawer: MapDrawer, tmp_path: Path) -> None:
    west, _, east, north = tile_bounds(15, 17000, 12000)
    side = (east - west) / 256
    pixels = np.full((3, 256, 256), 90, np.uint8)
    pixels[:, 64:128, 64:128] = 0
    scene = write(
        tmp_path / "c.tif", pixels, crs="EPSG:3857", transform=Affine(side, 0, west, 0, -side, north), nodata=0
    )
    alpha = drawer.draw(scene, 15, 17000, 12000, Look())[..., 3]
    assert not alpha[66:126, 66:126].any()
    assert alpha[:60].all()


def utm_scene(path: Path, side: int, **more: object) -> Path:
    """A scene of the given side at 1 m in UTM 32: four quarters of four colours."""
    pixels = np.zeros((3, side, side), np.uint8)
    half = side // 2
    pixels[0, :half, :half], pixels[1, :half, half:], pixels[2, half:, :half] = 250, 250, 250
    pixels[:, half:, half:] = 250
    return write(path, pixels, photometric="RGB", **more)


@pytest.mark.parametrize("how", ["transform", "south up", "points", "large"])
def test_every_way_of_placing_a_scene(drawer: MapDrawer, tmp_path: Path, how: str) -> None:
    import pyproj

    side = 5000 if how == "large" else 1000
    plain = Affine(1, 0, 600_000, 0, -1, 4_900_000)
    more: dict[str, object] = {"crs": "EPSG:32632", "transform": plain}
    if how == "points":
        corners = [(0, 0), (0, side), (side, 0), (side, side)]
        points = [GroundControlPoint(row, column, *(plain @ (column, row))) for row, column in corners]
        more = {"gcps": points, "crs": "EPSG:32632"}
    scene = utm_scene(tmp_path / "d.tif", side, **more)
    if how == "south up":
        with rasterio.open(scene) as file:
            pixels = file.read()[:, ::-1]
        scene = write(
            tmp_path / "e.tif", pixels, crs="EPSG:32632", transform=Affine(1, 0, 600_000, 0, 1, 4_900_000 - side)
        )
    to_mercator = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:3857", always_xy=True)
    for share, colour in (((0.25, 0.25), (250, 0, 0)), ((0.75, 0.25), (0, 250, 0)), ((0.25, 0.75), (0, 0, 250))):
        mx, my = to_mercator.transform(*(plain @ (share[0] * side, share[1] * side)))
        for z in (12, 14, 17):
            count = 2**z
            across, down = (mx + HALF_WORLD) / (2 * HALF_WORLD) * count, (HALF_WORLD - my) / (2 * HALF_WORLD) * count
            drawn = drawer.draw(scene, z, int(across), int(down), Look())
            pixel = drawn[int((down % 1) * 256), int((across % 1) * 256)]
            assert pixel.tolist() == pytest.approx([*colour, 255], abs=12), (how, z)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "alpha", "palette", "nan"])
def test_every_kind_of_pixel_shows_where_it_is_and_nowhere_else(drawer: MapDrawer, tmp_path: Path, kind: str) -> None:
    # A scene in UTM that is one value everywhere, 600 m wide, in the middle of a map tile 880 m wide: what
    # lies in it is opaque and of that value, what lies outside is clear, whatever the type of its pixels.
    import pyproj

    z, across, down = 15, 17_139, 11_874
    place = tile_bounds(z, across, down)
    to_mercator = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:3857", always_xy=True)
    middle = to_mercator.transform((place[0] + place[2]) / 2, (place[1] + place[3]) / 2, direction="INVERSE")
    west, north = round(middle[0]) - 300.0, round(middle[1]) + 300.0
    dtype = {"alpha": "uint8", "palette": "uint8", "nan": "float32"}.get(kind, kind)
    pixels = np.full((2 if kind == "alpha" else 1, 600, 600), 100, dtype)
    if kind == "alpha":
        pixels[1] = 255
    if kind in ("alpha", "nan"):
        pixels[-1, :, 300:] = 0 if kind == "alpha" else np.nan  # the eastern half holds nothing
    colours = {"photometric": "palette"} if kind == "palette" else {}
    path = write(
        tmp_path / f"{kind}.tif", pixels, crs="EPSG:32632", transform=Affine(1, 0, west, 0, -1, north), **colours
    )
    with rasterio.open(path, "r+") as file:
        if kind == "alpha":
            file.colorinterp = [rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.alpha]
        if kind == "palette":
            file.write_colormap(1, {100: (200, 10, 30, 255)})
    look = Look() if kind == "palette" else Look(stretch=(0.0, 250.0))
    drawn = drawer.draw(path, z, across, down, look)

    def pixel(east: float, south: float) -> list[int]:
        x, y = to_mercator.transform(west + east, north - south)
        column = (x + HALF_WORLD) / (2 * HALF_WORLD) * 2**z - across
        row = (HALF_WORLD - y) / (2 * HALF_WORLD) * 2**z - down
        return [int(value) for value in drawn[int(row * 256), int(column * 256)]]

    colour = [200, 10, 30, 255] if kind == "palette" else [102, 102, 102, 255]  # 100 / 250 * 255
    for east in (10, 150, 290):
        assert pixel(east, 20) == pixel(east, 280) == colour, east
    assert pixel(450, 100) == ([0, 0, 0, 0] if kind in ("alpha", "nan") else colour)
    assert pixel(-10, 100) == pixel(100, -10) == [0, 0, 0, 0]


def test_no_other_file_is_read_as_overviews(drawer: MapDrawer, tmp_path: Path) -> None:
    # GDAL opens the file that this tag names by any driver it has, a reference to yet another file among them; the
    # driver of references is there once a scene was brought onto a map
    scene = utm_scene(tmp_path / "good.tif", 512, crs="EPSG:32632", transform=Affine(1, 0, 600_000, 0, -1, 4_900_000))
    assert drawer.draw(scene, 0, 0, 0, Look()).shape == (256, 256, 4)
    secret = write(tmp_path / "secret.tif", np.full((1, 64, 64), 83, np.uint8))
    (tmp_path / "secret.vrt").write_text(
        '<VRTDataset rasterXSize="256" rasterYSize="256"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    for other in ("secret.vrt", "secret.tif"):
        path = utm_scene(tmp_path / "a.tif", 512, crs="EPSG:32632", transform=Affine(1, 0, 600_000, 0, -1, 4_900_000))
        with rasterio.open(path, "r+") as file:
            file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(tmp_path / other))
        with pytest.raises(SourceError, match="names another file"):
            drawer.draw(path, 0, 0, 0, Look())


def test_hostile_files_cost_themselves_alone(drawer: MapDrawer, tmp_path: Path) -> None:
    (tmp_path / "vrt.tif").write_text("<VRTDataset/>")
    (tmp_path / "cut.tif").write_bytes(b"II*\0" + b"\xff" * 200)
    unlocated = write(tmp_path / "nowhere.tif", np.zeros((1, 64, 64), np.uint8))
    for name, words in (("vrt.tif", "XML"), ("cut.tif", "cannot be"), ("nowhere.tif", "no place on a map")):
        with pytest.raises(SourceError, match=words):
            drawer.draw(tmp_path / name, 3, 4, 2, Look())
    with pytest.raises(SourceError):
        drawer.draw(tmp_path / "missing.tif", 3, 4, 2, Look())
    assert unlocated.exists()
    scene = mercator_scene(tmp_path / "good.tif", 14, 8600, 5900)
    assert drawer.draw(scene, 14, 8600, 5900, Look()).any()


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    scene = mercator_scene(tmp_path / "good.tif", 14, 8600, 5900)
    drawer = MapDrawer()
    assert drawer.draw(scene, 14, 8600, 5900, Look()).any()
    assert drawer._process is not None
    drawer._process.kill()
    drawer._process.wait()
    with pytest.raises(SourceError, match="crashed or blocked"):
        drawer.draw(scene, 14, 8600, 5900, Look())
    assert drawer.draw(scene, 14, 8600, 5900, Look()).any()
    drawer.close()
    drawer.close()


@pytest.mark.parametrize(
    "bad", [{"bands": (0,)}, {"bands": (1, 2)}, {"stretch": (5.0, 5.0)}, {"stretch": (math.nan, 1.0)}]
)
def test_looks_that_make_no_sense(bad: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(UsageError):
        Look(**bad)
