"""Search: filter to bitmap, 8-bit scan with the bitmap as selector, exact re-rank, collapse of overlapping tiles.

The answer is exact. The scan returns candidates and a bound for everything it left out; if the bound does not lie
below the last score wanted, more candidates are taken, in the end all. Few candidates are scored without a scan.

With binary codes the answer is the rows whose codes differ least from the query's; a given number of them can be
re-ordered by their exact scores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.codes import Coding
from geoglot.archive.collapse import Places
from geoglot.archive.entries import Snapshot
from geoglot.archive.filter import Filter
from geoglot.archive.rows import Rows
from geoglot.archive.segment import Segment
from geoglot.core.errors import ArchiveError, GeoglotError, UsageError
from geoglot.core.records import Tile

SAMPLE_ROWS = 4096
CANDIDATES = 100
"""How many candidates of a first stage are re-ordered, unless the caller says otherwise."""
_SCORED_WITHOUT_SCAN = 256
_EXTRA_CANDIDATES = 96
_IDENTIFIER = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class RawHit:
    """A row that answers a query.

    Attributes:
        id: 32 hexadecimal digits.
        score: Inner product of query and embedding, or what a Hamming distance says about it.
        source: Path of the file (the first, where several files have the same bytes).
        tile: Where in the file, and where on Earth.
        vector: (D,) float32, the row's embedding.
        merged: How many overlapping tiles of the same place it stands for, itself included.
        same_place: What a second look said of it, if there was one (:mod:`geoglot.api.place`).
    """

    id: str
    score: float
    source: str
    tile: Tile
    vector: NDArray[np.float32] = field(repr=False, compare=False)
    merged: int = 1
    same_place: bool | None = None


@dataclass(frozen=True)
class Found:
    """Candidates in order: segment, row and exact score of each; `complete` when there are no more."""

    segment: NDArray[np.int64]
    row: NDArray[np.int64]
    score: NDArray[np.float32]
    complete: bool


class SegmentNames:
    """The paths of a segment's sources as they are now (see :class:`geoglot.archive.filter.SourceNames`)."""

    def __init__(self, sources: Sequence[tuple[str, str]], moved: dict[str, list[str]]) -> None:
        self._sources = sources
        self._moved = moved

    def matching(self, test: Callable[[str], bool]) -> NDArray[np.bool_]:
        """(S,) bool: which sources have a path that passes."""
        if not self._moved:
            return np.fromiter((test(path) for _, path in self._sources), bool, len(self._sources))
        every = (any(map(test, self._moved.get(content, (path,)))) for content, path in self._sources)
        return np.fromiter(every, bool, len(self._sources))

    def first(self, number: int) -> str:
        """The path to show for a source."""
        content, path = self._sources[number]
        return self._moved.get(content, [path])[0]


