"""What lies where: kinds of cells, the roads between them, and the water."""

from __future__ import annotations

import math
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoglot.data.scenery.hashing import fraction, noise_at
from geoglot.data.scenery.warp import Warp

CELL = 250.0
"""Side of a cell of the plan, metres."""


class Kind(StrEnum):
    """What a cell is used for."""

    SEA = "sea"
    LAKE = "lake"
    BEACH = "beach"
    HARBOUR = "harbour"
    RIVERSIDE = "riverside"
    FOREST = "forest"
    FARMLAND = "farmland"
    MEADOW = "meadow"
    BARE = "bare"
    DESERT = "desert"
    DENSE = "dense"
    MEDIUM = "medium"
    SPARSE = "sparse"
    CORE = "core"
    COMMERCE = "commerce"
    INDUSTRY = "industry"
    TANKS = "tanks"
    STADIUM = "stadium"
    COURTS = "courts"
    BASEBALL = "baseball"
    PARK = "park"
    AIRPORT = "airport"


class Edge(IntEnum):
    """What runs along the side of a cell; a greater value is drawn wider and goes on at a crossing."""

    NONE = 0
    TRACK = 1
    STREET = 2
    AVENUE = 3
    RAILWAY = 4
    MOTORWAY = 5


HALF_WIDTH: dict[Edge, float] = {
    Edge.NONE: 0.0,
    Edge.TRACK: 2.0,
    Edge.STREET: 4.5,
    Edge.AVENUE: 9.0,
    Edge.RAILWAY: 7.0,
    Edge.MOTORWAY: 17.0,
}
"""Half the width of what runs along a side, metres."""

WATER = frozenset({Kind.SEA, Kind.LAKE})
TOWN = frozenset(
    {
        Kind.DENSE,
        Kind.MEDIUM,
        Kind.SPARSE,
        Kind.CORE,
        Kind.COMMERCE,
        Kind.INDUSTRY,
        Kind.TANKS,
        Kind.STADIUM,
        Kind.COURTS,
        Kind.BASEBALL,
        Kind.PARK,
        Kind.HARBOUR,
    }
)


class Feature(NamedTuple):
    """A rectangle of cells with one use; most are a single cell."""

    kind: Kind
    column: int
    row: int
    columns: int = 1
    rows: int = 1


