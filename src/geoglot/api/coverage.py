"""Where and when the tiles of an archive are: located share, extent, time range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoglot.core.records import Bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.archive.search import Searcher

_BINS = 3600


def coverage(searcher: Searcher) -> dict[str, Any]:
    """Located share, extent and time range of all live tiles, as JSON-ready values."""
    import numpy as np

    from geoglot.archive.rows import NO_TIME, as_datetime

    bounds, times = [np.zeros((4, 0))], [np.zeros(0, np.int64)]
    for segment, live in zip(searcher.segments, searcher.live, strict=True):
        chosen = slice(None) if live is None else live
        bounds.append(np.asarray(segment.bounds)[:, chosen])
        times.append(np.asarray(segment.times)[chosen])
    place, time = np.concatenate(bounds, axis=1), np.concatenate(times)
    located, timed = place[:, ~np.isnan(place[0])], time[time != NO_TIME]
    first_and_last = [as_datetime(int(value)) for value in (timed.min(), timed.max())] if len(timed) else []
    extent = extent_of(located)
    return {
        "located_share": round(located.shape[1] / place.shape[1], 4) if place.shape[1] else 0.0,
        "extent": list(extent) if extent else None,
        "time_range": [moment.isoformat() for moment in first_and_last if moment is not None] or None,
    }


def extent_of(bounds: NDArray[np.float64]) -> Bounds | None:
    """The narrowest box around many boxes; it crosses 180 degrees where that is narrower.

    Args:
        bounds: ``(4, N)`` float64: west, south, east, north in degrees; west > east crosses 180 degrees.

    Example:
        >>> import numpy as np
        >>> extent_of(np.array([[179.0, -180.0], [-17.0, -18.0], [179.5, -179.0], [-16.0, -17.0]]))
        Bounds(west=179.0, south=-18.0, east=-179.0, north=-16.0)
    """
    import numpy as np

    if bounds.shape[1] == 0:
        return None
    west, south, east, north = bounds
    origin = _after_widest_gap(west, east)
    starts = (west - origin) % 360
    left, right = float(starts.min()), float((starts + (east - west) % 360).max())
    if right - left >= 360:
        return Bounds(-180.0, float(south.min()), 180.0, float(north.max()))
    first = float(west[np.argmin(starts)])
    last = float(east[np.argmax(starts + (east - west) % 360)])
    return Bounds(first, float(south.min()), last, float(north.max()))


def _after_widest_gap(west: NDArray[np.float64], east: NDArray[np.float64]) -> float:
    """A longitude just before the end of the widest stretch, in tenths of a degree, that no box touches."""
    import numpy as np

    first = np.floor((west + 180) * 10).astype(np.int64) % _BINS
    count = np.minimum(np.ceil(((east - west) % 360) * 10).astype(np.int64) + 1, _BINS)
    change = np.zeros(2 * _BINS + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, first + count, -1)
    covered = np.cumsum(change)[: 2 * _BINS]
    touched = np.flatnonzero((covered[:_BINS] + covered[_BINS:]) > 0)
    gaps = np.diff(touched, append=touched[0] + _BINS)
    # half a bin before it, so that rounding cannot put a box on the wrong side
    return (float(touched[(np.argmax(gaps) + 1) % len(touched)]) - 0.5) / 10 - 180
