"""What part of the archive a query looks at: places, times and sources, as one value applied *during* search.

Longitudes and latitudes are compared as plane coordinates in [-180, 180] x [-90, 90]. A box or polygon across 180
degrees is split here, once; nothing behind this file needs to know.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.rows import NO_TIME, as_microseconds
from geoglot.core.errors import UsageError
from geoglot.core.records import Bounds

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_MOST_VERTICES = 10_000


class Columns(Protocol):
    """What a filter looks at: columns of N rows, see :class:`geoglot.archive.rows.Rows`."""

    @property
    def ids(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def bounds(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def times(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def gsd(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def source(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def footprints(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def footprint_ends(self) -> NDArray[np.int64]: ...  # noqa: D102


class SourceNames(Protocol):
    """The names of S sources."""

    def matching(self, test: Callable[[str], bool]) -> NDArray[np.bool_]:
        """(S,) bool: which sources have a path that passes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Rows must meet every condition that is given.

    Attributes:
        boxes: Boxes in degrees that do not cross 180 (a tile's bounds must meet one of them); empty means anywhere.
        polygon: A geometry (tiles' footprints must meet it), within [-180, 180].
        after: Earliest acquisition time, included; rows without a time do not pass.
        before: Latest acquisition time, excluded.
        sources: Globs (``*``, ``?``, ``[...]``) or prefixes of paths; a row must match one of them.
        gsd: Least and greatest ground sample distance, metres per pixel, both included; rows without one do not pass.
        ids: (M, 16) uint8, rows by identifier: those whose captions say something.
    """

    boxes: tuple[Bounds, ...] = ()
    polygon: BaseGeometry | None = None
    after: datetime | None = None
    before: datetime | None = None
    sources: tuple[str, ...] = ()
    gsd: tuple[float, float] | None = None
    ids: NDArray[np.uint8] | None = field(default=None, compare=False)

    @classmethod
    def from_options(
        cls,
        *,
        bbox: Bounds | Sequence[float] | None = None,
        polygon: Mapping[str, Any] | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        sources: Sequence[str] = (),
        gsd: Sequence[float] | None = None,
    ) -> Filter:
        """A filter from what users write.

        Args:
            bbox: West, south, east, north in degrees; west > east means across 180 degrees.
            polygon: GeoJSON geometry, feature or feature collection (Polygon or MultiPolygon).
            after: Earliest acquisition time, included.
            before: Latest acquisition time, excluded.
            sources: Globs or prefixes of paths.
            gsd: Least and greatest ground sample distance, metres per pixel.

        Raises:
            UsageError: A value makes no sense.

        Example:
            >>> Filter.from_options(bbox=(179, -18, -179, -16)).boxes
            (Bounds(west=179.0, south=-18.0, east=180.0, north=-16.0), Bounds(west=-180.0, south=-18.0, east=-179.0, north=-16.0))
        """  # noqa: E501 (one output, one line)
        if after is not None and before is not None and as_microseconds(after) >= as_microseconds(before):
            raise UsageError(
                f"{after} .. {before}", cause="is empty", remedy="give 'after' an earlier time than 'before'"
            )
        return cls(
            boxes=() if bbox is None else split_box(bbox),
            polygon=None if polygon is None else split_polygon(polygon),
            after=after,
            before=before,
            sources=tuple(sources),
            gsd=None if gsd is None else _distances(gsd),
        )

    @property
    def empty(self) -> bool:
        """Whether there is no condition at all."""
        anywhere = not self.boxes and self.polygon is None
        always = self.after is None and self.before is None
        return anywhere and always and not self.sources and self.gsd is None and self.ids is None

    def mask(self, columns: Columns, sources: SourceNames) -> NDArray[np.bool_]:
        """Which rows pass.

        Args:
            columns: N rows.
            sources: The names behind the numbers of ``columns.source``.

        Returns:
            (N,) bool.
        """
        mask: NDArray[np.bool_] = np.ones(len(columns.times), bool)
        if self.after is not None:
            mask &= columns.times >= as_microseconds(self.after)
        if self.before is not None:
            mask &= (columns.times < as_microseconds(self.before)) & (columns.times != NO_TIME)
        if self.gsd is not None:
            mask &= (columns.gsd >= self.gsd[0]) & (columns.gsd <= self.gsd[1])  # not a number passes neither
        if self.boxes:
            mask &= _meets_any(columns.bounds, self.boxes)
        if self.sources:
            mask &= sources.matching(path_test(self.sources))[columns.source]
        if self.ids is not None:
            mask &= ids_among(columns.ids, self.ids)
        if self.polygon is not None:
            mask &= self._meets_polygon(columns, mask)
        return mask

    def _meets_polygon(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        import shapely

        assert self.polygon is not None  # noqa: S101 (the caller has looked)
        parts = [Bounds(*(float(v) for v in part.bounds)) for part in shapely.get_parts(self.polygon)]
        candidates = np.flatnonzero(mask & _meets_any(columns.bounds, parts))
        result = np.zeros(len(mask), bool)
        shapely.prepare(self.polygon)
        # in pieces, so that memory stays flat however many candidates there are
        for start in range(0, len(candidates), 50_000):
            piece = candidates[start : start + 50_000]
            data = bytes(columns.footprints[columns.footprint_ends[piece[0]] : columns.footprint_ends[piece[-1] + 1]])
            base = int(columns.footprint_ends[piece[0]])
            begins = (columns.footprint_ends[piece] - base).tolist()
            ends = (columns.footprint_ends[piece + 1] - base).tolist()
            shapes = shapely.from_wkb([data[b:e] if e > b else None for b, e in zip(begins, ends, strict=True)])
            result[piece] = shapely.intersects(self.polygon, shapes)
        return result


def _distances(given: Sequence[float]) -> tuple[float, float]:
    """Two ground sample distances in order.

    Raises:
        UsageError: They are not two numbers, or out of order.
    """
    remedy = "give the least and the greatest in metres per pixel, such as 0.1,0.5"
    if len(given) != 2 or not all(np.isfinite(given)) or not 0 <= given[0] <= given[1]:
        text = ",".join(f"{value}" for value in given)
        raise UsageError(f"gsd={text}", cause="is no range of ground sample distances", remedy=remedy)
    return float(given[0]), float(given[1])


def ids_among(ids: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which identifiers are among others; identifiers are digests, so that both halves tell as much as the whole.

    Args:
        ids: (N, 16).
        wanted: (M, 16).

    Returns:
        (N,) bool.

    Example:
        >>> ids = np.arange(48, dtype=np.uint8).reshape(3, 16)
        >>> ids_among(ids, ids[[2, 0]])
        array([ True, False,  True])
    """
    own, others = (np.ascontiguousarray(some).view("<u8").reshape(-1, 2) for some in (ids, wanted))
    found: NDArray[np.bool_] = np.isin(own[:, 0], others[:, 0])
    chosen = np.flatnonzero(found)
    found[chosen] = np.isin(own[chosen, 1], others[:, 1])
    return found


def _meets_any(bounds: NDArray[np.float64], boxes: Sequence[Bounds]) -> NDArray[np.bool_]:
    west, south, east, north = bounds
    across = west > east
    some_across = bool(across.any())
    result: NDArray[np.bool_] = np.zeros(len(west), bool)
    for box in boxes:
        before, after = west <= box.east, east >= box.west
        meets = np.where(across, before | after, before & after) if some_across else before & after
        meets &= south <= box.north
        meets &= north >= box.south
        result |= meets
    return result


def path_test(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A function that says whether a path matches one of the globs or begins with one of the prefixes.

    Example:
        >>> matches = path_test(["/images/2024", "*.png"])
        >>> matches("/images/2024/a.tif"), matches("/b.png"), matches("/images/2023/a.tif")
        (True, True, False)
    """
    prefixes = tuple(pattern for pattern in patterns if not set(pattern) & set("*?["))
    globs = [fnmatch.translate(pattern) for pattern in patterns if set(pattern) & set("*?[")]
    if not globs:
        return lambda path: path.startswith(prefixes)
    match = re.compile("|".join(globs)).match
    return lambda path: path.startswith(prefixes) or match(path) is not None


def split_box(box: Sequence[float]) -> tuple[Bounds, ...]:
    """A box as one or two boxes that do not cross 180 degrees.

    Raises:
        UsageError: Not four finite numbers, latitudes out of order or range, longitudes out of [-360, 360].

    Example:
        >>> split_box((170, 0, 190, 10))
        (Bounds(west=170.0, south=0.0, east=180.0, north=10.0), Bounds(west=-180.0, south=0.0, east=-170.0, north=10.0))
    """
    text = ",".join(f"{value}" for value in box)
    remedy = "write west,south,east,north in degrees, e.g. 13.0,52.3,13.8,52.7"
    if len(box) != 4 or not all(np.isfinite(box)):
        raise UsageError(text, cause="is not a box of four numbers", remedy=remedy)
    west, south, east, north = (float(value) for value in box)
    if not -90 <= south <= north <= 90:
        raise UsageError(text, cause="has latitudes out of order or beyond 90 degrees", remedy=remedy)
    if not (-360 <= west <= 360 and -360 <= east <= 360):
        raise UsageError(text, cause="has longitudes beyond 360 degrees", remedy=remedy)
    if east - west >= 360:
        return (Bounds(-180.0, south, 180.0, north),)
    if west < -180 or west > 180 or east < -180 or east > 180:
        west, east = _wrapped(west), _wrapped(east)
    if west <= east:
        return (Bounds(west, south, east, north),)
    return Bounds(west, south, 180.0, north), Bounds(-180.0, south, east, north)


def _wrapped(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def split_polygon(mapping: Mapping[str, Any]) -> BaseGeometry:
    """A GeoJSON polygon as a geometry within [-180, 180].

    A ring that steps over more than 180 degrees of longitude at once, or goes beyond 180, runs across the
    antimeridian: it is unrolled and cut there.

    Raises:
        UsageError: Not a polygon, not valid, empty, or with more than 10,000 vertices.
    """
    import shapely
    from shapely.affinity import translate
    from shapely.geometry import shape

    remedy = "give a GeoJSON Polygon or MultiPolygon in degrees (WGS84)"
    try:
        kind = mapping.get("type")
        if kind == "FeatureCollection":
            parts = [shape(feature["geometry"]) for feature in mapping["features"]]
        else:
            parts = [shape(dict(mapping["geometry"] if kind == "Feature" else mapping))]
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise UsageError("polygon", cause=f"is not GeoJSON ({error})", remedy=remedy) from error
    polygons = [part for geometry in parts for part in shapely.get_parts(geometry)]
    if not polygons or any(part.geom_type != "Polygon" or part.is_empty for part in polygons):
        raise UsageError("polygon", cause="holds no polygon, or something else too", remedy=remedy)
    if shapely.get_num_coordinates(polygons).sum() > _MOST_VERTICES:
        raise UsageError("polygon", cause=f"has more than {_MOST_VERTICES:,} vertices", remedy="simplify it")
    coordinates = shapely.get_coordinates(polygons)
    if not np.isfinite(coordinates).all() or (np.abs(coordinates) > (360, 90)).any():
        raise UsageError("polygon", cause="has coordinates that are not degrees", remedy=remedy)
    world = shapely.box(-180, -90, 180, 90)
    pieces: list[BaseGeometry] = []
    for polygon in polygons:
        unrolled = _unrolled(polygon)
        if not unrolled.is_valid:
            raise UsageError("polygon", cause=f"is not valid ({shapely.is_valid_reason(unrolled)})", remedy=remedy)
        pieces += [translate(unrolled, turn).intersection(world) for turn in (-720, -360, 0, 360, 720)]
    whole = shapely.union_all([piece for piece in pieces if piece.area > 0])
    if whole.is_empty:
        raise UsageError("polygon", cause="has no area", remedy=remedy)
    return whole


def _unrolled(polygon: Any) -> Any:
    import shapely

    def unroll(ring: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = np.diff(ring[:, 0])
        turned = np.where(np.abs(steps) == 360, 0, -np.round(steps / 360))  # an edge from -180 to 180 spans the world
        turns = np.concatenate([[0.0], np.cumsum(turned)]) * 360
        return np.column_stack([ring[:, 0] + turns, ring[:, 1]])

    rings = [shapely.get_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)]
    unrolled = [unroll(ring) for ring in rings]
    outer = unrolled[0]
    middle = outer[:, 0].mean()
    turns = [360 * np.round((middle - hole[:, 0].mean()) / 360) for hole in unrolled[1:]]
    holes = [hole + np.array([turn, 0.0]) for hole, turn in zip(unrolled[1:], turns, strict=True)]
    return shapely.Polygon(outer, holes)
