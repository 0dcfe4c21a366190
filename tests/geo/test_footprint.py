"""Footprints against pyproj directly, and against hand-drawn cases at 180 degrees and the poles."""

from __future__ import annotations

import time

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.transform import GCPTransformer

from geoglot.geo.footprint import ControlPoint, Locator, locate
from geoglot.geo.tiling import plan

GEODESIC = pyproj.Geod(ellps="WGS84")

# name -> (crs, affine, window)
PLACES = {
    "utm north": ("EPSG:32631", (10, 0, 500_000, 0, -10, 5_000_000), (100, 200, 256, 256)),
    "utm south": ("EPSG:32756", (0.15, 0, 334_000, 0, -0.15, 6_250_000), (0, 0, 256, 256)),
    "mercator": ("EPSG:3857", (0.6, 0, 14_321_853, 0, -0.6, 4_533_021), (512, 256, 256, 256)),
    "geographic": ("EPSG:4326", (1e-4, 0, 6.86, 0, -1e-4, 53.4), (17, 5, 300, 100)),
    "rotated": ("EPSG:32633", (8.660254, 5, 400_000, 5, -8.660254, 5_800_000), (3, 7, 512, 256)),
    "sheared": ("EPSG:32633", (10, 3, 400_000, 1, -9, 5_800_000), (0, 0, 256, 256)),
    "south-up": ("EPSG:32631", (10, 0, 500_000, 0, 10, 5_000_000), (0, 0, 256, 256)),
    "mirrored": ("EPSG:32631", (-10, 0, 500_000, 0, -10, 5_000_000), (0, 0, 256, 256)),
    "coarse": ("EPSG:32634", (100, 0, 699_960, 0, -100, 3_600_000), (0, 0, 1098, 1098)),
    "very coarse": ("EPSG:3035", (5000, 0, 2_500_000, 0, -5000, 5_500_000), (0, 0, 800, 800)),
    "polar": ("EPSG:3413", (40, 0, -900_000, 0, -40, -1_000_000), (0, 0, 2048, 2048)),
    "other datum": ("EPSG:27700", (1, 0, 400_000, 0, -1, 300_000), (0, 0, 256, 256)),
    "feet": ("EPSG:2263", (1, 0, 980_000, 0, -1, 200_000), (0, 0, 256, 256)),
    "paris meridian": ("EPSG:4807", (0.001, 0, 0, 0, -0.001, 54), (0, 0, 64, 64)),
    "compound": ("EPSG:32631+5773", (10, 0, 500_000, 0, -10, 5_000_000), (0, 0, 256, 256)),
}


def outline(crs, affine, window, points_per_edge=97):
    """Dense outline straight from pyproj, (P, 2) longitude and latitude."""
    a, b, c, d, e, f = affine
    column, row, width, height = window
    t = np.linspace(0, 1, points_per_edge)
    columns = column + width * np.concatenate([t, np.ones_like(t), t[::-1], np.zeros_like(t)])
    rows = row + height * np.concatenate([np.zeros_like(t), t, np.ones_like(t), t[::-1]])
    to_wgs84 = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    return np.stack(to_wgs84.transform(a * columns + b * rows + c, d * columns + e * rows + f)[:2], axis=-1)


def distance_px(shape, points, gsd_m):
    """Largest distance from points to a polygon's boundary, in pixels of gsd_m metres."""
    largest = 0.0
    for longitude, latitude in points:
        here = shapely.Point(longitude, latitude)
        scale = np.cos(np.radians(latitude))
        boundary = shapely.transform(shape.boundary, lambda p, s=scale: p * [s, 1])
        degrees = shapely.distance(boundary, shapely.transform(here, lambda p, s=scale: p * [s, 1]))
        largest = max(largest, degrees * 111_320 / gsd_m)
    return largest


@pytest.mark.parametrize("name", PLACES)
def test_outline_is_right_to_half_a_pixel(name):
    crs, affine, window = PLACES[name]
    placed = locate(Locator(crs, affine), np.array([window]))
    shape = shapely.from_wkb(placed.footprints[0])
    true = outline(crs, affine, window)
    gsd_m = placed.gsd_m[0]
    assert shape.is_valid
    assert distance_px(shape, true, gsd_m) < 0.25
    assert distance_px(shapely.Polygon(true), shapely.get_coordinates(shape), gsd_m) < 0.25
    assert shape.exterior.is_ccw
    west, south, east, north = placed.bounds[0]
    assert np.allclose((west, south, east, north), shape.bounds, atol=0)


