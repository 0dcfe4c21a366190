"""Where a window lies on Earth: footprint polygon, bounds and ground sample distance, for many windows at once.

Conventions: (column, row) is the top-left corner of a pixel, so a window's outline runs through whole numbers.
Longitudes and latitudes are WGS84 degrees in that order. A ring is a chain of straight lines in longitude and
latitude; edges get as many points as it takes for the chain to stay within a tenth of a pixel of the true edge.

A footprint that crosses 180 degrees becomes a multi-polygon split there, and its bounds have west > east. One that
holds a pole becomes the polygon between its ring and the pole's latitude, with bounds from -180 to 180.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Bounds
from geoglot.geo.ring import POLE_LATITUDE, polygon_bounds, polygon_bytes, ring_to_polygon

if TYPE_CHECKING:
    import pyproj

Floats = NDArray[np.float64]

_CHORD_TOLERANCE_PX = 0.1
_MOST_SEGMENTS = 256
_METRES_PER_DEGREE = 111_320.0
_WIDEST_STEP_DEGREES = 90.0


@dataclass(frozen=True, kw_only=True)
class ControlPoint:
    """A ground control point: pixel (column, row) lies at (x, y) of a coordinate reference system."""

    column: float
    row: float
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where N windows lie. An unlocated window has ``None``, ``None`` and NaN.

    Attributes:
        footprints: Well-known binary of a polygon or multi-polygon.
        bounds: West, south, east, north.
        gsd_m: (N,) metres per full-resolution pixel at the window's centre.
    """

    footprints: list[bytes | None]
    bounds: list[Bounds | None]
    gsd_m: Floats


