"""The second look of a search by picture: candidates that show the very place of the example go first.

Candidates are read again from their files, the local descriptors of example and candidate are compared
(:mod:`geoglot.models.place`), and candidates that agree go first, best first. The others keep their order: they are
places of the same kind, which the model's vectors tell better.

Candidates are the nearest by the model's vectors and, in an archive that holds vectors of places
(:mod:`geoglot.archive.places`), the nearest by those, in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.query import Query
from geoglot.api.rerank import TileMemory
from geoglot.archive.filter import Filter
from geoglot.core.errors import ArchiveError, UsageError
from geoglot.models.bundle import SHIPPED
from geoglot.models.place import SHIPPED_PLACE, quarter_turns

if TYPE_CHECKING:
    from geoglot.api.second_look import SecondLook
    from geoglot.archive.places import PlaceVectors
    from geoglot.archive.search import RawHit
    from geoglot.archive.store import ArchiveStore
    from geoglot.geo.decoder import Decoder
    from geoglot.models.place import PlaceBundle

NAME: Final = SHIPPED_PLACE
ROUND: Final = 100
"""So many candidates are looked at together; the next ones only where none of them shows the same place."""
USUAL_CANDIDATES: Final = 200
"""Of a search by one picture that asks for no other second look."""
_SELECTED: Final = 20
"""Where a search keeps to a part of the archive, so many times as many vectors of places are looked through."""
MOST_PIECES: Final = 9
"""A larger scene as an example is compared as a whole and by so many of its tiles."""


def order_of(agreed: NDArray[np.float64], first: float) -> NDArray[np.int64]:
    """Rows of candidates: those that agree more than chance has it first, best first, then the others as they were.

    Example:
        >>> order_of(np.array([0.1, 0.5, 0.2, 0.7]), 0.4).tolist()
        [3, 1, 0, 2]
    """
    return np.argsort(-np.where(agreed >= first, agreed, 0.0), kind="stable")


def by_turns(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first rows of two orders in turn, each row once. -> at most (count,).

    Example:
        >>> by_turns(np.array([4, 2, 9]), np.array([4, 7, 2]), 4).tolist()
        [4, 2, 7, 9]
    """
    both = np.stack([first[:count], second[:count]], axis=1).ravel()
    return both[np.sort(np.unique(both, return_index=True)[1])][:count]


def at_hand() -> bool:
    """Whether the package ships a place bundle."""
    return (SHIPPED / SHIPPED_PLACE / "bundle.json").is_file()


def applies(query: Query) -> bool:
    """Whether a query asks with one picture, and nothing else that is wanted: then it may ask for a place.

    Example:
        >>> from geoglot.api.query import build_query
        >>> applies(build_query(like="a.png")), applies(build_query("airport", like="a.png"))
        (True, False)
    """
    wanted = [term for term in query.terms if term.weight > 0]
    return len(wanted) == 1 and wanted[0].picture is not None