@pytest.mark.parametrize("name", PLACES)
def test_ground_sample_distance_is_the_geodesic_length_of_the_middle_pixel(name):
    crs, affine, window = PLACES[name]
    placed = locate(Locator(crs, affine), np.array([window]))
    a, b, c, d, e, f = affine
    column, row = window[0] + window[2] / 2, window[1] + window[3] / 2
    to_wgs84 = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def place(dc, dr):
        u, v = column + dc, row + dr
        return to_wgs84.transform(a * u + b * v + c, d * u + e * v + f)[:2]

    across = GEODESIC.inv(*place(-0.5, 0), *place(0.5, 0))[2]
    down = GEODESIC.inv(*place(0, -0.5), *place(0, 0.5))[2]
    assert placed.gsd_m[0] == pytest.approx(np.sqrt(across * down), rel=1e-6)


def test_a_tile_on_the_equator_by_hand():
    """UTM 31: easting 500000 is 3 degrees east; 2560 m north of the equator is 2560 / 110574 degrees / 0.9996."""
    placed = locate(Locator("EPSG:32631", (10, 0, 500_000, 0, -10, 2560)), np.array([[0, 0, 256, 256]]))
    west, south, _, north = placed.bounds[0]
    assert west == pytest.approx(3.0, abs=1e-12)
    assert south == pytest.approx(0.0, abs=1e-9)
    assert north == pytest.approx(2560 / 0.9996 / 110_574.3, rel=1e-5)
    assert placed.gsd_m[0] == pytest.approx(10 / 0.9996, rel=1e-5)


def test_geographic_across_180_is_split_in_two():
    placed = locate(Locator("EPSG:4326", (0.01, 0, 179, 0, -0.01, -16)), np.array([[0, 0, 200, 100]]))
    assert np.allclose(placed.bounds[0], (179, -17, -179, -16))
    assert placed.bounds[0].crosses_antimeridian
    shape = shapely.from_wkb(placed.footprints[0])
    true = shapely.union_all([shapely.box(179, -17, 180, -16), shapely.box(-180, -17, -179, -16)])
    assert shape.geom_type == "MultiPolygon"
    assert shape.is_valid
    assert shape.symmetric_difference(true).area == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("start", [0, 179.5, 190, 359, -190, -360])
def test_longitudes_of_any_turn_are_brought_home(start):
    placed = locate(Locator("EPSG:4326", (0.01, 0, start, 0, -0.01, 10)), np.array([[0, 0, 100, 100]]))
    west, _, east, _ = placed.bounds[0]
    assert (west - start) % 360 == pytest.approx(0, abs=1e-9) or (west - start) % 360 == pytest.approx(360, abs=1e-9)
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    assert shapely.from_wkb(placed.footprints[0]).area == pytest.approx(1.0)


def test_an_edge_on_180_is_no_crossing():
    windows = np.array([[0, 0, 100, 100], [100, 0, 100, 100]])
    placed = locate(Locator("EPSG:4326", (0.01, 0, 179, 0, -0.01, 10)), windows)
    assert np.allclose(placed.bounds[0], (179, 9, 180, 10))
    assert np.allclose(placed.bounds[1], (-180, 9, -179, 10))
    assert {shapely.from_wkb(f).geom_type for f in placed.footprints} == {"Polygon"}


def test_utm_1_across_180():
    """Zone 1 reaches 180 degrees at easting about 166 km on the equator: a 100 km tile from 116 km crosses it."""
    crs, affine, window = "EPSG:32601", (100, 0, 116_000, 0, -100, 100_000), (0, 0, 1000, 1000)
    placed = locate(Locator(crs, affine), np.array([window]))
    assert placed.bounds[0].crosses_antimeridian
    shape = shapely.from_wkb(placed.footprints[0])
    turned = shapely.union_all(
        [shapely.transform(p, lambda c: c + (c < [0, -90]) * np.array([360, 0])) for p in shape.geoms]
    )
    true = outline(crs, affine, window)
    true[:, 0] %= 360
    assert turned.symmetric_difference(shapely.Polygon(true)).area / turned.area < 1e-4
    assert placed.bounds[0].west == pytest.approx(true[:, 0].min(), abs=1e-3)
    assert placed.bounds[0].east == pytest.approx(true[:, 0].max() - 360, abs=1e-3)


