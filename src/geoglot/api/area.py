"""Areas and dates as people write them, read into what a filter takes (which checks them further)."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from geoglot.core.errors import UsageError
from geoglot.core.records import Bounds

_LARGEST_POLYGON_FILE = 16 << 20


def parse_bbox(written: str) -> Bounds:
    """Read ``W,S,E,N`` in degrees.

    Example:
        >>> parse_bbox("5.0,43.2,5.6,43.6")
        Bounds(west=5.0, south=43.2, east=5.6, north=43.6)

    Raises:
        UsageError: It is not four numbers.
    """
    try:
        west, south, east, north = (float(part) for part in written.split(","))
    except ValueError as error:
        raise UsageError(
            written,
            cause="is not a box",
            remedy="write it as west,south,east,north in degrees, such as 5.0,43.2,5.6,43.6",
        ) from error
    return Bounds(west, south, east, north)


def read_polygon(path: str | Path) -> dict[str, Any]:
    """Read a GeoJSON file.

    Raises:
        UsageError: The file is absent, larger than 16 MB, or no GeoJSON object.
    """
    file = Path(path)
    remedy = "export the polygon as GeoJSON in longitude, latitude"
    try:
        if file.stat().st_size > _LARGEST_POLYGON_FILE:
            raise UsageError(file, cause="is larger than 16 MB", remedy="simplify the polygon")
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(file, cause=f"cannot be read ({error.strerror})", remedy="check the path") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(file, cause="is not GeoJSON", remedy=remedy) from error
    if not isinstance(content, dict):
        raise UsageError(file, cause="is not GeoJSON", remedy=remedy)
    return content


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
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            written, cause="is not a date", remedy="write it as 2021, 2021-06, 2021-06-30 or 2021-06-30T12:00"
        ) from error


def _as_time(written: str | date | datetime) -> datetime:
    if isinstance(written, datetime):
        return written
    if isinstance(written, date):
        return datetime(written.year, written.month, written.day, tzinfo=UTC)
    text = written.strip()
    if re.fullmatch(r"\d{4}", text):
        return datetime(int(text), 1, 1, tzinfo=UTC)
    if re.fullmatch(r"\d{4}-\d{2}", text):
        return datetime.fromisoformat(f"{text}-01")
    return datetime.fromisoformat(text)
