"""A source as overlapping windows at one working resolution: where they lie, and what is asked of a decoder.

A network has a side (the window it takes) and a ground sample distance that it was trained at. The source is seen at
that distance: one working pixel covers ``scale`` full-resolution pixels each way. Windows start on a fixed grid of the
working pixels, which depends on the source's size and the network alone, never on how much is read or kept at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geoglot.core.errors import UsageError
from geoglot.core.records import Window

CELL = 4
"""Working pixels of a cell of scores, each way: windows begin on whole cells."""
COARSEST, FINEST = 1024.0, 0.125
"""Full-resolution pixels of a working pixel, at most and at least."""
_AS_IT_IS = 1.25
_WHOLE = 0.1


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is asked of a decoder: all windows of a source, or those that matter.

    Attributes:
        path: The file.
        side: Working pixels of a window, a multiple of :data:`CELL`.
        overlap: Share of a window that its neighbour sees too, 0 to 0.75.
        gsd_m: Wanted ground sample distance of a working pixel; where the source has none, its pixels are taken as
            they are.
        scale: Full-resolution pixels of a working pixel, whatever the ground sample distances say.
        from_row: Rows of windows to leave out, counted from the top.
        areas: Only windows that meet one of these full-resolution windows; ``None`` means all.
        root: Folder outside which the file may not lead.

    Raises:
        UsageError: A value is out of its range.
    """

    path: Path
    side: int
    overlap: float = 0.25
    gsd_m: float | None = None
    scale: float | None = None
    from_row: int = 0
    areas: tuple[Window, ...] | None = None
    root: Path | None = None

    def __post_init__(self) -> None:
        _in_range("side", self.side, 8, 2048)
        _in_range("overlap", self.overlap, 0, 0.75)
        if self.side % CELL:
            raise UsageError(f"side={self.side}", cause=f"is no multiple of {CELL}", remedy="choose one that is")
        if self.gsd_m is not None:
            _in_range("gsd", self.gsd_m, 0.001, 10_000)
        if self.scale is not None:
            _in_range("scale", self.scale, FINEST, COARSEST)

    def as_record(self) -> dict[str, Any]:
        """JSON-ready values, but for the paths."""
        return {name: value for name, value in asdict(self).items() if name not in ("path", "root")}

    @classmethod
    def from_record(cls, path: Path, record: Mapping[str, Any]) -> Sweep:
        """The inverse of :meth:`as_record`, also after a trip through JSON."""
        areas = record["areas"]
        return cls(
            **{**record, "path": path, "areas": None if areas is None else tuple(Window(*area) for area in areas)}
        )


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name}={value:g}", cause=f"is outside {low:g} to {high:g}", remedy="choose another value")


@dataclass(frozen=True, kw_only=True)
class SweepGrid:
    """Where the windows of a source lie, in working pixels.

    Attributes:
        scale: Full-resolution pixels of a working pixel.
        width: Working pixels of the source, the last one perhaps only begun.
        height: As width.
        side: Working pixels of a window.
        columns: First column of each column of windows; the last window may stick out by less than a cell, or by
            more where the source is smaller than a window.
        rows: As columns.
        source_width: Full-resolution pixels.
        source_height: As source_width.
    """

    scale: float
    width: int
    height: int
    side: int
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    source_width: int
    source_height: int

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the grid of scores."""
        return -(-self.height // CELL), -(-self.width // CELL)

    def wanted(self, row: int, areas: Sequence[Window] | None) -> tuple[int, ...]:
        """First columns of the windows of a row that meet one of some full-resolution windows.

        Example:
            >>> grid = sweep_grid(1000, 1000, None, Sweep(path=Path("a.tif"), side=256))
            >>> grid.wanted(0, [Window(500, 100, 10, 10)])
            (384,)
        """
        if areas is None:
            return self.columns
        top, bottom = row * self.scale, (row + self.side) * self.scale
        across = [area for area in areas if area.row < bottom and area.row + area.height > top]
        return tuple(
            column
            for column in self.columns
            if any(
                area.column < (column + self.side) * self.scale and area.column + area.width > column * self.scale
                for area in across
            )
        )

    def count(self, areas: Sequence[Window] | None = None) -> int:
        """Number of windows."""
        return sum(len(self.wanted(row, areas)) for row in self.rows)

    def windows(self, areas: Sequence[Window] | None = None) -> Iterator[tuple[int, int]]:
        """(row, column) of every window, row by row."""
        for row in self.rows:
            for column in self.wanted(row, areas):
                yield row, column


def working_scale(gsd_m: float | None, asked: Sweep) -> float:
    """Full-resolution pixels of a working pixel.

    A source within a quarter of what is wanted is taken as it is, and whole numbers are preferred: both spare a
    resampling, and no network is so exact about the size of things.

    Args:
        gsd_m: Of the source, metres; ``None`` where unknown.
        asked: What is wanted.

    Example:
        >>> [working_scale(gsd, Sweep(path=Path("a.tif"), side=256, gsd_m=0.5)) for gsd in (None, 0.45, 0.3, 0.12, 2.0)]
        [1.0, 1.0, 1.6666666666666667, 4.0, 0.25]
    """
    if asked.scale is not None:
        return float(asked.scale)
    if asked.gsd_m is None or gsd_m is None or not gsd_m > 0:
        return 1.0
    ratio = min(COARSEST, max(FINEST, asked.gsd_m / gsd_m))
    if 1 / _AS_IT_IS <= ratio <= _AS_IT_IS:
        return 1.0
    whole = round(ratio) if ratio > 1 else 1 / round(1 / ratio)
    return float(whole) if abs(whole / ratio - 1) < _WHOLE else ratio


def sweep_grid(width: int, height: int, gsd_m: float | None, asked: Sweep) -> SweepGrid:
    """Where windows lie.

    Args:
        width: Full-resolution pixels of the source.
        height: As width.
        gsd_m: Of the source, metres; ``None`` where unknown.
        asked: What is wanted.

    Example:
        >>> grid = sweep_grid(1000, 300, None, Sweep(path=Path("a.tif"), side=256, overlap=0.25))
        >>> grid.columns, grid.rows
        ((0, 192, 384, 576, 744), (0, 44))
    """
    scale = min(working_scale(gsd_m, asked), float(max(1, min(width, height))))
    across, down = math.ceil(width / scale - 1e-9), math.ceil(height / scale - 1e-9)
    return SweepGrid(
        scale=scale,
        width=across,
        height=down,
        side=asked.side,
        columns=_starts(across, asked.side, asked.overlap),
        rows=_starts(down, asked.side, asked.overlap),
        source_width=width,
        source_height=height,
    )


def _starts(length: int, side: int, overlap: float) -> tuple[int, ...]:
    """Multiples of a cell; the last window ends with the source's last cell."""
    if length <= side:
        return (0,)
    step = max(CELL, int(side * (1 - overlap)) // CELL * CELL)
    last = -(-(length - side) // CELL) * CELL
    return (*range(0, last, step), last)