@pytest.mark.parametrize(("crs", "sign"), [("EPSG:3413", 1), ("EPSG:3031", -1)])
def test_a_footprint_that_holds_a_pole(crs, sign):
    placed = locate(Locator(crs, (1000, 0, -100_000, 0, -1000, 150_000)), np.array([[0, 0, 256, 256]]))
    west, south, east, north = placed.bounds[0]
    assert (west, east) == (-180, 180)
    assert (north if sign > 0 else south) == sign * 90
    shape = shapely.from_wkb(placed.footprints[0])
    assert shape.is_valid
    inside = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-300_000, 300_000, (2, 2000))
    longitude, latitude = inside.transform(x, y)
    is_in = (x > -100_000) & (x < 156_000) & (y < 150_000) & (y > -106_000)
    assert np.array_equal(shapely.contains_xy(shape, longitude, latitude), is_in)


@pytest.mark.parametrize("corner", [(0, 0), (-256, 0), (0, 256), (-256, 256), (-128, 0), (0, 128)])
@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3031"])
def test_a_pole_on_the_corner_or_edge_of_a_tile(crs, corner):
    left, top = corner[0] * 1000, corner[1] * 1000
    placed = locate(Locator(crs, (1000, 0, left, 0, -1000, top)), np.array([[0, 0, 256, 256]]))
    shape = shapely.from_wkb(placed.footprints[0])
    inside = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-300_000, 300_000, (2, 2000))
    longitude, latitude = inside.transform(x, y)
    is_in = (x > left) & (x < left + 256_000) & (y < top) & (y > top - 256_000)
    near = np.minimum(
        np.minimum(np.abs(x - left), np.abs(x - left - 256_000)), np.minimum(np.abs(y - top), np.abs(y - top + 256_000))
    )
    sure = near > 500  # half a pixel
    assert np.array_equal(shapely.contains_xy(shape, longitude, latitude)[sure], is_in[sure])


def test_the_whole_world():
    for crs, affine, size, north in (
        ("EPSG:4326", (1, 0, -180, 0, -1, 90), (360, 180), 90),
        ("EPSG:4326", (0.25, 0, -0.125, 0, -0.25, 90.125), (1440, 721), 90),
        (
            "EPSG:3857",
            (156_543.033928041, 0, -20_037_508.342789244, 0, -156_543.033928041, 20_037_508.342789244),
            (256, 256),
            85.0511287798,
        ),
    ):
        placed = locate(Locator(crs, affine), np.array([[0, 0, *size]]))
        assert np.allclose(placed.bounds[0], (-180, -north, 180, north)), crs
        shape = shapely.from_wkb(placed.footprints[0])
        assert shape.is_valid
        assert shape.area == pytest.approx(360 * 2 * north)


def test_every_tile_of_a_polar_scene_agrees_with_pyproj():
    """The pole lies inside one tile; its neighbours swing widely in longitude."""
    affine = (1000, 0, -700_000, 0, -1000, 650_000)
    windows = np.array(list(plan(1400, 1400, tile=256, overlap=0.25, levels=1)[0].windows()))
    placed = locate(Locator("EPSG:3413", affine), windows)
    to_wgs84 = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True)
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-700_000, 700_000, (2, 400))
    longitude, latitude = to_wgs84.transform(x, y)
    column, row = (x + 700_000) / 1000, (650_000 - y) / 1000
    for window, footprint in zip(windows, placed.footprints, strict=True):
        shape = shapely.from_wkb(footprint)
        assert shape.is_valid
        c, r = column - window[0], row - window[1]
        depth = np.minimum(np.minimum(c, 256 - c), np.minimum(r, 256 - r))
        inside = shapely.contains_xy(shape, longitude, latitude)
        assert inside[depth > 0.5].all()
        assert not inside[depth < -0.5].any()


@pytest.mark.parametrize(
    ("crs", "affine"),
    [
        ("EPSG:4326", (1, 0, 500_000, 0, -1, 4_000_000)),
        ("EPSG:4326", (1, 0, 0, 0, -1, 200)),
        ("EPSG:32631", (10, 0, 1e30, 0, -10, 1e30)),
        ("EPSG:32631", (10, 0, float("inf"), 0, -10, 0)),
    ],
)
def test_nowhere_is_unlocated(crs, affine):
    try:
        placed = locate(Locator(crs, affine), np.array([[0, 0, 256, 256]]))
    except ValueError:
        return
    assert placed.footprints == [None]
    assert placed.bounds == [None]
    assert np.isnan(placed.gsd_m).all()


