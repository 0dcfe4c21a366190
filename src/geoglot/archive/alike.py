"""Tiles of an archive whose vectors are nearly the same: candidates for duplicates.

Every tile is asked for its nearest tiles, in blocks. Up to 20,000 tiles all are compared with all; beyond, tiles are
sorted into cells around a thousand or fewer centres, and the cells nearest to a tile are searched, on 8-bit codes. The
similarity of what is found is exact. Overlapping windows of one file are no candidates: they share pixels by design.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.search import Searcher
from geoglot.core.errors import UsageError
from geoglot.core.records import Tile

NEIGHBOURS = 48
"""In a town every tile is like every other: a brighter copy is not always among the nearest twenty-four."""
MOST_NEIGHBOURS = 768
COMPARE_ALL = 20_000
_CELLS_SEARCHED = 8
_TRAINING_ROWS_PER_CELL = 48
_TOGETHER = 4096

Report = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class TileTable:
    """All live tiles that were asked for, as columns.

    Attributes:
        searcher: Where they come from.
        segment: (N,) int32, number of the segment.
        row: (N,) int64, row in the segment.
        file: (N,) int32, number of the content that a tile belongs to.
        windows: (N, 4) int32.
        files: Content id and path of each content.
    """

    searcher: Searcher
    segment: NDArray[np.int32]
    row: NDArray[np.int64]
    file: NDArray[np.int32]
    windows: NDArray[np.int32]
    files: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.row)

    def vectors(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embeddings of some tiles. (M,) positions -> (M, D)."""
        out = np.empty((len(chosen), self.searcher.dimension), np.float32)
        for number in np.unique(self.segment[chosen]).tolist():
            mine = self.segment[chosen] == number
            out[mine] = self.searcher.segments[number].vectors[self.row[chosen][mine]]
        return out

    def tile(self, position: int) -> Tile:
        """One tile."""
        return self.searcher.tile(int(self.segment[position]), int(self.row[position]))

    def overlapping(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs of tiles are of one file and share pixels. Two (P,) -> (P,)."""
        a, b = self.windows[first].astype(np.int64), self.windows[second].astype(np.int64)
        apart = (a[:, :2] + a[:, 2:] <= b[:, :2]) | (b[:, :2] + b[:, 2:] <= a[:, :2])
        return np.asarray((self.file[first] == self.file[second]) & ~apart.any(1))


@dataclass(frozen=True, kw_only=True, eq=False)
class AlikePairs:
    """P pairs of tiles, each once, the more similar first.

    Attributes:
        first: (P,) int64 positions; smaller than `second`.
        second: (P,) int64 positions.
        similarity: (P,) float32, inner product of the vectors.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)


def tile_table(searcher: Searcher, matching: Callable[[str], bool] | None = None) -> TileTable:
    """The live tiles of an archive.

    Args:
        searcher: Of the snapshot.
        matching: Which paths to look at; all where not given.
    """
    numbers: dict[str, int] = {}
    paths: list[tuple[str, str]] = []
    parts: list[tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]] = []
    for number, (segment, live) in enumerate(zip(searcher.segments, searcher.live, strict=True)):
        names = searcher.names(segment)
        chosen = np.ones(len(segment), bool) if live is None else live
        if matching is not None:
            chosen = chosen & names.matching(matching)[np.asarray(segment.source)]
        rows = np.flatnonzero(chosen)
        own = np.full(len(segment.sources), -1, np.int32)
        for source in np.unique(np.asarray(segment.source)[rows]).tolist():
            content = str(segment.sources[source][0])
            if content not in numbers:
                numbers[content] = len(paths)
                paths.append((content, names.first(source)))
            own[source] = numbers[content]
        of = own[np.asarray(segment.source)[rows]]
        parts.append((np.full(len(rows), number, np.int32), rows, of, np.asarray(segment.windows)[rows]))
    return TileTable(
        searcher=searcher,
        segment=np.concatenate([np.zeros(0, np.int32), *(part[0] for part in parts)]),
        row=np.concatenate([np.zeros(0, np.int64), *(part[1] for part in parts)]),
        file=np.concatenate([np.zeros(0, np.int32), *(part[2] for part in parts)]),
        windows=np.concatenate([np.zeros((0, 4), np.int32), *(part[3] for part in parts)]),
        files=tuple(paths),
    )


