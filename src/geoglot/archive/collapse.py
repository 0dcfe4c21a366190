"""Collapse overlapping tiles of one place to the best of them.

Two tiles show the same place when, in one source, they share at least a twentieth of the smaller one's area (so that
neighbours with the usual overlap do, and a tile does with the coarser one that holds it), or when, in different
sources, the intersection of their footprints is at least 0.3 of their union.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from geoglot.core.records import Bounds, Tile

SAME_SOURCE_OVERLAP = 0.05
OTHER_SOURCE_IOU = 0.3


@dataclass
class Places:
    """Distinct places in order of rank; candidates are offered best first."""

    tiles: list[Tile] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tiles)

    def offer(self, key: str, tile: Tile, position: int, *, most: int) -> bool:
        """Take a candidate: as a new place, or merged into a better one.

        Args:
            key: What tells its source from others.
            tile: The candidate.
            position: Its rank.
            most: How many places are wanted.

        Returns:
            False when it would be one place too many; then nothing was taken.
        """
        for number, (other_key, other) in enumerate(zip(self.keys, self.tiles, strict=True)):
            if same_place(tile, other, same_source=key == other_key):
                self.merged[number] += 1
                return True
        if len(self.tiles) == most:
            return False
        self.tiles.append(tile)
        self.keys.append(key)
        self.positions.append(position)
        self.merged.append(1)
        return True


def same_place(a: Tile, b: Tile, *, same_source: bool) -> bool:
    """Whether two tiles show the same place.

    Example:
        >>> from geoglot.core.records import Window
        >>> first, second = Tile(window=Window(0, 0, 256, 256)), Tile(window=Window(192, 192, 256, 256))
        >>> same_place(first, second, same_source=True)  # share 64 x 64 of 256 x 256: 0.0625
        True
        >>> same_place(first, Tile(window=Window(256, 0, 256, 256)), same_source=True)
        False
    """
    if same_source:
        width = min(a.window.column + a.window.width, b.window.column + b.window.width) - max(
            a.window.column, b.window.column
        )
        height = min(a.window.row + a.window.height, b.window.row + b.window.height) - max(a.window.row, b.window.row)
        if width <= 0 or height <= 0:
            return False
        return width * height >= SAME_SOURCE_OVERLAP * min(a.window.area, b.window.area)
    if a.bounds is None or b.bounds is None or not _bounds_meet(a.bounds, b.bounds):
        return False
    return _footprint_iou(a.footprint, b.footprint) >= OTHER_SOURCE_IOU


def _bounds_meet(a: Bounds, b: Bounds) -> bool:
    if a.south > b.north or a.north < b.south:
        return False
    west, east = a.west <= b.east, a.east >= b.west
    if a.crosses_antimeridian and b.crosses_antimeridian:
        return True
    return west or east if a.crosses_antimeridian or b.crosses_antimeridian else west and east


def _footprint_iou(a: bytes | None, b: bytes | None) -> float:
    if a is None or b is None:
        return 0.0
    import shapely

    first, second = shapely.from_wkb(a), shapely.from_wkb(b)
    shared = float(shapely.area(shapely.intersection(first, second)))
    union = float(shapely.area(first)) + float(shapely.area(second)) - shared
    return shared / union if union > 0 else 0.0
