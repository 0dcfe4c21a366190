"""What an archive holds, source by source: for lists, maps and catalogues.

A source has an identifier that says nothing of where it lies on the disk, and a name: its path below the folder that
all sources have in common.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from geoglot.core.records import Bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.archive import Archive
    from geoglot.archive.entries import Source

MOST_FOOTPRINTS = 2000
"""A map of more sources than that shows cells that hold some instead of each."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One source of an archive.

    Attributes:
        id: 16 hexadecimal digits, the same as long as the file stays where it is.
        path: Where the file lies. Not for strangers.
        name: Below the folder that all sources have in common.
        content: SHA-256 of its bytes, where it was read.
        size: Bytes.
        modified_ns: When it was changed last, nanoseconds since 1970.
        state: ``done``, ``partial``, ``failed`` or ``damaged``.
        kind: ``scene`` or ``photo``.
        error: Why it failed.
        tiles: Live tiles.
        bounds: Of its located tiles.
        first: Earliest acquisition time, microseconds since 1970 UTC.
        last: Latest.
        gsd_m: Finest and coarsest ground sample distance of its tiles, metres per pixel.
    """

    id: str
    path: str
    name: str
    content: str | None
    size: int
    modified_ns: int
    state: str
    kind: str | None
    error: str | None
    tiles: int = 0
    bounds: Bounds | None = None
    first: int | None = None
    last: int | None = None
    gsd_m: tuple[float, float] | None = None

    def times(self) -> list[str] | None:
        """Earliest and latest acquisition time, ISO 8601, where known."""
        from geoglot.archive.rows import as_datetime

        if self.first is None or self.last is None:
            return None
        return [moment.isoformat() for value in (self.first, self.last) if (moment := as_datetime(value)) is not None]


class Holdings:
    """All sources of one commit of an archive.

    Args:
        sources: In the order of their paths.
    """

    def __init__(self, sources: Sequence[Holding]) -> None:
        self.sources = tuple(sources)
        self.by_id = {source.id: source for source in self.sources}
        self.by_path = {source.path: source for source in self.sources}

    def __len__(self) -> int:
        return len(self.sources)

    def named(self, path: str) -> tuple[str, str]:
        """Identifier and name of the source at a path, also of one that is not (any more) among these."""
        known = self.by_path.get(path)
        return (known.id, known.name) if known is not None else (source_id(path), PurePath(path).name)

    def gsd_range(self) -> list[float] | None:
        """Finest and coarsest ground sample distance, metres per pixel."""
        known = [source.gsd_m for source in self.sources if source.gsd_m is not None]
        return [min(fine for fine, _ in known), max(coarse for _, coarse in known)] if known else None

    def coverage(self) -> dict[str, Any]:
        """Where the sources lie, as a GeoJSON feature collection: their boxes, or cells where there are many."""
        located = [source for source in self.sources if source.bounds is not None]
        if len(located) > MOST_FOOTPRINTS:
            return {"type": "FeatureCollection", "features": _cells(located)}
        return {
            "type": "FeatureCollection",
            "features": [
                _feature(source.bounds, {"source": source.id, "name": source.name, "tiles": source.tiles})
                for source in located
                if source.bounds is not None
            ],
        }


def holdings_of(archive: Archive) -> Holdings:
    """Every source of an archive with its place, time and resolution."""
    listed = archive.store.read(lambda catalogue: list(catalogue.sources()))
    root = _common_folder([source.path for source in listed])
    found = _extents(archive)
    return Holdings([_holding(source, root, found) for source in listed])


def source_id(path: str) -> str:
    """The identifier of a source, from its path.

    Example:
        >>> source_id("/imagery/a.tif")
        '4521ee3da23ee42e'
    """
    return sha256(os.fsencode(path)).hexdigest()[:16]


def exact_pattern(path: str) -> str:
    """A pattern that matches this path alone (a plain path would match what begins like it, too).

    Example:
        >>> exact_pattern("/imagery/a.tif")
        '/imagery/a.ti[f]'
    """
    import glob

    return f"{glob.escape(path[:-1])}[{path[-1]}]" if path[-1:] not in ("", "]", "!", "[") else glob.escape(path)


def _holding(source: Source, root: str, found: dict[str, Holding]) -> Holding:
    blank = Holding(
        id=source_id(source.path),
        path=source.path,
        name=os.path.relpath(source.path, root) if root else source.path.lstrip(os.sep),
        content=source.content,
        size=source.size,
        modified_ns=source.modified_ns,
        state=source.state,
        kind=source.kind,
        error=source.error,
    )
    seen = found.get(source.content) if source.content is not None else None
    if seen is None:
        return blank
    return replace(blank, tiles=seen.tiles, bounds=seen.bounds, first=seen.first, last=seen.last, gsd_m=seen.gsd_m)


def _common_folder(paths: Sequence[str]) -> str:
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 (many paths)
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""  # other drives


def _extents(archive: Archive) -> dict[str, Holding]:
    """Tiles, place, time and resolution by content, in one pass over the columns."""
    import numpy as np

    searcher = archive.store.searcher
    found: dict[str, Holding] = {}
    for segment, live in zip(searcher.segments, searcher.live, strict=True):
        chosen = np.arange(len(segment)) if live is None else np.flatnonzero(live)
        if not len(chosen):
            continue
        owner = np.asarray(segment.source)[chosen]
        order = np.argsort(owner, kind="stable")
        chosen, owner = chosen[order], owner[order]
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(owner)], strict=True):
            content, path = segment.sources[int(owner[start])]
            part = _extent(segment, chosen[start:end], content, path)
            found[content] = _joined(found[content], part) if content in found else part
    return found


def _extent(segment: Any, rows: NDArray[np.int64], content: str, path: str) -> Holding:
    import numpy as np

    from geoglot.api.coverage import extent_of
    from geoglot.archive.rows import NO_TIME

    place = np.asarray(segment.bounds)[:, rows]
    place = place[:, ~np.isnan(place[0])]
    times = np.asarray(segment.times)[rows]
    times = times[times != NO_TIME]
    gsd = np.asarray(segment.gsd)[rows]
    gsd = gsd[~np.isnan(gsd)]
    return Holding(
        id="",
        path=path,
        name="",
        content=content,
        size=0,
        modified_ns=0,
        state="done",
        kind=None,
        error=None,
        tiles=len(rows),
        bounds=extent_of(place),
        first=int(times.min()) if len(times) else None,
        last=int(times.max()) if len(times) else None,
        gsd_m=(float(gsd.min()), float(gsd.max())) if len(gsd) else None,
    )


def _joined(one: Holding, other: Holding) -> Holding:
    """Two parts of a source that lie in different segments."""
    import numpy as np

    from geoglot.api.coverage import extent_of

    boxes = [box for box in (one.bounds, other.bounds) if box is not None]
    firsts = [value for value in (one.first, other.first) if value is not None]
    lasts = [value for value in (one.last, other.last) if value is not None]
    gsds = [value for value in (one.gsd_m, other.gsd_m) if value is not None]
    return replace(
        one,
        tiles=one.tiles + other.tiles,
        bounds=extent_of(np.array(boxes, np.float64).T) if boxes else None,
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        gsd_m=(min(fine for fine, _ in gsds), max(coarse for _, coarse in gsds)) if gsds else None,
    )


def _cells(located: Sequence[Holding]) -> list[dict[str, Any]]:
    """Cells of an even grid with the number of sources whose middle lies in each."""
    import numpy as np

    middle = np.array(
        [[(s.bounds.west + s.bounds.east) / 2, (s.bounds.south + s.bounds.north) / 2] for s in located if s.bounds]
    )
    low, high = middle.min(axis=0), middle.max(axis=0)
    side = max(float((high - low).max()) / 32, 1e-4)
    cell, counts = np.unique(((middle - low) // side).astype(int), axis=0, return_counts=True)
    return [
        _feature(
            Bounds(
                float(low[0] + column * side),
                float(low[1] + row * side),
                float(low[0] + (column + 1) * side),
                float(low[1] + (row + 1) * side),
            ),
            {"sources": int(count)},
        )
        for (column, row), count in zip(cell.tolist(), counts.tolist(), strict=True)
    ]


def _feature(bounds: Bounds, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": box_geometry(bounds), "properties": properties}


def box_geometry(bounds: Bounds) -> dict[str, Any]:
    """A box as a GeoJSON geometry; in two parts where it crosses 180 degrees.

    Example:
        >>> box_geometry(Bounds(179.0, 0.0, -179.0, 1.0))["type"]
        'MultiPolygon'
    """
    if bounds.crosses_antimeridian:
        halves = [bounds._replace(east=180.0), bounds._replace(west=-180.0)]
        return {"type": "MultiPolygon", "coordinates": [[_ring(half)] for half in halves]}
    return {"type": "Polygon", "coordinates": [_ring(bounds)]}


def _ring(box: Bounds) -> list[list[float]]:
    corners = [(box.west, box.south), (box.east, box.south), (box.east, box.north), (box.west, box.north)]
    return [[x, y] for x, y in [*corners, corners[0]]]
