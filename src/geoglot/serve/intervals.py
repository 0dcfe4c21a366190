"""Boxes and intervals of time as addresses carry them (OGC API and STAC)."""

from __future__ import annotations

from datetime import timedelta

from geoglot.api.area import parse_bbox, parse_time
from geoglot.core.errors import UsageError


def box_of(written: str | None) -> tuple[float, float, float, float] | None:
    """``west,south,east,north``; of six numbers the heights are left out.

    Example:
        >>> box_of("5,43,0,6,44,100")
        (5.0, 43.0, 6.0, 44.0)

    Raises:
        UsageError: It is no box.
    """
    if written is None:
        return None
    parts = written.split(",")
    if len(parts) == 6:
        parts = [parts[0], parts[1], parts[3], parts[4]]
    west, south, east, north = parse_bbox(",".join(parts))
    return west, south, east, north


def interval_of(written: str | None) -> tuple[str | None, str | None]:
    """A time, or ``start/end`` with ``..`` or nothing for an open end -> at or after, before.

    The end of an interval is included in OGC's reading and excluded in ours: a microsecond is added.

    Example:
        >>> interval_of("2021-01-01T00:00:00Z/..")
        ('2021-01-01T00:00:00+00:00', None)
        >>> interval_of("2021-06-30")
        ('2021-06-30T00:00:00+00:00', '2021-07-01T00:00:00+00:00')

    Raises:
        UsageError: It is no time, or its end comes before its start.
    """
    if written is None:
        return None, None
    start, slash, end = written.partition("/")
    if not slash:
        return _time(start), _end(start)
    if "/" in end:
        raise UsageError(written, cause="is not an interval", remedy="write START/END, with .. for an open end")
    after, before = _time(start), _end(end)
    if after is None and before is None:
        raise UsageError(written, cause="is open at both ends", remedy="leave it out")
    return after, before


def _time(written: str) -> str | None:
    if written.strip() in ("", ".."):
        return None
    found = parse_time(written.strip())
    return None if found is None else found.isoformat()


def _end(written: str) -> str | None:
    """The first moment after what is written: of a day the next day."""
    text = written.strip()
    if text in ("", ".."):
        return None
    found = parse_time(text)
    if found is None:
        return None
    whole_day = len(text) == len("2021-06-30")
    try:
        return (found + (timedelta(days=1) if whole_day else timedelta(microseconds=1))).isoformat()
    except OverflowError as error:
        raise UsageError(text, cause="is too late a time", remedy="write .. for an open end") from error
