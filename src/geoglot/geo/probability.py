"""Maps of probability on disk, one for each phrase: blended from overlapping windows, kept after an interruption.

A map holds one 16-bit number for each cell of 4 x 4 working pixels. Windows come in rows from the top; a row of cells
is written as soon as no later window can change it, so memory holds one row of windows, however large the scene.
Beside the numbers lies which working pixels have data, a bit each.

A folder of maps says in ``state.json`` how far it has come. What is written before a row of windows is counted as done
is not believed after a crash: that row is done again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError
from geoglot.core.records import Window
from geoglot.geo.source import SourceInfo
from geoglot.geo.sweep import CELL, SweepGrid
from geoglot.geo.wire import info_from_record, info_record

FULL = 65535
"""Stored value of probability 1."""
_STATE, _VALID, _OPEN = "state.json", "valid.bits", "open.npz"
_EDGE = 1e-3


def fade(side: int) -> NDArray[np.float32]:
    """How much each cell of a window counts, in one direction: most in the middle, hardly at the edges.

    Args:
        side: Cells.

    Example:
        >>> [round(float(value), 3) for value in fade(4)]  # sin^2 of pi/8 and 3 pi/8, and 0.001
        [0.147, 0.855, 0.855, 0.147]
    """
    place = (np.arange(side) + 0.5) / side
    return (np.sin(np.pi * place) ** 2 + _EDGE).astype(np.float32)


def blurred(values: NDArray[Any], deviation: float) -> NDArray[np.float32]:
    """Gaussian blur of a map; what lies at its edges goes on beyond them.

    Every value is a sum of the same terms in the same order wherever rows are cut off beyond :func:`reach_of` it, so a
    map may be blurred in parts.

    Args:
        values: (rows, columns).
        deviation: Standard deviation in cells; 0 changes nothing.

    Example:
        >>> spread = blurred(np.array([[0, 0, 8, 0, 0]]), 0.5)  # weights are as 1, e^-2, e^-8 and sum to 1
        >>> [round(float(value), 2) for value in spread[0]]
        [0.0, 0.85, 6.29, 0.85, 0.0]
    """
    out = np.asarray(values, np.float32)
    if deviation == 0:
        return out
    reach = reach_of(deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        count = out.shape[axis]
        margin = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        wide = np.pad(out, margin, mode="edge")
        parts = (
            wide[start : start + count] if axis == 0 else wide[:, start : start + count]
            for start in range(len(weights))
        )
        total = np.zeros_like(out)
        for weight, part in zip(weights, parts, strict=True):
            total += weight * part
        out = total
    return out


def reach_of(deviation: float) -> int:
    """Cells on each side that a blur asks for: three standard deviations."""
    return int(np.ceil(3 * deviation))


class MapWriter:
    """Blends the scores of windows into maps.

    Args:
        folder: Where the maps lie; it is there, and empty or from an interrupted run of the very same work.
        grid: Where windows lie.
        count: Number of phrases.
        info: What the source is.
    """

    def __init__(self, folder: Path, grid: SweepGrid, count: int, info: SourceInfo) -> None:
        self.folder, self.grid, self.count = folder, grid, count
        self._info = info
        self._rows, self._columns = grid.cells
        self._side = grid.side // CELL
        self._weight = np.outer(fade(self._side), fade(self._side))
        high = min(self._side, self._rows)
        self._sum: NDArray[np.float32] = np.zeros((count, high, self._columns), np.float32)
        self._weights: NDArray[np.float32] = np.zeros((high, self._columns), np.float32)
        self._valid: NDArray[np.bool_] = np.zeros((min(grid.side, grid.height), grid.width), bool)
        self._top = 0  # first row of cells that is still open
        self.done_rows = 0
        self._files: list[BinaryIO] = []

    def __enter__(self) -> MapWriter:
        state = _read_state(self.folder)
        if state is not None and self._resume(state["done_rows"]):
            self._files = [path.open("r+b") for path in self._paths()]
            return self
        self.done_rows = 0
        sizes = [self._rows * self._columns * 2] * self.count + [self.grid.height * -(-self.grid.width // 8)]
        for path, size in zip(self._paths(), sizes, strict=True):
            with path.open("wb") as file:
                file.truncate(size)
        self._files = [path.open("r+b") for path in self._paths()]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def _paths(self) -> list[Path]:
        return [self.folder / f"{number:04d}.u16" for number in range(self.count)] + [self.folder / _VALID]

    def _resume(self, done_rows: int) -> bool:
        """Take up what was open when so many rows of windows were done; false where that cannot be read."""
        if done_rows == 0 or not all(path.exists() for path in self._paths()):
            return False
        try:
            with np.load(self.folder / _OPEN, allow_pickle=False) as held:
                if int(held["done_rows"]) != done_rows or held["sum"].shape != self._sum.shape:
                    return False
                self._sum, self._weights = held["sum"], held["weights"]
                self._valid = np.unpackbits(held["valid"], axis=1, count=self.grid.width).astype(bool)
                self._top = int(held["top"])
        except (OSError, ValueError, KeyError):
            return False
        self.done_rows = done_rows
        return True

    def add(self, row: int, columns: Sequence[int], scores: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        """Blend in some windows of the row that is being worked on.

        Args:
            row: First working row of the windows.
            columns: First working column of each of N windows.
            scores: (N, P, side / 4, side / 4) probabilities.
            valid: (N, side, side) where there is data.
        """
        first = row // CELL - self._top
        for column, score, there in zip(columns, scores, valid, strict=True):
            left = column // CELL
            high = min(self._side, self._rows - row // CELL, self._sum.shape[1] - first)
            wide = min(self._side, self._columns - left)
            part = np.s_[first : first + high, left : left + wide]
            weight = self._weight[:high, :wide]
            self._sum[(slice(None), *part)] += score[:, :high, :wide] * weight
            self._weights[part] += weight
            target = self._valid[first * CELL : first * CELL + self.grid.side, column : column + self.grid.side]
            target |= there[: target.shape[0], : target.shape[1]]

    def row_done(self, number: int) -> None:
        """Say that all windows of a row (by its number) are blended in; keeps the state of the work."""
        rows = self.grid.rows
        upto = rows[number + 1] // CELL if number + 1 < len(rows) else self._rows
        self._flush(upto)
        self.done_rows = number + 1
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
        held: dict[str, Any] = {
            "sum": self._sum,
            "weights": self._weights,
            "valid": np.packbits(self._valid, axis=1),
            "top": np.array(self._top),
            "done_rows": np.array(self.done_rows),
        }
        finished = self.done_rows == len(rows)
        if not finished:
            _replace(self.folder / _OPEN, lambda file: np.savez(file, **held))
        state = {"done_rows": self.done_rows, "finished": finished, "grid": asdict(self.grid), "phrases": self.count}
        text = json.dumps({**state, "info": info_record(self._info)})
        _replace(self.folder / _STATE, lambda file: file.write(text.encode()))
        if finished:
            (self.folder / _OPEN).unlink(missing_ok=True)

    def _flush(self, upto: int) -> None:
        """Write the rows of cells that no later window changes."""
        count = min(upto - self._top, self._sum.shape[1])
        if count <= 0:
            return
        weights = self._weights[:count]
        share = np.where(weights > 0, FULL / np.where(weights > 0, weights, 1), 0).astype(np.float32)
        for number in range(self.count):
            stored = np.rint(self._sum[number, :count] * share).clip(0, FULL).astype("<u2")
            self._files[number].seek(self._top * self._columns * 2)
            self._files[number].write(stored.data)
        first, last = self._top * CELL, min((self._top + count) * CELL, self.grid.height)
        bits = np.packbits(self._valid[: last - first], axis=1)
        self._files[-1].seek(first * bits.shape[1])
        self._files[-1].write(bits.data)
        for held in (self._sum.swapaxes(0, 1), self._weights):
            held[: len(held) - count] = held[count:].copy()
            held[len(held) - count :] = 0
        gone = min(count * CELL, len(self._valid))
        self._valid[: len(self._valid) - gone] = self._valid[gone:].copy()
        self._valid[len(self._valid) - gone :] = False
        self._top += count


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """Finished maps.

    Attributes:
        folder: Where they lie.
        grid: Where the windows lay.
        info: What the source is.
        count: Number of phrases.
    """

    folder: Path
    grid: SweepGrid
    info: SourceInfo
    count: int

    @classmethod
    def open(cls, folder: Path) -> Maps | None:
        """The maps of a folder; ``None`` where they are not finished."""
        state = _read_state(folder)
        if state is None or not state.get("finished"):
            return None
        grid = {**state["grid"], "columns": tuple(state["grid"]["columns"]), "rows": tuple(state["grid"]["rows"])}
        maps = cls(
            folder=folder, grid=SweepGrid(**grid), info=info_from_record(state["info"]), count=int(state["phrases"])
        )
        return maps if all(path.exists() for path in maps._paths()) else None

    def _paths(self) -> list[Path]:
        return [self.folder / f"{number:04d}.u16" for number in range(self.count)] + [self.folder / _VALID]

    def cells(self, phrase: int, start: int, stop: int) -> NDArray[np.uint16]:
        """Rows [start, stop) of cells of one map, (n, columns); 65535 is certainty."""
        columns = self.grid.cells[1]
        with (self.folder / f"{phrase:04d}.u16").open("rb") as file:
            file.seek(start * columns * 2)
            read = np.frombuffer(file.read((stop - start) * columns * 2), "<u2")
        return read.reshape(stop - start, columns).astype(np.uint16, copy=False)

    def valid(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Working rows [start, stop): (n, width), where there is data that was looked at."""
        wide = -(-self.grid.width // 8)
        with (self.folder / _VALID).open("rb") as file:
            file.seek(start * wide)
            read = np.frombuffer(file.read((stop - start) * wide), np.uint8).reshape(stop - start, wide)
        return np.unpackbits(read, axis=1, count=self.grid.width).astype(bool)

    def blurred_cells(self, phrase: int, start: int, stop: int, blur: float) -> NDArray[np.float32]:
        """:meth:`cells` of a blurred map; the same whatever rows are asked for."""
        reach = reach_of(blur)
        first, last = max(0, start - reach), min(self.grid.cells[0], stop + reach)
        return blurred(self.cells(phrase, first, last), blur)[start - first : stop - first]

    def band(self, phrase: int, row: int, height: int, *, blur: float = 0.0) -> MapBand:
        """Full-resolution rows [row, row + height) of one map, blurred by so many cells, to cut blocks from."""
        return MapBand(self, phrase, row, height, blur)


class MapBand:
    """Some full-resolution rows of a map, read once; blocks of them are cut and interpolated."""

    def __init__(self, maps: Maps, phrase: int, row: int, height: int, blur: float) -> None:
        grid = maps.grid
        self._grid, self._height = grid, height
        self._cell = CELL * grid.scale
        place = (np.arange(row, row + height) + 0.5) / self._cell - 0.5
        rows = grid.cells[0]
        low = np.clip(np.floor(place).astype(int), 0, rows - 1)
        high = np.minimum(low + 1, rows - 1)
        self._share = np.clip(place - low, 0, 1).astype(np.float32)[:, None]
        first, last = int(low[0]), int(high[-1]) + 1
        self._cells: NDArray[Any] = (
            maps.blurred_cells(phrase, first, last, blur) if blur else maps.cells(phrase, first, last)
        )
        self._low, self._high = low - first, high - first
        working = np.minimum((np.arange(row, row + height) / grid.scale + 1e-9).astype(int), grid.height - 1)
        self._valid_rows = working - int(working[0])
        self._valid = maps.valid(int(working[0]), int(working[-1]) + 1)
        self._whole = bool(self._valid.all())

    def highest(self, column: int, width: int) -> int:
        """No value of a block is higher than this."""
        first, last = self._reach(column, width)
        return math.ceil(float(self._cells[:, first:last].max()))

    def _reach(self, column: int, width: int) -> tuple[int, int]:
        first = max(0, int(np.floor((column + 0.5) / self._cell - 0.5)))
        return first, min(self._cells.shape[1], int(np.floor((column + width - 0.5) / self._cell - 0.5)) + 2)

    def block(self, column: int, width: int) -> NDArray[np.float32]:
        """Probabilities of full-resolution pixels, (height, width), interpolated between the cells' centres."""
        first, last = self._reach(column, width)
        cells = self._cells[:, first:last].astype(np.float32)
        place = (np.arange(column, column + width) + 0.5) / self._cell - 0.5
        low = np.clip(np.floor(place).astype(int), 0, self._cells.shape[1] - 1)
        high = np.minimum(low + 1, self._cells.shape[1] - 1)
        share = np.clip(place - low, 0, 1).astype(np.float32)
        across = cells[:, low - first] * (1 - share) + cells[:, high - first] * share
        down: NDArray[np.float32] = across[self._low] * (1 - self._share) + across[self._high] * self._share
        down *= np.float32(1 / FULL)
        return down

    def valid(self, column: int, width: int) -> NDArray[np.bool_]:
        """(height, width), where there is data that was looked at."""
        places = np.arange(column, column + width) / self._grid.scale + 1e-9
        working = np.minimum(places.astype(int), self._grid.width - 1)
        if self._whole:
            return np.ones((self._height, width), bool)
        return np.asarray(self._valid[:, working[0] : working[-1] + 1][self._valid_rows[:, None], working - working[0]])


def blocks_of(width: int, height: int, side: int) -> list[Window]:
    """The blocks of a raster, row by row."""
    return [
        Window(column, row, min(side, width - column), min(side, height - row))
        for row in range(0, height, side)
        for column in range(0, width, side)
    ]


def _read_state(folder: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((folder / _STATE).read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(path.name + ".draft")
    try:
        with draft.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise GeoglotError(path, cause=cause, remedy="check the space on the disk", stage="write") from error
