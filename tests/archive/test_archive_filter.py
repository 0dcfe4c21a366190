"""Filters against a naive oracle: one shapely test per row and box, no vectors, no shortcuts."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from samples import content, located, unit

from geoglot.archive.filter import Filter, path_test, split_box, split_polygon
from geoglot.archive.rows import Rows, rows_of
from geoglot.archive.search import SegmentNames
from geoglot.core.errors import UsageError
from geoglot.core.records import Bounds, Tile, Window

Piece = tuple[float, float, float, float]


def pieces(west: float, south: float, east: float, north: float) -> list[Piece]:
    """A box as the plane sees it."""
    if west <= east:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def naive_meet(a: Bounds, b: Bounds) -> bool:
    return any(shapely.box(*x).intersects(shapely.box(*y)) for x in pieces(*a) for y in pieces(*b))


def rows_at(tiles: list[Tile]) -> Rows:
    vectors = unit(np.ones((len(tiles), 4)))
    return rows_of(content("x"), "/x", tiles, vectors, bundle_sha256="cd" * 32, preprocessing=1)


def mask(condition: Filter, rows: Rows) -> list[bool]:
    return [bool(value) for value in condition.mask(rows, SegmentNames(rows.sources, {}))]


# quarters of a degree are exact in binary, so touching is touching for oracle and code alike
latitude = st.integers(-360, 360).map(lambda value: value / 4)
longitude = st.integers(-720, 720).map(lambda value: value / 4)


@st.composite
def boxes(draw: Any) -> Bounds:
    """Half of them cross 180 degrees or touch a pole."""
    west, east = draw(longitude), draw(longitude)
    south, north = sorted((draw(latitude), draw(latitude)))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        west, east = max(west, east), min(west, east)
    elif kind == 1:
        south, north = (-90.0, north) if draw(st.booleans()) else (south, 90.0)
    else:
        west, east = min(west, east), max(west, east)
    return Bounds(west, south, east, north)


def box_footprint(box: Bounds) -> bytes:
    parts = [shapely.box(*piece) for piece in pieces(*box)]
    return bytes(shapely.to_wkb(parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)))


@settings(max_examples=150, deadline=None)
@given(query=boxes(), tiles=st.lists(boxes(), min_size=1, max_size=12))
def test_boxes_against_the_oracle(query: Bounds, tiles: list[Bounds]) -> None:
    records = [Tile(window=Window(0, n, 1, 1), bounds=box) for n, box in enumerate(tiles)]
    records.append(Tile(window=Window(0, 99, 1, 1)))  # unlocated: never inside
    got = mask(Filter.from_options(bbox=query), rows_at(records))
    assert got == [*(naive_meet(query, box) for box in tiles), False]


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.tuples(st.floats(-60, 60), st.floats(-60, 60)), min_size=3, max_size=6),
    shift=st.sampled_from([0.0, 150.0, 180.0, -170.0]),
    tiles=st.lists(boxes(), min_size=1, max_size=8),
    turned=st.booleans(),
)
def test_polygons_against_the_oracle(
    corners: list[tuple[float, float]], shift: float, tiles: list[Bounds], turned: bool
) -> None:
    """A convex polygon around `shift`, written beyond 180 or with a jump; the oracle moves the tiles instead of it."""
    hull = shapely.MultiPoint(corners).convex_hull
    if hull.geom_type != "Polygon" or hull.area < 1e-6:
        return
    ring = shapely.get_coordinates(hull) + np.array([shift, 0.0])
    written = ring.copy()
    if turned:
        written[:, 0] = (written[:, 0] + 180) % 360 - 180
        if (np.abs(np.diff(written[:, 0])) == 180).any():
            return
    records = [Tile(window=Window(0, n, 1, 1), bounds=box, footprint=box_footprint(box)) for n, box in enumerate(tiles)]
    condition = Filter.from_options(polygon={"type": "Polygon", "coordinates": [written.tolist()]})
    got = mask(condition, rows_at(records))
    polygon = shapely.Polygon(ring)
    for box, passed in zip(tiles, got, strict=True):
        copies = [
            shapely.box(west + turn, south, east + turn, north)
            for west, south, east, north in pieces(*box)
            for turn in (-360, 0, 360)
        ]
        distance = min(polygon.distance(copy) for copy in copies)
        depth = max(polygon.intersection(copy).area for copy in copies)
        if depth > 1e-9:
            assert passed
        elif distance > 1e-9:
            assert not passed
        # between the two they touch, and rounding decides


def test_a_box_is_split_once_and_longitudes_are_wrapped() -> None:
    assert split_box((170, -10, -170, 10)) == (Bounds(170, -10, 180, 10), Bounds(-180, -10, -170, 10))
    assert split_box((190, 0, 200, 1)) == (Bounds(-170, 0, -160, 1),)
    assert split_box((-190, 0, -170, 1)) == (Bounds(170, 0, 180, 1), Bounds(-180, 0, -170, 1))
    assert split_box((-180, -90, 180, 90)) == (Bounds(-180, -90, 180, 90),)
    assert split_box((0, -90, 360, 90)) == (Bounds(-180, -90, 180, 90),)
    assert split_box((5, 5, 5, 5)) == (Bounds(5, 5, 5, 5),)


@pytest.mark.parametrize(
    ("box", "cause"),
    [
        ((1, 2, 3), "four numbers"),
        ((0, 10, 1, 5), "latitudes out of order"),
        ((0, -91, 1, 5), "beyond 90"),
        ((float("nan"), 0, 1, 5), "four numbers"),
        ((0, 0, float("inf"), 5), "four numbers"),
        ((0, 0, 400, 5), "longitudes beyond 360"),
        ((52.3, 13.0, 52.7, 113.8), "beyond 90"),  # latitude and longitude swapped
    ],
)
def test_boxes_that_make_no_sense_are_refused(box: tuple[float, ...], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        Filter.from_options(bbox=box)


def ring(*corners: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(corner) for corner in (*corners, corners[0])]]}


@pytest.mark.parametrize(
    ("polygon", "cause"),
    [
        ({}, "is not GeoJSON"),
        ({"type": "Nonsense"}, "is not GeoJSON"),
        ({"type": "Point", "coordinates": [0, 0]}, "holds no polygon"),
        ({"type": "FeatureCollection", "features": []}, "holds no polygon"),
        (ring((0, 0), (2, 2), (2, 0), (0, 2)), "is not valid"),
        (ring((0, 0), (1, 1), (2, 2)), "is not valid|no area"),
        (ring((0, 0), (500, 0), (0, 1)), "not degrees"),
        (ring((0, 0), (0, 91), (1, 0)), "not degrees"),
        ({"type": "Polygon", "coordinates": [[[n / 1e3, 0] for n in range(10_001)] + [[0, 1], [0, 0]]]}, "10,000"),
    ],
)
def test_polygons_that_make_no_sense_are_refused(polygon: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        Filter.from_options(polygon=polygon)


def test_the_whole_world_as_a_polygon_is_the_whole_world() -> None:
    assert split_polygon(ring((-180, -90), (180, -90), (180, 90), (-180, 90))).area == 360 * 180


def test_a_hole_across_180_degrees_stays_a_hole() -> None:
    outer = [[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]]
    inner = [[178, -2], [178, 2], [-178, 2], [-178, -2], [178, -2]]
    shape = split_polygon({"type": "Polygon", "coordinates": [outer, inner]})
    assert shape.area == pytest.approx(20 * 20 - 4 * 4)
    tiles = [located(179, -1, 0.5, window=Window(0, 0, 1, 1)), located(175, -1, 0.5, window=Window(0, 1, 1, 1))]
    assert mask(Filter(polygon=shape), rows_at(tiles)) == [False, True]


def test_features_and_collections_are_taken() -> None:
    square = ring((0, 0), (1, 0), (1, 1), (0, 1))
    feature = {"type": "Feature", "geometry": square, "properties": None}
    for mapping in (square, feature, {"type": "FeatureCollection", "features": [feature, feature]}):
        assert split_polygon(mapping).area == pytest.approx(1)


def test_times_are_half_open_and_unknown_times_do_not_pass() -> None:
    day = datetime(2024, 1, 1, tzinfo=UTC)
    tiles = [Tile(window=Window(0, n, 1, 1), time=day + timedelta(days=n)) for n in range(4)]
    rows = rows_at([*tiles, Tile(window=Window(0, 9, 1, 1))])
    assert mask(Filter.from_options(after=day + timedelta(days=1)), rows) == [False, True, True, True, False]
    assert mask(Filter.from_options(before=day + timedelta(days=2)), rows) == [True, True, False, False, False]
    both = Filter.from_options(after=datetime(2024, 1, 2), before=datetime(2024, 1, 3))  # without a zone: UTC
    assert mask(both, rows) == [False, True, False, False, False]
    with pytest.raises(UsageError, match="is empty"):
        Filter.from_options(after=day, before=day)


def test_sources_by_prefix_and_glob_and_by_where_they_are_now() -> None:
    names = SegmentNames([("a", "/data/x.tif"), ("b", "/data/y.png"), ("c", "/old/z.tif")], {"c": ["/data/new/z.tif"]})
    for patterns, expected in (
        (["/data/"], [True, True, True]),
        (["/old"], [False, False, False]),
        (["*.tif"], [True, False, True]),
        (["/data/?.png", "/data/new"], [False, True, True]),
        (["/data/[xy].*"], [True, True, False]),
    ):
        assert names.matching(path_test(patterns)).tolist() == expected


def test_a_million_rows_take_tens_of_milliseconds() -> None:
    count = 1_000_000
    generator = np.random.default_rng(0)
    west = generator.uniform(-180, 179, count)
    south = generator.uniform(-90, 89, count)

    class Columns:
        bounds = np.stack([west, south, west + 0.01, south + 0.01])
        times = generator.integers(0, 10**15, count)
        source = np.zeros(count, np.int32)

    condition = Filter.from_options(bbox=(170, -20, -170, 20), after=datetime(1990, 1, 1))
    names = SegmentNames([("a", "/x")], {})
    condition.mask(Columns, names)  # type: ignore[arg-type]
    spent = []
    for _ in range(5):
        started = time.process_time()
        condition.mask(Columns, names)  # type: ignore[arg-type]
        spent.append(time.process_time() - started)
    assert min(spent) < 0.08