class Locator:
    """From pixels of one source to longitude and latitude.

    Args:
        crs: Coordinate reference system, anything that pyproj reads.
        transform: Affine (a, b, c, d, e, f): x = a*column + b*row + c, y = d*column + e*row + f.
        control_points: Used instead of the transform: a polynomial of degree 1 (3 to 5 points) or 2 (6 and more)
            is fitted by least squares, the degrees that GDAL chooses.

    Raises:
        ValueError: The system is unknown or local, or the points do not determine a polynomial.

    Example:
        >>> place = Locator("EPSG:32631", (10.0, 0.0, 500000.0, 0.0, -10.0, 0.0))
        >>> longitude, latitude = place(np.array([0.0]), np.array([0.0]))
        >>> round(float(longitude[0]), 6), round(float(latitude[0]), 6)
        (3.0, 0.0)
    """

    def __init__(
        self,
        crs: str,
        transform: Sequence[float] | None = None,
        *,
        control_points: Sequence[ControlPoint] = (),
    ) -> None:
        import pyproj
        from pyproj.exceptions import ProjError

        try:
            self._crs = _horizontal(pyproj.CRS.from_user_input(crs))
            self._transformer = pyproj.Transformer.from_crs(self._crs, "EPSG:4326", always_xy=True)
        except ProjError as error:
            message = f"no way from this coordinate system to WGS84: {error}"
            raise ValueError(message) from error
        self._degrees_per_unit = _degrees_per_unit(self._crs)
        if transform is not None:
            a, b, c, d, e, f = (float(value) for value in transform)
            if not np.isfinite([a, b, c, d, e, f]).all() or a * e - b * d == 0:
                raise ValueError("the geotransform is not invertible")
            self._to_plane: _Affine | _Polynomial = _Affine(a, b, c, d, e, f)
        else:
            turn = 360 / self._degrees_per_unit if self._degrees_per_unit else None
            self._to_plane = _Polynomial(control_points, turn=turn)

    @property
    def name(self) -> str:
        """``EPSG:n`` where the system has such a code, else WKT."""
        authority = self._crs.to_authority(min_confidence=100)
        return ":".join(authority) if authority else str(self._crs.to_wkt())

    def __call__(self, column: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Longitude (continuous across 180 where the source's own is) and latitude; NaN where there is no place."""
        x, y = self._to_plane(column, row)
        longitude, latitude = self._transformer.transform(x, y)
        longitude, latitude = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
        if self._degrees_per_unit:
            native = x * self._degrees_per_unit
            longitude = native + _wrapped(longitude - native)
        with np.errstate(invalid="ignore"):
            nowhere = ~(np.isfinite(longitude) & (np.abs(latitude) <= 91.0) & (np.abs(longitude) <= 900.0))
        longitude = np.where(nowhere, np.nan, longitude)
        return longitude, np.where(nowhere, np.nan, np.clip(latitude, -90.0, 90.0))

    @property
    def is_geographic(self) -> bool:
        """Whether the source's own axes are longitude and latitude."""
        return self._degrees_per_unit != 0


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """The two-dimensional part: heights play no role, and compound systems have crashed transformations."""
    while crs.is_compound:
        crs = crs.sub_crs_list[0]
    return crs.to_2d() if len(crs.axis_info) > 2 else crs


def _degrees_per_unit(crs: pyproj.CRS) -> float:
    """Degrees per unit of a system whose axes are longitude and latitude, else 0 (projected, rotated pole)."""
    if not crs.is_geographic or crs.is_derived:
        return 0.0
    factors = [axis.unit_conversion_factor for axis in crs.axis_info]
    return float(np.degrees(factors[0])) if factors and factors[0] else 1.0


class _Affine:
    def __init__(self, a: float, b: float, c: float, d: float, e: float, f: float) -> None:
        self._a, self._b, self._c, self._d, self._e, self._f = a, b, c, d, e, f

    def __call__(self, column: Floats, row: Floats) -> tuple[Floats, Floats]:
        x = self._a * column + self._b * row + self._c
        return x, self._d * column + self._e * row + self._f


class _Polynomial:
    """Least-squares polynomial through ground control points, in normalised coordinates."""

    def __init__(self, points: Sequence[ControlPoint], *, turn: float | None) -> None:
        if len(points) < 3:
            raise ValueError(f"{len(points)} ground control points do not determine a place")
        pixel = np.array([(p.column, p.row) for p in points], np.float64)
        plane = np.array([(p.x, p.y) for p in points], np.float64)
        if not (np.isfinite(pixel).all() and np.isfinite(plane).all()):
            raise ValueError("a ground control point is not finite")
        if turn:  # longitudes on both sides of 180 must not be averaged
            plane[:, 0] = plane[0, 0] + (plane[:, 0] - plane[0, 0] + turn / 2) % turn - turn / 2
        self._centre, self._spread = pixel.mean(axis=0), np.maximum(np.ptp(pixel, axis=0), 1e-9)
        self._origin = plane.mean(axis=0)
        for degree in (2, 1) if len(points) >= 6 else (1,):
            design = self._terms(pixel[:, 0], pixel[:, 1], degree)
            solution, _, rank, _ = np.linalg.lstsq(design, plane - self._origin, rcond=1e-10)
            if rank == design.shape[1]:
                self._degree, self._coefficients = degree, solution
                return
        raise ValueError("the ground control points lie on one line")

    def _terms(self, column: Floats, row: Floats, degree: int) -> Floats:
        u = (column - self._centre[0]) / self._spread[0]
        v = (row - self._centre[1]) / self._spread[1]
        terms = [np.ones_like(u), u, v]
        if degree == 2:
            terms += [u * u, u * v, v * v]
        return np.stack(terms, axis=-1)

    def __call__(self, column: Floats, row: Floats) -> tuple[Floats, Floats]:
        plane = self._terms(column, row, self._degree) @ self._coefficients + self._origin
        return plane[..., 0], plane[..., 1]


def locate(locator: Locator, windows: NDArray[np.int64]) -> Placed:
    """Place windows of one source.

    Args:
        locator: The source's locator.
        windows: (N, 4) column, row, width, height in full-resolution pixels.

    Returns:
        Footprints, bounds and ground sample distances, in the order of the windows.

    Example:
        >>> place = Locator("EPSG:4326", (0.1, 0.0, 10.0, 0.0, -0.1, 50.0))
        >>> placed = locate(place, np.array([[0, 0, 10, 10]]))
        >>> [round(edge, 9) for edge in placed.bounds[0]]
        [10.0, 49.0, 11.0, 50.0]
    """
    boxes = np.asarray(windows, np.float64).reshape(-1, 4)
    footprints: list[bytes | None] = [None] * len(boxes)
    bounds: list[Bounds | None] = [None] * len(boxes)
    gsd_m, centre = _centres(locator, boxes)
    pending = np.flatnonzero(np.isfinite(gsd_m))
    segments = 1
    while len(pending):
        rings = _rings(locator, boxes[pending], 2 * segments)
        lost = ~np.isfinite(rings).all(axis=(1, 2))
        gsd_m[pending[lost]] = np.nan
        good = ~lost
        if segments < _MOST_SEGMENTS:
            good &= _close_enough(rings, gsd_m[pending], is_geographic=locator.is_geographic)
        done = pending[good]
        _emit(done, rings[good, ::2], centre[done], footprints, bounds, is_geographic=locator.is_geographic)
        pending = pending[~(good | lost)]
        segments *= 2
    return Placed(footprints=footprints, bounds=bounds, gsd_m=gsd_m)


def _centres(locator: Locator, windows: Floats) -> tuple[Floats, Floats]:
    """Ground sample distance (geodesic length of a pixel, mean of both directions) and place of the centres."""
    import pyproj

    column, row = windows[:, 0] + windows[:, 2] / 2, windows[:, 1] + windows[:, 3] / 2
    half = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5], [0, 0]])
    points = [locator(column + dc, row + dr) for dc, dr in half]
    geodesic = pyproj.Geod(ellps="WGS84")
    (west, east, north, south, centre) = points
    with np.errstate(invalid="ignore"):
        along_row = np.asarray(geodesic.inv(*west, *east)[2])
        along_column = np.asarray(geodesic.inv(*north, *south)[2])
        gsd = np.sqrt(along_row * along_column)
    gsd[~(np.isfinite(gsd) & (gsd > 0) & np.isfinite(centre[0]))] = np.nan
    return gsd, np.stack(centre, axis=-1)