def alike_pairs(table: TileTable, *, at_least: float, progress: Report = lambda done, total: None) -> AlikePairs:
    """Pairs of tiles with similar vectors, each tile with its nearest ones.

    Args:
        table: The tiles.
        at_least: Least similarity, in (0, 1].
        progress: Called with (tiles done, tiles in all).

    Raises:
        UsageError: `at_least` is out of its range.
    """
    if not 0 < at_least <= 1:
        remedy = "give a number up to 1, such as 0.9"
        raise UsageError(f"at_least={at_least:g}", cause="is no least similarity", remedy=remedy)
    if len(table) < 2:
        return _once([], [], [])
    index = _index(table)
    waiting = np.arange(len(table))
    wanted = min(NEIGHBOURS, len(table))
    firsts, seconds, scores = [], [], []
    while len(waiting):
        again = []
        for start in range(0, len(waiting), _TOGETHER):
            asked = waiting[start : start + _TOGETHER]
            first, second, score, full = _nearest(table, index, asked, wanted, at_least)
            firsts.append(first)
            seconds.append(second)
            scores.append(score)
            again.append(asked[full])
            progress(len(table) - len(waiting) + start + len(asked), len(table))
        # where every neighbour overlaps the tile itself, others may stand behind them
        waiting, wanted = np.concatenate(again), min(wanted * 4, len(table))
        if wanted > MOST_NEIGHBOURS:
            break
    return _once(firsts, seconds, scores)


def _nearest(
    table: TileTable, index: Any, asked: NDArray[np.int64], wanted: int, at_least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Pairs of some tiles with their nearest, and which tiles found nothing but their own overlaps."""
    vectors = table.vectors(asked)
    _, found = index.search(vectors, wanted)
    first = np.repeat(asked, wanted)
    own = np.repeat(np.arange(len(asked)), wanted)
    second = found.reshape(-1).astype(np.int64)
    there = (second >= 0) & (second != first)
    first, second, own = first[there], second[there], own[there]
    score = np.empty(len(first), np.float32)
    for start in range(0, len(first), 16 * _TOGETHER):
        some = slice(start, start + 16 * _TOGETHER)
        score[some] = np.einsum("nd,nd->n", vectors[own[some]], table.vectors(second[some]))
    near = score >= at_least
    first, second, own, score = first[near], second[near], own[near], score[near]
    overlaps = table.overlapping(first, second)
    neighbours = np.bincount(own, minlength=len(asked))
    full = (neighbours >= wanted - 1) & (np.bincount(own[overlaps], minlength=len(asked)) == neighbours)
    return first[~overlaps], second[~overlaps], score[~overlaps], full


def _once(firsts: list[Any], seconds: list[Any], scores: list[Any]) -> AlikePairs:
    first = np.concatenate([np.zeros(0, np.int64), *firsts])
    second = np.concatenate([np.zeros(0, np.int64), *seconds])
    score = np.concatenate([np.zeros(0, np.float32), *scores])
    low, high = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((high, low))
    low, high, score = low[order], high[order], score[order]
    new = np.ones(len(low), bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    low, high, score = low[new], high[new], score[new]
    best = np.argsort(-score, kind="stable")
    return AlikePairs(first=low[best], second=high[best], similarity=score[best])


def _index(table: TileTable) -> Any:
    """All tiles in FAISS: exact for few, cells with 8-bit codes for many."""
    import faiss

    dimension, count = table.searcher.dimension, len(table)
    if count <= COMPARE_ALL:
        index = faiss.IndexFlatIP(dimension)
    else:
        cells = min(1024, round(math.sqrt(count)))
        centres = faiss.IndexFlatIP(dimension)
        index = faiss.IndexIVFScalarQuantizer(
            centres, dimension, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.niter = 8
        index.nprobe = _CELLS_SEARCHED
        rows = np.linspace(0, count - 1, min(count, cells * _TRAINING_ROWS_PER_CELL)).astype(np.int64)
        index.train(table.vectors(rows))
    for some in _blocks(count):
        index.add(table.vectors(some))
    return index


def _blocks(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, 4 * _TOGETHER):
        yield np.arange(start, min(start + 4 * _TOGETHER, count))