class PlaceReader(TileMemory):
    """A place bundle with the pixels it has read last.

    Args:
        place: The bundle.
    """

    def __init__(self, place: PlaceBundle) -> None:
        super().__init__(place.side)
        self.place = place
        self._kept: tuple[tuple[str, int, int], PlaceVectors | None] | None = None

    def pieces(self, query: Query) -> NDArray[np.uint8]:
        """The example of a query, as a whole and in parts. -> (E, side, side, 3).

        Raises:
            SourceError: The example picture cannot be read.
        """
        from geoglot.geo.decoder import Decoder, ReadOptions

        path = next(term.picture for term in query.terms if term.picture is not None and term.weight > 0)
        with Decoder(ReadOptions(side=self.side)) as decoder:
            return example_pieces(decoder, path)

    def agreements(self, hits: Sequence[RawHit], pieces: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How well each hit agrees with an example. -> (N,).

        Hits are looked at a hundred at a time, until one of them shows the same place; the rest has 0. Minus infinity
        stands for a file that cannot be read any more.
        """
        from geoglot.geo.decoder import Decoder, ReadOptions

        agreed = np.zeros(len(hits))
        with Decoder(ReadOptions(side=self.side)) as decoder:
            for start in range(0, len(hits), ROUND):
                rows = slice(start, start + ROUND)
                agreed[rows] = self.scores(
                    hits[rows], lambda shown: self.place.looked_at(pieces, self.place.describe(shown)), decoder
                )
                if (agreed[rows] >= self.place.same).any():
                    break
        return agreed

    def near(self, store: ArchiveStore, pieces: NDArray[np.uint8], near: Nearness) -> list[RawHit]:
        """Hits by the archive's vectors of places, nearest first; none where it has none of this bundle.

        Raises:
            ArchiveError: The file is damaged.
        """
        held = self._held(store)
        if held is None or held.bundle != self.place.sha256 or self.place.codebook is None or not len(held.ids):
            return []
        asked = np.concatenate([pieces[:1], quarter_turns(pieces[:1]), pieces[1:]])
        some = near.count if near.selection is None else _SELECTED * near.count
        best = held.best(self.place.vectors(self.place.describe(asked)), some)
        ids = np.frombuffer(bytes.fromhex("".join(best)), np.uint8).reshape(-1, 16)
        selection = replace(near.selection or Filter(), ids=ids)
        hits = store.search(near.vector, k=len(best), filter=selection, collapse=near.collapse)
        place_of = {identifier: number for number, identifier in enumerate(best)}
        return sorted(hits, key=lambda hit: place_of.get(hit.id, len(best)))[: near.count]

    def _held(self, store: ArchiveStore) -> PlaceVectors | None:
        """The archive's vectors of places, kept until the file changes."""
        from geoglot.archive.places import read_places

        try:
            status = store.layout.places.stat()
        except OSError:
            return None
        now = (str(store.layout.places), status.st_size, status.st_mtime_ns)
        if self._kept is None or self._kept[0] != now:
            self._kept = (now, read_places(store.layout))
        return self._kept[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearness:
    """What a search by vectors of places keeps to.

    Attributes:
        vector: The query, as the archive's model has it.
        selection: What part of the archive is looked at.
        collapse: Whether overlapping tiles of one place are one hit.
        count: How many hits.
    """

    vector: NDArray[np.float32]
    selection: Filter | None
    collapse: bool
    count: int


def places_first(
    reader: PlaceReader, query: Query, rerank: str, near: Callable[[NDArray[np.uint8], int], list[RawHit]]
) -> SecondLook:
    """The second look of a search: see :mod:`geoglot.api.place`.

    Args:
        reader: Reads pixels.
        query: One picture.
        rerank: Name of the second look.
        near: Pieces of the picture, and a count, to hits by vectors of places, see :meth:`PlaceReader.near`.

    Raises:
        UsageError: The query is not one picture alone.
    """
    if not applies(query):
        cause, remedy = "looks for the place of one picture", "ask with one --like and no words, or leave --rerank out"
        raise UsageError(f"rerank {rerank}", cause=cause, remedy=remedy)

    def look(
        vector: NDArray[np.float32], found: Sequence[RawHit], candidates: int
    ) -> tuple[list[RawHit], tuple[str, ...]]:
        pieces = reader.pieces(query)
        notes: tuple[str, ...] = ()
        try:
            nearest = near(pieces, candidates)
        except ArchiveError as error:
            nearest, notes = [], (f"vectors of places were not used: {error}",)
        looked = in_turn(nearest, found, candidates)
        agreed = reader.agreements(looked, pieces)
        order = order_of(agreed, reader.place.first)
        told = {
            hit.id: replace(hit, same_place=bool(score >= reader.place.same))
            for hit, score in zip(looked, agreed, strict=True)
        }
        first = [told[looked[int(row)].id] for row in order if agreed[int(row)] >= reader.place.first]
        ahead = {hit.id for hit in first}
        # Places of the same kind keep the order of the model's vectors; those that it does not tell of are left out.
        rest = [told.get(hit.id, hit) for hit in found if hit.id not in ahead]
        gone = int(np.isneginf(agreed).sum())
        if gone:
            of = f"{gone} of {len(looked)} candidates"
            notes += (f"{of} could not be read again to see whether they show the same place",)
        return [*first, *rest], notes

    return look


def in_turn(first: Sequence[RawHit], second: Sequence[RawHit], count: int) -> list[RawHit]:
    """The first hits of two lists in turn, each once. -> at most `count`."""
    both: dict[str, RawHit] = {}
    for place in range(max(len(first), len(second))):
        for hits in (first, second):
            if place < len(hits):
                both.setdefault(hits[place].id, hits[place])
    return list(both.values())[:count]


def example_pieces(decoder: Decoder, path: Path) -> NDArray[np.uint8]:
    """An example picture as a whole and, of a scene of several tiles, its first ones. -> (E, side, side, 3).

    Raises:
        SourceError: It cannot be read, or holds nothing.
    """
    from geoglot.api.matcher import whole_picture
    from geoglot.geo.decoder import TileBatch

    tiles = [part.pixels for part in decoder.read(path) if isinstance(part, TileBatch)]
    cut = np.concatenate(tiles) if tiles else np.zeros((0, 0, 0, 3), np.uint8)
    if len(cut) == 1:
        return cut
    return np.concatenate([whole_picture(decoder, path)[None], cut[:MOST_PIECES]])