def _rings(locator: Locator, windows: Floats, segments: int) -> Floats:
    """(N, 4 * segments + 1, 2) closed outlines, longitudes continuous from point to point."""
    step = np.arange(segments) / segments
    zero, one = np.zeros(segments), np.ones(segments)
    across = np.concatenate([zero, step, one, 1 - step, [0]])  # down, right, up, left: anticlockwise on a north-up map
    down = np.concatenate([step, one, 1 - step, zero, [0]])
    column = windows[:, :1] + windows[:, 2:3] * across
    row = windows[:, 1:2] + windows[:, 3:4] * down
    longitude, latitude = locator(column.ravel(), row.ravel())
    longitude, latitude = longitude.reshape(column.shape), latitude.reshape(column.shape)
    if not locator.is_geographic:
        # Whole turns only, so that the last point stays exactly the first.
        with np.errstate(invalid="ignore"):
            longitude[:, 1:] -= 360 * np.cumsum(np.round(np.diff(longitude, axis=1) / 360), axis=1)
    return np.stack([longitude, latitude], axis=-1)


def _close_enough(rings: Floats, gsd_m: Floats, *, is_geographic: bool) -> NDArray[np.bool_]:
    """Whether every other point may be left out of each ring."""
    coarse, fine = rings[:, ::2], rings[:, 1::2]
    off = (coarse[:, :-1] + coarse[:, 1:]) / 2 - fine
    metres = np.hypot(off[..., 0] * np.cos(np.radians(fine[..., 1])), off[..., 1]) * _METRES_PER_DEGREE
    with np.errstate(invalid="ignore"):
        fits = metres.max(axis=1) <= _CHORD_TOLERANCE_PX * gsd_m
        if not is_geographic:  # wide steps could hide a turn round the pole, and a pole has no longitude
            fits &= np.abs(np.diff(rings[..., 0], axis=1)).max(axis=1) < _WIDEST_STEP_DEGREES
            fits &= (np.abs(rings[..., 1]) < POLE_LATITUDE).all(axis=1)
    return np.asarray(fits)


def _emit(
    where: NDArray[np.intp],
    rings: Floats,
    centre: Floats,
    footprints: list[bytes | None],
    bounds: list[Bounds | None],
    *,
    is_geographic: bool,
) -> None:
    """Write rings as polygons: all plain ones in one go, the few at 180 degrees or a pole one by one."""
    rings = rings.copy()
    turns = np.round(centre[:, 0] / 360) + np.round((rings[..., 0].mean(axis=1) - centre[:, 0]) / 360)
    rings[..., 0] -= 360 * turns[:, None]
    plain = (rings[..., 0].min(axis=1) >= -180.0) & (rings[..., 0].max(axis=1) <= 180.0)
    if not is_geographic:
        plain &= np.abs(rings[:, -1, 0] - rings[:, 0, 0]) < 1
        plain &= (np.abs(rings[..., 1]) < POLE_LATITUDE).all(axis=1)
    polygons = zip(where[plain], polygon_bytes(rings[plain]), polygon_bounds(rings[plain]), strict=True)
    for position, wkb, box in polygons:
        footprints[position], bounds[position] = wkb, box
    for index in np.flatnonzero(~plain):
        pole = None if is_geographic else float(np.copysign(90.0, centre[index, 1]))
        footprints[where[index]], bounds[where[index]] = ring_to_polygon(rings[index], pole=pole)


def _wrapped(degrees: Any) -> Any:
    """The same angle in [-180, 180)."""
    return (degrees + 180.0) % 360.0 - 180.0