@pytest.mark.parametrize(
    ("crs", "affine"),
    [
        ('LOCAL_CS["site",UNIT["metre",1]]', (1, 0, 0, 0, -1, 0)),
        ("no such thing", (1, 0, 0, 0, -1, 0)),
        ("EPSG:32631", (0, 0, 0, 0, 0, 0)),
        ("EPSG:32631", (float("nan"), 0, 0, 0, -1, 0)),
    ],
)
def test_what_is_no_georeference_is_refused(crs, affine):
    with pytest.raises(ValueError):
        Locator(crs, affine)


def control_points(function, places):
    return [ControlPoint(column=c, row=r, x=function(c, r)[0], y=function(c, r)[1]) for c, r in places]


GRID = [(0, 0), (500, 0), (1000, 0), (0, 400), (500, 400), (1000, 400), (0, 800), (500, 800), (1000, 800)]


def bent(c, r):
    return 500_000 + 10 * c + 2 * r + 1e-4 * c * r, 5_000_000 + c - 10 * r + 2e-4 * r * r


@pytest.mark.parametrize(
    ("places", "function"), [(GRID, bent), (GRID[:1] + GRID[2:3] + GRID[8:], bent), (GRID[:4], bent)]
)
def test_control_points_as_gdal_fits_them(places, function):
    points = control_points(function, places)
    locator = Locator("EPSG:32631", control_points=points)
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True)
    columns, rows = np.array([10.0, 700.0, 990.0]), np.array([20.0, 300.0, 790.0])
    x, y = to_utm.transform(*locator(columns, rows))
    gcps = [GroundControlPoint(row=p.row, col=p.column, x=p.x, y=p.y) for p in points]
    with GCPTransformer(gcps) as reference:
        true_x, true_y = reference.xy(rows, columns, offset="ul")
    assert np.abs(np.asarray(x) - true_x).max() < 1.0  # a tenth of a pixel of 10 m
    assert np.abs(np.asarray(y) - true_y).max() < 1.0


def test_control_points_on_both_sides_of_180():
    points = [
        ControlPoint(column=0, row=0, x=179.5, y=-16),
        ControlPoint(column=100, row=0, x=-179.5, y=-16),
        ControlPoint(column=0, row=100, x=179.5, y=-17),
        ControlPoint(column=100, row=100, x=-179.5, y=-17),
    ]
    placed = locate(Locator("EPSG:4326", control_points=points), np.array([[0, 0, 100, 100]]))
    assert np.allclose(placed.bounds[0], (179.5, -17, -179.5, -16))


@pytest.mark.parametrize("places", [[], [(0, 0), (1, 1)], [(0, 0), (10, 10), (20, 20), (30, 30)], [(5, 5)] * 7])
def test_control_points_that_determine_nothing(places):
    with pytest.raises(ValueError):
        Locator("EPSG:32631", control_points=control_points(bent, places))


def test_footprints_of_a_large_scene_cost_less_than_a_second():
    windows = np.array(list(plan(20_000, 20_000, tile=256, overlap=0.25, levels=1)[0].windows()))
    assert len(windows) == 104 * 104
    locator = Locator("EPSG:32631", (0.5, 0, 500_000, 0, -0.5, 5_000_000))
    started = time.process_time()
    placed = locate(locator, windows)
    assert time.process_time() - started < 1.0
    assert None not in placed.footprints


@settings(max_examples=60, deadline=None)
@given(
    zone=st.integers(1, 60),
    easting=st.floats(170_000, 830_000),
    northing=st.floats(100_000, 9_000_000),
    angle=st.floats(0, 6.28),
    gsd=st.sampled_from([0.1, 1.0, 10.0, 60.0]),
)
def test_any_rotated_utm_tile_contains_its_centre_and_nothing_beyond_its_edge(zone, easting, northing, angle, gsd):
    a, b = gsd * np.cos(angle), gsd * np.sin(angle)
    crs = f"EPSG:{32600 + zone}"
    affine = (a, b, easting, b, -a, northing)
    placed = locate(Locator(crs, affine), np.array([[0, 0, 256, 256]]))
    shape = shapely.from_wkb(placed.footprints[0])
    to_wgs84 = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    near_edge = np.array([[0.5, 0.5], [255.5, 0.5], [128, 255.5], [0.5, 128], [128, 128]])
    beyond = np.array([[-0.5, 128], [256.5, 128], [128, -0.5], [128, 256.5], [-0.5, -0.5]])
    for points, expected in ((near_edge, True), (beyond, False)):
        u, v = points.T
        longitude, latitude = to_wgs84.transform(a * u + b * v + easting, b * u - a * v + northing)
        assert (shapely.contains_xy(shape, longitude, latitude) == expected).all()
