"""The values that travel between rooms: small, frozen, typed.

Pixel coordinates are (column, row) of a pixel's top-left corner; windows are (column, row, width, height);
bounds are west, south, east, north in degrees (WGS84), with west > east where a box crosses 180 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class Window(NamedTuple):
    """A rectangle of a source in full-resolution pixels.

    Example:
        >>> Window(column=256, row=0, width=256, height=256).area
        65536
    """

    column: int
    row: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of full-resolution pixels covered."""
        return self.width * self.height


class Bounds(NamedTuple):
    """West, south, east, north in degrees (WGS84). ``west > east`` means the box crosses 180 degrees.

    Example:
        >>> Bounds(179.0, -17.0, -179.0, -16.0).crosses_antimeridian
        True
    """

    west: float
    south: float
    east: float
    north: float

    @property
    def crosses_antimeridian(self) -> bool:
        """Whether the box runs over 180 degrees of longitude."""
        return self.west > self.east


class Band(StrEnum):
    """How sure a hit is, against the query's own background distribution over the archive."""

    LIKELY = "likely"
    UNCERTAIN = "uncertain"
    BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A window of a source at a level.

    Attributes:
        window: Full-resolution pixels covered.
        level: 0 is native resolution; each next level halves it.
        footprint: Well-known binary of the polygon in WGS84; ``None`` means unlocated.
        bounds: Bounding box of the footprint; ``None`` means unlocated.
        gsd_m: Ground sample distance of the tile at its level, metres per pixel; ``None`` when unlocated.
        time: Acquisition time in UTC, when known.
    """

    window: Window
    level: int = 0
    footprint: bytes | None = None
    bounds: Bounds | None = None
    gsd_m: float | None = None
    time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One place that answers a query.

    Attributes:
        rank: 1 for the best.
        score: Cosine similarity in [-1, 1] (a weighted sum of them when the query has several terms); in an archive of
            binary codes, unless it was re-ranked exactly, what the codes say about it.
        band: How sure the hit is.
        id: Stable row identifier (32 hexadecimal digits).
        source: Path of the file.
        tile: Where in the file, and where on Earth.
        merged: How many overlapping tiles of the same place this hit stands for, itself included.
        same_place: Whether it shows the very place of the example picture; ``None`` where that was not looked at.
        caption: What the archive has it say, where it holds captions: in the language of the query if there is one.
        caption_language: Code of the caption's language.
    """

    rank: int
    score: float
    band: Band
    id: str
    source: str
    tile: Tile
    merged: int = 1
    same_place: bool | None = None
    caption: str | None = None
    caption_language: str | None = None

    def as_record(self) -> dict[str, Any]:
        """The hit as JSON-ready values, in the order of the command line's output."""
        tile = self.tile
        more: dict[str, Any] = {} if self.same_place is None else {"same_place": self.same_place}
        if self.caption is not None:
            more |= {"caption": self.caption, "caption_language": self.caption_language}
        return {
            "rank": self.rank,
            "score": round(self.score, 6),
            "band": self.band.value,
            "source": self.source,
            "window": list(tile.window),
            "level": tile.level,
            "bounds": list(tile.bounds) if tile.bounds else None,
            "time": tile.time.isoformat() if tile.time else None,
            "gsd_m": tile.gsd_m,
            "merged": self.merged,
            **more,
            "id": self.id,
        }
