"""The second look of a search by picture: candidates that show the very place of the example go first.

Candidates are read again from their files, the local descriptors of example and candidate are compared
(:mod:`geoglot.models.place`), and candidates that agree go first, best first. The others keep their order: they are
places of the same kind, which the model's vectors tell better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.query import Query
from geoglot.api.rerank import TileMemory
from geoglot.core.errors import UsageError
from geoglot.models.bundle import SHIPPED
from geoglot.models.place import SHIPPED_PLACE

if TYPE_CHECKING:
    from geoglot.api.second_look import SecondLook
    from geoglot.archive.search import RawHit
    from geoglot.geo.decoder import Decoder
    from geoglot.models.place import PlaceBundle

NAME: Final = SHIPPED_PLACE
ROUND: Final = 100
"""So many candidates are looked at together; the next ones only where none of them shows the same place."""
USUAL_CANDIDATES: Final = 200
"""Of a search by one picture that asks for no other second look."""
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

    def agreements(self, hits: Sequence[RawHit], query: Query) -> NDArray[np.float64]:
        """How well each hit agrees with the picture of a query. -> (N,).

        Hits are looked at a hundred at a time, until one of them shows the same place; the rest has 0. Minus infinity
        stands for a file that cannot be read any more.

        Raises:
            SourceError: The example picture cannot be read.
        """
        from geoglot.geo.decoder import Decoder, ReadOptions

        path = next(term.picture for term in query.terms if term.picture is not None and term.weight > 0)
        agreed = np.zeros(len(hits))
        with Decoder(ReadOptions(side=self.side)) as decoder:
            pieces = example_pieces(decoder, path)
            for start in range(0, len(hits), ROUND):
                rows = slice(start, start + ROUND)
                agreed[rows] = self.scores(
                    hits[rows], lambda shown: self.place.looked_at(pieces, self.place.describe(shown)), decoder
                )
                if (agreed[rows] >= self.place.same).any():
                    break
        return agreed


def places_first(reader: PlaceReader, query: Query, rerank: str) -> SecondLook:
    """The second look of a search: see :mod:`geoglot.api.place`.

    Raises:
        UsageError: The query is not one picture alone.
    """
    if not applies(query):
        cause, remedy = "looks for the place of one picture", "ask with one --like and no words, or leave --rerank out"
        raise UsageError(f"rerank {rerank}", cause=cause, remedy=remedy)

    def look(
        vector: NDArray[np.float32], found: Sequence[RawHit], candidates: int
    ) -> tuple[list[RawHit], tuple[str, ...]]:
        first, rest = found[:candidates], found[candidates:]
        agreed = reader.agreements(first, query)
        order = order_of(agreed, reader.place.first)
        told = [
            replace(hit, same_place=bool(score >= reader.place.same)) for hit, score in zip(first, agreed, strict=True)
        ]
        gone = int(np.isneginf(agreed).sum())
        note = f"{gone} of {len(first)} candidates could not be read again to see whether they show the same place"
        return [*(told[int(row)] for row in order), *rest], (note,) * bool(gone)

    return look


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