class Plan:
    """The grid of cells. Subclasses say what a cell is; roads and water follow from that.

    Args:
        seed: Of the scene.
        warp: The bend from plan to ground.
    """

    river_half_width = 32.0

    def __init__(self, seed: int, warp: Warp) -> None:
        self.seed = seed
        self.warp = warp
        self.feature = lru_cache(maxsize=1 << 15)(self._feature)
        self.edge = lru_cache(maxsize=1 << 15)(self._edge)

    def _feature(self, column: int, row: int) -> Feature:
        raise NotImplementedError

    def kind(self, column: int, row: int) -> Kind:
        """Use of a cell."""
        return self.feature(column, row).kind

    def line(self, index: int, *, vertical: bool) -> Edge:
        """The road that a whole line of the grid is meant for."""
        raise NotImplementedError

    def rivers(self, u: Any, v: Any) -> list[Any]:
        """Plan abscissas (...), at ordinates v (...), of the centre lines of the rivers that may come near u (...)."""
        raise NotImplementedError

    def roundabout(self, column: int, row: int) -> bool:
        """Whether the crossing at a node of the grid is a roundabout, if its roads allow."""
        return fraction(self.seed, 71, column, row) < 0.07

    def river_distance(self, u: Any, v: Any) -> NDArray[np.float32]:
        """Metres inside (+) or outside (-) the nearest river's bank at plan points (...)."""
        u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
        best = np.full(np.broadcast(u, v).shape, -1e6)
        here, ahead = self.rivers(u, v), self.rivers(u, v + 10.0)
        for centre, further in zip(here, ahead, strict=True):
            slant = np.sqrt(1.0 + ((further - centre) / 10.0) ** 2)
            best = np.maximum(best, self.river_half_width - np.abs(u - centre) / slant)
        ripple = noise_at(self.seed + 5, u, v, 60.0) * 5.0 + noise_at(self.seed + 6, u, v, 17.0) * 1.5
        return (best + ripple).astype(np.float32)

    def still_water(self, u: Any, v: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Metres, roughly, inside (+) or outside (-) the shore of sea and lakes at plan points (...)."""
        u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
        gu, gv = u / CELL - 0.5, v / CELL - 0.5
        column, row = np.rint(gu).astype(np.int64), np.rint(gv).astype(np.int64)
        left, top = int(column.min()) - 1, int(row.min()) - 1
        width, height = int(column.max()) + 2 - left, int(row.max()) + 2 - top
        kinds = [[self.kind(left + c, top + r) for c in range(width)] for r in range(height)]
        far = np.full(u.shape, -1e6, dtype=np.float32)
        wobble = noise_at(self.seed + 7, u, v, 130.0) * 26 + noise_at(self.seed + 8, u, v, 31.0) * 5
        found = []
        for wanted, gain, threshold in ((Kind.SEA, 2.0, 1.0), (Kind.LAKE, 2.6, 1.0)):
            inside = np.array([[kind is wanted for kind in line] for line in kinds], dtype=np.float32)
            if not inside.any():
                found.append(far)
                continue
            total = np.zeros(u.shape)
            # Quadratic B-spline of the cells' indicator: a smooth shore through the cells' borders.
            fu, fv = gu - column, gv - row
            weights_u = (0.5 * (0.5 - fu) ** 2, 0.75 - fu**2, 0.5 * (0.5 + fu) ** 2)
            weights_v = (0.5 * (0.5 - fv) ** 2, 0.75 - fv**2, 0.5 * (0.5 + fv) ** 2)
            for dr, wv in zip((-1, 0, 1), weights_v, strict=True):
                for dc, wu in zip((-1, 0, 1), weights_u, strict=True):
                    total += wu * wv * inside[row + dr - top, column + dc - left]
            found.append(((total * gain - threshold) * 120.0 + wobble).astype(np.float32))
        return found[0], found[1]

    def water(self, u: float, v: float) -> float:
        """Metres inside (+) or outside (-) any water at one plan point."""
        at_u, at_v = np.array([u]), np.array([v])
        return float(max(self.river_distance(at_u, at_v)[0], *(field[0] for field in self.still_water(at_u, at_v))))

    def near_river(self, column: int, row: int) -> bool:
        """Whether a river comes into a cell or within 40 m of it."""
        v = (row + np.linspace(-0.1, 1.1, 7)) * CELL
        reach = self.river_half_width + 40.0
        return any(
            bool(np.any((line > column * CELL - reach) & (line < (column + 1) * CELL + reach)))
            for line in self.rivers(np.array([column * CELL]), v)
        )

    def _edge(self, column: int, row: int, vertical: bool) -> Edge:
        here = self.feature(column, row)
        there = self.feature(column - 1, row) if vertical else self.feature(column, row - 1)
        kinds = {here.kind, there.kind}
        if here == there and (here.columns > 1 or here.rows > 1):
            return Edge.NONE
        if kinds & WATER:
            return Edge.NONE
        line = self.line(column if vertical else row, vertical=vertical)
        through = line in (Edge.MOTORWAY, Edge.RAILWAY)
        if through:
            edge = line
        elif kinds & TOWN:
            edge = max(line, Edge.STREET)
        elif line == Edge.AVENUE:
            edge = Edge.STREET
        else:
            is_track = Kind.FARMLAND in kinds and fraction(self.seed, 31, column, row, vertical) < 0.5
            edge = Edge.TRACK if is_track else Edge.NONE
        if edge is Edge.NONE:
            return edge
        steps = np.linspace(-0.04, 1.04, 9)
        u = (column + (0.0 if vertical else 1.0) * steps) * CELL
        v = (row + (1.0 if vertical else 0.0) * steps) * CELL
        if max(float(field.max()) for field in self.still_water(u, v)) > -HALF_WIDTH[edge] - 6:
            return Edge.NONE
        if float(self.river_distance(u, v).max()) > -HALF_WIDTH[edge] - 10 and (vertical or line < Edge.AVENUE):
            return Edge.NONE
        return edge

    def around(self, column: int, row: int) -> tuple[Edge, Edge, Edge, Edge]:
        """The four roads at a node: to the north, east, south and west (v grows southwards)."""
        return (
            self.edge(column, row - 1, True),
            self.edge(column, row, False),
            self.edge(column, row, True),
            self.edge(column - 1, row, False),
        )


_LETTERS = {
    "W": Kind.SEA,
    "L": Kind.LAKE,
    "E": Kind.BEACH,
    "H": Kind.HARBOUR,
    "v": Kind.RIVERSIDE,
    "F": Kind.FOREST,
    "f": Kind.FARMLAND,
    "m": Kind.MEADOW,
    "b": Kind.BARE,
    "d": Kind.DESERT,
    "R": Kind.DENSE,
    "r": Kind.MEDIUM,
    "s": Kind.SPARSE,
    "U": Kind.CORE,
    "P": Kind.COMMERCE,
    "I": Kind.INDUSTRY,
    "T": Kind.TANKS,
    "S": Kind.STADIUM,
    "C": Kind.COURTS,
    "B": Kind.BASEBALL,
    "p": Kind.PARK,
    "A": Kind.AIRPORT,
}

_DEMO = (
    "FFfvffsrddEW",
    "FffvmrRRsbEW",
    "fFFvBRRURpHW",
    "ffmvCUUPRTHW",
    "fFmvSUUPrTHW",
    "msFvRBpCIIEW",
    "sfFvAAAAAAAW",
    "fLmvAAAAAAAW",
    "fffvAAAAAAAW",
)


class DemoPlan(Plan):
    """A fixed map with every kind of cell, for the demo scene; around it lies plain country."""

    columns, rows = len(_DEMO[0]), len(_DEMO)
    _airport = Feature(Kind.AIRPORT, 4, 6, 7, 3)

    def __init__(self, seed: int) -> None:
        centre = (self.columns * CELL / 2, self.rows * CELL / 2)
        super().__init__(seed, Warp(seed, turn=0.07, pivot=centre))

    def _feature(self, column: int, row: int) -> Feature:
        letter = _DEMO[min(max(row, 0), self.rows - 1)][min(max(column, 0), self.columns - 1)]
        kind = _LETTERS[letter]
        inside = 0 <= column < self.columns and 0 <= row < self.rows
        if kind is Kind.AIRPORT:
            return self._airport if inside else Feature(Kind.MEADOW, column, row)
        if not inside and kind not in WATER | {Kind.FOREST, Kind.FARMLAND, Kind.BEACH, Kind.RIVERSIDE, Kind.DESERT}:
            kind = Kind.SEA if kind is Kind.HARBOUR else Kind.MEADOW
        return Feature(kind, column, row)

    def line(self, index: int, *, vertical: bool) -> Edge:
        if vertical:
            return {8: Edge.AVENUE, 9: Edge.RAILWAY, 5: Edge.AVENUE}.get(index, Edge.NONE)
        return {4: Edge.MOTORWAY, 2: Edge.AVENUE, 6: Edge.AVENUE}.get(index, Edge.NONE)

    def rivers(self, u: Any, v: Any) -> list[Any]:
        return [3.5 * CELL + 55 * np.sin(v / 210.0 + 1.0) + 25 * np.sin(v / 97.0)]

    def roundabout(self, column: int, row: int) -> bool:
        return (column, row) in ((7, 1), (6, 3), (5, 6), (7, 5))


class WorldPlan(Plan):
    """An endless world: towns, country, coasts, rivers and now and then an airport.

    Example:
        >>> plan = WorldPlan(5)
        >>> plan.kind(100, 40) is WorldPlan(5).kind(100, 40)
        True
    """

    _airport_pitch, _river_pitch = 24, 26

    def __init__(self, seed: int) -> None:
        super().__init__(seed, Warp(seed))
        self._airport = lru_cache(maxsize=1024)(self._find_airport)

    def _field(self, salt: int, column: int, row: int, period: float) -> float:
        at = np.array([column + 0.37]), np.array([row + 0.61])
        coarse = noise_at(self.seed * 131 + salt, *at, period)[0]
        return float(coarse * 0.75 + noise_at(self.seed * 131 + salt + 1, *at, period / 2.6)[0] * 0.35)

    def _is_sea(self, column: int, row: int) -> bool:
        return self._field(11, column, row, 38.0) < -0.42

    def _natural(self, column: int, row: int) -> Kind:
        dryness = self._field(21, column, row, 30.0)
        draw = fraction(self.seed, 23, column, row)
        if dryness > 0.42:
            return Kind.DESERT if draw < 0.8 else Kind.BARE
        woods = self._field(25, column, row, 9.0)
        if woods > 0.28:
            return Kind.FOREST if draw < 0.9 else Kind.LAKE
        if draw < 0.06:
            return Kind.MEADOW
        return Kind.SPARSE if draw > 0.97 else Kind.BARE if draw > 0.94 else Kind.FARMLAND

    def _town(self, column: int, row: int, urban: float) -> Kind:
        draw = fraction(self.seed, 27, column, row)
        special = (
            (0.03, Kind.STADIUM),
            (0.065, Kind.COURTS),
            (0.10, Kind.BASEBALL),
            (0.15, Kind.PARK),
            (0.20, Kind.COMMERCE),
        )
        for limit, kind in special:
            if draw < limit:
                return kind
        if urban > 0.42:
            return Kind.CORE
        if self._field(29, column, row, 6.0) > 0.34:
            return Kind.TANKS if draw > 0.8 else Kind.INDUSTRY
        return Kind.DENSE if urban > 0.25 else Kind.MEDIUM if draw < 0.75 else Kind.DENSE

    def _single(self, column: int, row: int) -> Kind:
        if self._is_sea(column, row):
            return Kind.SEA
        shore = any(self._is_sea(column + dc, row + dr) for dc, dr in ((1, 0), (-1, 0), (0, 1), (0, -1)))
        urban = self._field(13, column, row, 15.0)
        if self.near_river(column, row):
            return Kind.RIVERSIDE
        if shore:
            return Kind.HARBOUR if urban > 0.0 and fraction(self.seed, 19, column, row) < 0.6 else Kind.BEACH
        if urban > 0.14:
            return self._town(column, row, urban)
        if urban > 0.06:
            return Kind.SPARSE if fraction(self.seed, 17, column, row) < 0.6 else self._natural(column, row)
        return self._natural(column, row)

    def _find_airport(self, block_column: int, block_row: int) -> Feature | None:
        """The airport of a square of 24 x 24 cells, where there is room for one."""
        for attempt in range(4):
            if fraction(self.seed, 41, block_column, block_row) > 0.75:
                return None
            spread = self._airport_pitch - 9
            column = block_column * self._airport_pitch + 1 + int(
                fraction(self.seed, 43, block_column, block_row, attempt) * spread
            )
            row = block_row * self._airport_pitch + 1 + int(
                fraction(self.seed, 47, block_column, block_row, attempt) * (spread + 4)
            )
            # The ring around the airport must be dry too: a shore bends into its neighbours.
            ring = [(column + c, row + r) for c in range(-1, 8) for r in range(-1, 4)]
            if all(self._single(*cell) not in WATER | {Kind.RIVERSIDE} for cell in ring):
                lines = [self.line(column + c, vertical=True) for c in range(1, 7)]
                lines += [self.line(row + r, vertical=False) for r in range(1, 3)]
                if not {Edge.MOTORWAY, Edge.RAILWAY} & set(lines):
                    return Feature(Kind.AIRPORT, column, row, 7, 3)
        return None

    def _feature(self, column: int, row: int) -> Feature:
        airport = self._airport(column // self._airport_pitch, row // self._airport_pitch)
        if airport is not None:
            across, down = column - airport.column, row - airport.row
            if 0 <= across < airport.columns and 0 <= down < airport.rows:
                return airport
        return Feature(self._single(column, row), column, row)

    def line(self, index: int, *, vertical: bool) -> Edge:
        period, salt = (28, 51) if vertical else (20, 53)
        if index % period == int(fraction(self.seed, salt) * period):
            return Edge.MOTORWAY
        if vertical and index % 19 == int(fraction(self.seed, 57) * 19):
            return Edge.RAILWAY
        return Edge.AVENUE if index % 4 == 0 else Edge.NONE

    def rivers(self, u: Any, v: Any) -> list[Any]:
        pitch = self._river_pitch * CELL
        first, last = math.floor(float(np.min(u)) / pitch) - 1, math.floor(float(np.max(u)) / pitch) + 1
        return [self._river(number, v) for number in range(first, last + 1)]

    def _river(self, number: int, v: Any) -> Any:
        shift = fraction(self.seed, 61, number)
        phase = fraction(self.seed, 63, number) * 2 * math.pi
        start = (number + 0.2 + 0.6 * shift) * self._river_pitch * CELL
        return start + 420 * np.sin(v / 1500.0 + phase) + 90 * np.sin(v / 330.0 + 3 * phase)
