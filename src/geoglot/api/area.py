"""Areas and dates as people write them, read into what a filter takes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from geoglot.core.errors import UsageError
from geoglot.core.records import Bounds

_AREA_KINDS = ("Polygon", "MultiPolygon")
_LARGEST_POLYGON_FILE = 16 << 20


def parse_bbox(written: str) -> Bounds:
    """Read ``W,S,E,N`` in degrees.

    Example:
        >>> parse_bbox("5.0,43.2,5.6,43.6")
        Bounds(west=5.0, south=43.2, east=5.6, north=43.6)

    Raises:
        UsageError: It is not four finite numbers in range with south below north.
    """
    try:
        numbers = [float(part) for part in written.replace(" ", "").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise UsageError(written, cause="is not a box", remedy="write it as west,south,east,north in degrees")
    return as_bounds(numbers)


def as_bounds(numbers: Sequence[float]) -> Bounds:
    """Four numbers as bounds, checked.

    Raises:
        UsageError: A number is missing, not finite or out of range, or south is not below north.
    """
    if len(numbers) != 4:
        raise UsageError(numbers, cause="is not a box", remedy="give west, south, east, north in degrees")
    bounds = Bounds(*(float(number) for number in numbers))
    text = ",".join(f"{number:g}" for number in bounds)
    if not all(math.isfinite(number) for number in bounds):
        raise UsageError(text, cause="has a bound that is not a number", remedy="give four finite numbers")
    if not (-90 <= bounds.south < bounds.north <= 90):
        raise UsageError(
            text, cause="has its south at or above its north, or beyond a pole", remedy="order is west,south,east,north"
        )
    if not (-180 <= bounds.west <= 180 and -180 <= bounds.east <= 180) or bounds.west == bounds.east:
        raise UsageError(
            text, cause="has longitudes out of range or of no width", remedy="give longitudes from -180 to 180"
        )
    return bounds


def read_polygon(path: str | Path) -> dict[str, Any]:
    """Read the area of a GeoJSON file: one polygon, or several as one MultiPolygon.

    Raises:
        UsageError: The file is absent, too large, no GeoJSON, or holds no polygon.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST_POLYGON_FILE:
            raise UsageError(file, cause="is larger than 16 MB", remedy="simplify the polygon")
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(file, cause=f"cannot be read ({error.strerror})", remedy="check the path") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            file, cause="is not GeoJSON", remedy="export the polygon as GeoJSON in longitude, latitude"
        ) from error
    if not isinstance(content, dict):
        raise UsageError(file, cause="is not GeoJSON", remedy="export the polygon as GeoJSON in longitude, latitude")
    return as_polygon(content, subject=str(file))


def as_polygon(content: Mapping[str, Any], *, subject: str = "polygon") -> dict[str, Any]:
    """The area of a GeoJSON geometry, Feature or FeatureCollection.

    Example:
        >>> ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
        >>> as_polygon({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}})["type"]
        'Polygon'

    Raises:
        UsageError: There is no polygon in it.
    """
    kind = content.get("type")
    if kind == "FeatureCollection":
        parts = [feature.get("geometry") for feature in content.get("features") or [] if isinstance(feature, Mapping)]
    elif kind == "Feature":
        parts = [content.get("geometry")]
    else:
        parts = [content]
    areas = [
        part
        for part in parts
        if isinstance(part, Mapping) and part.get("type") in _AREA_KINDS and part.get("coordinates")
    ]
    if not areas:
        raise UsageError(subject, cause="holds no polygon", remedy="draw a Polygon or MultiPolygon")
    if len(areas) == 1:
        return dict(areas[0])
    rings = [
        ring for area in areas for ring in ([area["coordinates"]] if area["type"] == "Polygon" else area["coordinates"])
    ]
    return {"type": "MultiPolygon", "coordinates": rings}


def parse_time(written: str | date | datetime | None) -> datetime | None:
    """A date or time in UTC: ``2021``, ``2021-06``, ``2021-06-30`` or a full ISO 8601 time.

    A missing month, day or hour is the first; a time without a zone is taken as UTC.

    Example:
        >>> parse_time("2021-06").isoformat(), parse_time("2021-06-30T12:00+02:00").isoformat()
        ('2021-06-01T00:00:00+00:00', '2021-06-30T10:00:00+00:00')

    Raises:
        UsageError: It is no date.
    """
    if written is None:
        return None
    try:
        found = _as_time(written)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            written, cause="is not a date", remedy="write it as 2021, 2021-06, 2021-06-30 or 2021-06-30T12:00"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _as_time(written: str | date | datetime) -> datetime:
    if isinstance(written, datetime):
        return written
    if isinstance(written, date):
        return datetime(written.year, written.month, written.day, tzinfo=UTC)
    text = written.strip()
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        return datetime.fromisoformat(f"{text}-01-01"[:10])
    return datetime.fromisoformat(text)