class Searcher:
    """All rows of one snapshot."""

    def __init__(
        self,
        segments: Sequence[Segment],
        snapshot: Snapshot,
        dimension: int,
        threads: int = 2,
        *,
        coding: Coding | None = None,
    ) -> None:
        self.segments = list(segments)
        self.snapshot = snapshot
        self.dimension = dimension
        self.coding = coding or Coding()
        self._threads = threads
        self._rows: dict[int, Rows] = {}
        self._last_masks: tuple[Filter, list[NDArray[np.bool_] | None]] | None = None
        self._last_best: tuple[bytes, Sequence[NDArray[np.bool_] | None], Found] | None = None

    @cached_property
    def live(self) -> list[NDArray[np.bool_] | None]:
        """For each segment which rows are not deleted; ``None`` where none is."""
        deleted: dict[int, list[tuple[int, int]]] = {}
        for number, first, count in self.snapshot.deleted:
            deleted.setdefault(number, []).append((first, count))
        masks: list[NDArray[np.bool_] | None] = []
        for segment in self.segments:
            mask: NDArray[np.bool_] | None = None
            for number, start, _ in segment.extents():
                for first, count in deleted.get(number, ()):
                    mask = np.ones(len(segment), bool) if mask is None else mask
                    mask[start + first : start + first + count] = False
            masks.append(mask)
        return masks

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="geoglot-search")

    def checked_query(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """The query as (D,) float32.

        Raises:
            UsageError: It has another dimension than the archive, or a value that is not finite.
        """
        query = np.ascontiguousarray(vector, np.float32)
        if query.shape != (self.dimension,):
            cause = f"has shape {query.shape}, the archive's embeddings have ({self.dimension},)"
            raise UsageError("query", cause=cause, remedy="use the model that the archive was made with")
        if not np.isfinite(query).all():
            raise UsageError("query", cause="has values that are not finite", remedy="check the model and the weights")
        return query

    def masks(self, condition: Filter | None) -> list[NDArray[np.bool_] | None]:
        """For each segment the rows that live and pass the filter; ``None`` means all."""
        if condition is None or condition.empty:
            return self.live
        last = self._last_masks
        if last is not None and last[0] is condition:  # one question looks at the same rows several times
            return last[1]
        masks: list[NDArray[np.bool_] | None] = []
        for segment, live in zip(self.segments, self.live, strict=True):
            mask = self._mask(condition, segment)
            masks.append(mask if live is None else mask & live)
        self._last_masks = (condition, masks)
        return masks

    def find(self, ids: Sequence[str]) -> dict[str, RawHit]:
        """Live rows by identifier; those that are not here are left out. Scores are 0.

        Args:
            ids: 32 hexadecimal digits each; anything else is not found.
        """
        wanted = {key: bytes.fromhex(key) for key in ids if _IDENTIFIER.fullmatch(key)}
        found: dict[str, RawHit] = {}
        for number, (segment, live) in enumerate(zip(self.segments, self.live, strict=True)):
            keys = np.ascontiguousarray(segment.ids).view("<u8").reshape(-1, 2)
            for name, key in wanted.items():
                first, second = np.frombuffer(key, "<u8")
                rows = np.flatnonzero(keys[:, 0] == first)
                rows = rows[keys[rows, 1] == second]
                rows = rows if live is None else rows[live[rows]]
                if len(rows):
                    segment.check_rows(rows[:1])
                    found[name] = self.hit(number, int(rows[0]), 0.0, 1)
        return found

    def sample_scores(
        self, query: NDArray[np.float32], condition: Filter | None, most: int = SAMPLE_ROWS
    ) -> tuple[NDArray[np.float32], int]:
        """Scores of rows that pass a filter, for a picture of how they are spread, and how many rows pass.

        Args:
            query: (D,) float32.
            condition: The filter.
            most: More rows than that are sampled evenly.

        Returns:
            (M,) float32, M at most `most`; number of rows that pass.
        """
        if condition is None or condition.empty:
            sample = self.background_sample
            return (sample[:most] @ query).astype(np.float32), self.snapshot.rows
        masks = self.masks(condition)
        rows = [
            np.arange(len(s)) if m is None else np.flatnonzero(m) for s, m in zip(self.segments, masks, strict=True)
        ]
        total = sum(len(some) for some in rows)
        step = max(1, -(-total // most))
        scores = [
            exact_scores(segment.vectors, some[::step], query)
            for segment, some in zip(self.segments, rows, strict=True)
            if len(some)
        ]
        return np.concatenate([*scores, np.zeros(0, np.float32)]), total

    def _mask(self, condition: Filter, segment: Segment) -> NDArray[np.bool_]:
        try:
            return condition.mask(segment, self.names(segment))
        except (GeoglotError, MemoryError):
            raise
        except Exception as error:  # what was validated when it was written can only fail when it is damaged
            name = segment.record.name
            cause = f"holds a footprint that cannot be read ({error})"
            raise ArchiveError(name, cause=cause, remedy="run index again to repair it", stage="read") from error

    def names(self, segment: Segment) -> SegmentNames:
        """Paths of a segment's sources."""
        return SegmentNames(segment.sources, self.snapshot.paths)

    def best(self, query: NDArray[np.float32], count: int, masks: Sequence[NDArray[np.bool_] | None]) -> Found:
        """The `count` best rows, exactly, in order of score, then id.

        The last answer is kept: who asks for hits asks for the few best rows of the same question, too.
        """
        last = self._last_best
        if last is not None and last[1] is masks and last[0] == query.tobytes() and len(last[2].row) > count:
            known = last[2]
            return Found(known.segment[:count], known.row[:count], known.score[:count], complete=False)
        found = self._best(query, count, masks)
        self._last_best = (query.tobytes(), masks, found)
        return found

    def _best(self, query: NDArray[np.float32], count: int, masks: Sequence[NDArray[np.bool_] | None]) -> Found:
        passing = [len(s) if m is None else int(np.count_nonzero(m)) for s, m in zip(self.segments, masks, strict=True)]
        total = sum(passing)
        count = min(count, total)
        wanted = [min(count + _EXTRA_CANDIDATES, number) for number in passing]
        rows: list[NDArray[np.int64]] = [np.zeros(0, np.int64) for _ in self.segments]
        scores: list[NDArray[np.float32]] = [np.zeros(0, np.float32) for _ in self.segments]
        bounds = [-np.inf] * len(self.segments)
        todo = [number for number, some in enumerate(passing) if some]

        def scan(number: int) -> None:
            segment, mask = self.segments[number], masks[number]
            if passing[number] <= _SCORED_WITHOUT_SCAN or wanted[number] * 4 > passing[number]:
                chosen = np.arange(len(segment)) if mask is None else np.flatnonzero(mask)
                rows[number], bounds[number] = chosen, -np.inf
            else:
                found, bounds[number] = segment.nearest(query, wanted[number], mask)
                rows[number] = np.sort(found)
            scores[number] = exact_scores(segment.vectors, rows[number], query)

        while todo:
            if len(todo) > 1 and self._threads > 1:
                list(self._pool.map(scan, todo))
            else:
                for number in todo:
                    scan(number)
            every = np.concatenate(scores)
            last = float(np.partition(every, len(every) - count)[len(every) - count]) if count else np.inf
            todo = [number for number in todo if bounds[number] >= last]
            for number in todo:
                wanted[number] *= 8
        segment_of = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
        order = self._order(segment_of, rows, scores, count)
        row = np.concatenate([*rows, np.zeros(0, np.int64)])
        score = np.concatenate([*scores, np.zeros(0, np.float32)])
        return Found(segment_of[order], row[order], score[order], complete=count == total)

    def nearest_codes(self, query: NDArray[np.float32], count: int, masks: Sequence[NDArray[np.bool_] | None]) -> Found:
        """The `count` rows whose binary codes differ least, in order of distance, then of indexing."""
        passing = [len(s) if m is None else int(np.count_nonzero(m)) for s, m in zip(self.segments, masks, strict=True)]
        total = sum(passing)
        count = min(count, total)
        parts = [
            (number, *segment.nearest_codes(query, min(count, some), mask))
            for number, (segment, mask, some) in enumerate(zip(self.segments, masks, passing, strict=True))
            if some
        ]
        segment_of = np.repeat(np.array([part[0] for part in parts], np.int64), [len(part[1]) for part in parts])
        row = np.concatenate([*(part[1] for part in parts), np.zeros(0, np.int64)])
        distance = np.concatenate([*(part[2] for part in parts), np.zeros(0, np.int64)])
        order = np.argsort(distance, kind="stable")[:count]
        score = self.coding.similarity(distance[order])
        return Found(segment_of[order], row[order], score, complete=count == total)

    def rescored(self, query: NDArray[np.float32], found: Found, count: int) -> Found:
        """The `count` best of some candidates by exact score, then id."""
        rows = [found.row[found.segment == number] for number in range(len(self.segments))]
        scores = [exact_scores(s.vectors, some, query) for s, some in zip(self.segments, rows, strict=True)]
        segment_of = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
        order = self._order(segment_of, rows, scores, min(count, len(found.row)))
        row, score = np.concatenate([*rows, np.zeros(0, np.int64)]), np.concatenate([*scores, np.zeros(0, np.float32)])
        complete = found.complete and len(order) == len(found.row)
        return Found(segment_of[order], row[order], score[order], complete=complete)

    def _first(
        self,
        query: NDArray[np.float32],
        count: int,
        masks: Sequence[NDArray[np.bool_] | None],
        candidates: int | None,
    ) -> Found:
        """The first `count` rows of the order that was asked for."""
        if not self.coding.binary:
            return self.best(query, count, masks)
        if candidates is None or self.coding.kind == "signs":  # the distance of two codes of a hasher is exact
            return self.nearest_codes(query, count, masks)
        return self.rescored(query, self.nearest_codes(query, max(count, candidates), masks), count)

    def _order(
        self,
        segment_of: NDArray[np.int64],
        rows: Sequence[NDArray[np.int64]],
        scores: Sequence[NDArray[np.float32]],
        count: int,
    ) -> NDArray[np.int64]:
        score = np.concatenate([*scores, np.zeros(0, np.float32)])
        if count == 0:
            return np.zeros(0, np.int64)
        last = np.partition(score, len(score) - count)[len(score) - count]
        near = np.flatnonzero(score >= last)
        ids = np.concatenate([s.ids[r] for s, r in zip(self.segments, rows, strict=True)])[near]
        keys = np.ascontiguousarray(ids).view(">u8")
        order = near[np.lexsort((keys[:, 1], keys[:, 0], -score[near]))]
        return order[:count]

    def tile(self, segment_number: int, row: int) -> Tile:
        """One row's tile."""
        if segment_number not in self._rows:
            self._rows[segment_number] = self.segments[segment_number].as_rows()
        return self._rows[segment_number].tile(row)

    def content(self, segment_number: int, row: int) -> str:
        """Content id of the source of one row."""
        segment = self.segments[segment_number]
        return str(segment.sources[int(segment.source[row])][0])

    def search(
        self,
        query: NDArray[np.float32],
        *,
        k: int,
        condition: Filter | None = None,
        collapse: bool = True,
        candidates: int | None = None,
    ) -> list[RawHit]:
        """The `k` best rows, or the `k` best places where overlapping tiles are collapsed.

        `merged` counts the tiles of a place that rank before the next place that is not shown. With `candidates` at
        least so many rows that binary codes found are re-ordered by their exact scores.
        """
        if k < 1:
            raise UsageError(k, cause="is no number of hits", remedy="ask for at least one")
        if candidates is not None and candidates < 1:
            raise UsageError(candidates, cause="is no number of candidates", remedy="ask for at least one")
        masks = self.masks(condition)
        if not collapse:
            found = self._checked(self._first(query, k, masks, candidates))
            every = zip(found.segment.tolist(), found.row.tolist(), found.score.tolist(), strict=True)
            return [self.hit(segment, row, score, 1) for segment, row, score in every]
        count = 4 * k + 16
        while True:
            found = self._checked(self._first(query, count, masks, candidates))
            places, final = self._places(found, k)
            if final or found.complete:
                break
            count *= 4
        hits = []
        for position, merged in zip(places.positions, places.merged, strict=True):
            segment, row, score = found.segment[position], found.row[position], found.score[position]
            hits.append(self.hit(int(segment), int(row), float(score), merged))
        return hits

    def _checked(self, found: Found) -> Found:
        """The candidates, after every row's checksum has been found right: nothing is shown or compared before."""
        for number in np.unique(found.segment).tolist():
            self.segments[number].check_rows(found.row[found.segment == number])
        return found

    def _places(self, found: Found, k: int) -> tuple[Places, bool]:
        """The first `k` places of some candidates, and whether the next place was met (so that they are final)."""
        places = Places(k)
        for position, (segment, row) in enumerate(zip(found.segment.tolist(), found.row.tolist(), strict=True)):
            if not places.offer(self.content(segment, row), self.tile(segment, row), position):
                return places, True
        return places, False

    def hit(self, segment_number: int, row: int, score: float, merged: int) -> RawHit:
        """One row as a hit."""
        segment = self.segments[segment_number]
        return RawHit(
            id=segment.ids[row].tobytes().hex(),
            score=score,
            vector=segment.vectors[row].astype(np.float32),
            source=self.names(segment).first(int(segment.source[row])),
            tile=self.tile(segment_number, row),
            merged=merged,
        )

    @cached_property
    def background_sample(self) -> NDArray[np.float32]:
        """(M, D) float32: the live rows with the smallest ids, at most 4,096; ids are digests, so these are random."""
        keys, places = [], []
        for number, (segment, live) in enumerate(zip(self.segments, self.live, strict=True)):
            key = np.ascontiguousarray(segment.ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
            rows = np.arange(len(segment)) if live is None else np.flatnonzero(live)
            rows = rows[np.argsort(key[rows], kind="stable")[:SAMPLE_ROWS]]
            keys.append(np.ascontiguousarray(segment.ids[rows]).view(">u8"))
            places.append(np.column_stack([np.full(len(rows), number), rows]))
        if not keys:
            return np.zeros((0, self.dimension), np.float32)
        key, place = np.concatenate(keys), np.concatenate(places)
        chosen = place[np.lexsort((key[:, 1], key[:, 0]))[:SAMPLE_ROWS]]
        sample = np.empty((len(chosen), self.dimension), np.float32)
        for number, segment in enumerate(self.segments):
            mine = chosen[:, 0] == number
            sample[mine] = segment.vectors[chosen[mine, 1]]
        return sample

    def close(self) -> None:
        """Stop the threads."""
        if "_pool" in self.__dict__:
            self._pool.shutdown()


def exact_scores(
    vectors: NDArray[np.float16], rows: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Inner products of some rows with a query; equal rows get equal scores, whatever stands beside them.

    Args:
        vectors: (N, D) float16.
        rows: (M,) positions.
        query: (D,) float32.

    Returns:
        (M,) float32.

    Example:
        >>> exact_scores(np.eye(3, dtype=np.float16), np.array([2, 0]), np.array([1, 2, 3], np.float32))
        array([3., 1.], dtype=float32)
    """
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), 8192):
        piece = vectors[rows[start : start + 8192]].astype(np.float32)
        scores[start : start + 8192] = (piece * query).sum(axis=1)
    return scores
