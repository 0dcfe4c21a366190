"""Where and when a search looks: what narrows it, and which files are meant."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.area import parse_time
from geoglot.core.errors import UsageError
from geoglot.core.records import Bounds

if TYPE_CHECKING:
    from geoglot.archive.filter import Filter

Area = Bounds | Sequence[float] | Mapping[str, Any]
"""Where to look: west, south, east, north in degrees, or a GeoJSON polygon."""


def existing_paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """One path or several, all of them there.

    Raises:
        UsageError: One of them does not exist.
    """
    paths = [Path(given)] if isinstance(given, str | os.PathLike) else [Path(one) for one in given]
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(path, cause="does not exist", remedy="check the path")
    return paths


def selection_of(
    within: Area | None,
    after: str | date | datetime | None,
    before: str | date | datetime | None,
    source: str | Sequence[str] | None,
    *,
    polygon: Mapping[str, Any] | None = None,
    gsd: Sequence[float] | None = None,
) -> Filter | None:
    """One filter of all that narrows the search; ``None`` when nothing does."""
    if within is None and polygon is None and gsd is None and after is None and before is None and not source:
        return None
    from geoglot.archive.filter import Filter

    if isinstance(within, Mapping) and polygon is not None:
        raise UsageError("within and polygon", cause="are two polygons", remedy="give one of them")
    polygon = within if isinstance(within, Mapping) else polygon
    bbox = within if not isinstance(within, Mapping) else None
    return Filter.from_options(
        bbox=bbox,
        polygon=polygon,
        after=parse_time(after),
        before=parse_time(before),
        sources=(source,) if isinstance(source, str) else tuple(source or ()),
        gsd=gsd,
    )
