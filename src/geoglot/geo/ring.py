"""Rings of longitude and latitude as polygons that a map can draw: split at 180 degrees, closed over a pole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Bounds

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]

POLE_LATITUDE = 90.0 - 1e-7  # within a centimetre of a pole a longitude means nothing
_SEAM_DEGREES = 1e-9  # a tenth of a millimetre: rounding, not a crossing
_POLYGON_HEADER = 13  # byte order, geometry type, number of rings, number of points


def polygon_bytes(rings: Floats) -> list[bytes]:
    """Well-known binary of many rings with the same number of points, exterior anticlockwise.

    Args:
        rings: (N, P, 2) longitude and latitude, closed.

    Example:
        >>> square = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]])
        >>> len(polygon_bytes(square)[0])  # 13 bytes and five points of 16
        93
    """
    count, points = rings.shape[:2]
    closed = rings.copy()
    x, y = closed[..., 0], closed[..., 1]
    # Coordinates relative to the first point: the area of a small ring far from (0, 0) keeps its sign.
    x, y = x - x[:, :1], y - y[:, :1]
    area = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1)
    closed[area < 0] = closed[area < 0, ::-1]
    size = _POLYGON_HEADER + 16 * points
    buffer = np.empty((count, size), np.uint8)
    header = b"\x01" + np.array([3, 1, points], "<u4").tobytes()
    buffer[:, :_POLYGON_HEADER] = np.frombuffer(header, np.uint8)
    buffer[:, _POLYGON_HEADER:] = np.ascontiguousarray(closed, "<f8").view(np.uint8).reshape(count, 16 * points)
    data = buffer.tobytes()
    return [data[start : start + size] for start in range(0, count * size, size)]


def polygon_bounds(rings: Floats) -> list[Bounds]:
    """Bounds of many rings that lie between -180 and 180 degrees."""
    if not len(rings):
        return []
    edges = np.concatenate([rings.min(axis=1), rings.max(axis=1)], axis=1)
    return [Bounds(*row) for row in edges.tolist()]


def ring_to_polygon(ring: Floats, *, pole: float | None) -> tuple[bytes | None, Bounds | None]:
    """One ring that crosses 180 degrees, or runs round (or through) a pole.

    Args:
        ring: (P, 2) longitude and latitude, longitudes continuous along it; the last point is the first again, perhaps
            a full turn on.
        pole: Latitude of the pole that it may hold, 90 or -90; ``None`` where it cannot hold one.

    Returns:
        Well-known binary and bounds (west > east across 180 degrees), or two ``None`` for a ring without area.

    Example:
        >>> fiji = np.array([[179.0, -18.0], [181.0, -18.0], [181.0, -16.0], [179.0, -18.0]])
        >>> ring_to_polygon(fiji, pole=None)[1]
        Bounds(west=179.0, south=-18.0, east=-179.0, north=-16.0)
    """
    import shapely

    ring, holds_pole = (ring, False) if pole is None else _close_over_pole(ring, pole)
    seam = np.round((ring[:, 0] - 180) / 360) * 360 + 180
    ring = np.stack([np.where(np.abs(ring[:, 0] - seam) < _SEAM_DEGREES, seam, ring[:, 0]), ring[:, 1]], axis=-1)
    south, north = float(ring[:, 1].min()), float(ring[:, 1].max())
    west, east = float(ring[:, 0].min()), float(ring[:, 0].max())
    shape: BaseGeometry = shapely.make_valid(shapely.Polygon(ring))
    turns = range(int(np.floor((west + 180) / 360)), int(np.ceil((east + 180) / 360)))
    pieces = [
        shapely.transform(shapely.intersection(shape, shapely.box(-180 + 360 * k, -90, 180 + 360 * k, 90)), _turned(k))
        for k in turns
    ]
    union = shapely.union_all([piece for piece in pieces if piece.area > 0])
    parts = [part for part in shapely.get_parts(union) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        return None, None
    parts = [shapely.orient_polygons(part) for part in parts]
    whole = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    if east - west >= 360.0 or (holds_pole and east - west > 359.0):
        return whole.wkb, Bounds(-180.0, south, 180.0, north)
    if len(turns) == 1:
        west, east = west - 360 * turns[0], east - 360 * turns[0]
    else:
        west, east = (west + 180) % 360 - 180, (east + 180) % 360 - 180
    return whole.wkb, Bounds(west, south, east, north)


def _turned(turns: int) -> Callable[[Floats], Floats]:
    return lambda points: points - np.array([360.0 * turns, 0.0])


def _close_over_pole(ring: Floats, pole: float) -> tuple[Floats, bool]:
    """A ring through or round a pole as a ring in longitude and latitude, along the pole's own edge."""
    on_pole = np.abs(ring[:-1, 1]) >= POLE_LATITUDE
    if on_pole.all():
        return ring, False
    if on_pole.any():
        # Leave out the points on the pole, and walk the pole's edge between the ends of what remains.
        after = int(np.flatnonzero(on_pole)[-1]) + 1
        chain = np.roll(ring[:-1], -after, axis=0)[~np.roll(on_pole, -after)]
        chain[:, 0] = np.rad2deg(np.unwrap(np.deg2rad(chain[:, 0])))
        return np.concatenate([chain, [[chain[-1, 0], pole], [chain[0, 0], pole]]]), True
    if abs(ring[-1, 0] - ring[0, 0]) < 1:
        return ring, False
    return np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole]]]), True
