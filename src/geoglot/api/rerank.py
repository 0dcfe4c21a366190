"""Second looks at the first candidates of a search: asking back, or reading words and pixels together.

``reciprocal``  would the candidate, as a picture, have asked for these words? How the query ranks for it among the
                model's neutral captions, fused with the rank by score (:mod:`geoglot.metrics.reciprocal`).
a scorer        a bundle of a cross-attention method scores the query with the pixels of every candidate, which are
                read again from the files by the decoder.
a matcher       a bundle of a matching method, such as the shipped ``dyad``, says how sure it is that every candidate
                shows the same kind of place as the query's pictures; words of the query count as before.

All change the order alone: scores and bands stay those of the archive's model, which the bands are calibrated for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.api.query import Query
from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    from geoglot.archive.search import RawHit
    from geoglot.core.records import Window
    from geoglot.geo.decoder import Decoder
    from geoglot.models.matcher import MatcherBundle
    from geoglot.models.scorer import ScorerBundle

REMEMBERED_TILES: Final = 512

Place = tuple[str, tuple[int, ...]]
"""A file and a window of it."""


def words_of(query: Query, rerank: str) -> list[tuple[str, float]]:
    """The texts of a query with their weights.

    Raises:
        UsageError: A term is a picture: re-ranking compares words.
    """
    if any(term.picture is not None for term in query.terms):
        cause, remedy = "compares words, and the query has a picture", "ask in words, or leave --rerank out"
        raise UsageError(f"rerank {rerank}", cause=cause, remedy=remedy)
    return [(str(term.text), term.weight) for term in query.terms]


def check_for_matcher(query: Query, rerank: str) -> None:
    """A matcher compares pictures.

    Raises:
        UsageError: No term is a picture.
    """
    if all(term.picture is None for term in query.terms):
        cause, remedy = "compares pictures, and the query has none", "add --like PICTURE, or leave --rerank out"
        raise UsageError(f"rerank {rerank}", cause=cause, remedy=remedy)


class TileMemory:
    """The pixels of the tiles that were read last, for an archive that is asked more than once.

    Args:
        side: Of the squares, in pixels.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self._pixels: OrderedDict[Place, NDArray[np.uint8]] = OrderedDict()

    def pixels(self, hits: Sequence[RawHit], decoder: Decoder | None = None) -> Mapping[Place, NDArray[np.uint8]]:
        """The tiles of hits, read by a decoder's child process (a new one unless given) where not remembered."""
        places = [_place(hit) for hit in hits]
        found = {place: self._pixels[place] for place in places if place in self._pixels}
        found |= read_tiles([place for place in dict.fromkeys(places) if place not in found], self.side, decoder)
        for place in found:
            self._pixels[place] = found[place]
            self._pixels.move_to_end(place)
        while len(self._pixels) > REMEMBERED_TILES:
            self._pixels.popitem(last=False)
        return found

    def scores(
        self,
        hits: Sequence[RawHit],
        score: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
        decoder: Decoder | None = None,
    ) -> NDArray[np.float64]:
        """Scores of hits by their pixels; minus infinity where a file cannot be read any more. -> (N,).

        Args:
            hits: N candidates.
            score: (M, side, side, 3) uint8 -> (M,).
            decoder: Of the same side, where one is open already.
        """
        pixels = self.pixels(hits, decoder)
        readable = [number for number, hit in enumerate(hits) if _place(hit) in pixels]
        out = np.full(len(hits), -np.inf)
        if readable:
            out[readable] = score(np.stack([pixels[_place(hits[number])] for number in readable]))
        return out


class SecondReader(TileMemory):
    """A scorer with the pixels it has read last.

    Args:
        scorer: The bundle.
    """

    def __init__(self, scorer: ScorerBundle) -> None:
        super().__init__(scorer.side)
        self.scorer = scorer

    def word_scores(self, hits: Sequence[RawHit], words: Sequence[tuple[str, float]]) -> NDArray[np.float64]:
        """How well each hit fits weighted words; minus infinity where its file cannot be read any more. -> (N,)."""

        def score(stack: NDArray[np.uint8]) -> NDArray[np.float64]:
            parts = [weight * self.scorer.scores(stack, text).astype(np.float64) for text, weight in words]
            return np.asarray(sum(parts))

        return self.scores(hits, score)


class PictureReader(TileMemory):
    """A matcher with the pixels it has read last.

    Args:
        matcher: The bundle.
    """

    def __init__(self, matcher: MatcherBundle) -> None:
        super().__init__(matcher.side)
        self.matcher = matcher

    def picture_scores(self, hits: Sequence[RawHit], query: Query) -> NDArray[np.float64]:
        """How sure it is that each hit shows the same kind of place as the pictures of a query.

        Returns:
            (N,): the sum over pictures of weight x probability; minus infinity where a file cannot be read any more.

        Raises:
            SourceError: An example picture cannot be read.
        """
        from geoglot.api.explain_source import opened
        from geoglot.api.matcher import whole_picture

        asked = [(term.picture, term.weight) for term in query.terms if term.picture is not None]
        with opened(self.side) as decoder:
            pictures = np.stack([whole_picture(decoder, path) for path, _ in asked])
        examples = self.matcher.sides(pictures)

        def score(stack: NDArray[np.uint8]) -> NDArray[np.float64]:
            shown = self.matcher.sides(stack)
            parts = [
                weight * self.matcher.probabilities(examples.only(number), shown)
                for number, (_, weight) in enumerate(asked)
            ]
            return np.asarray(sum(parts))

        return self.scores(hits, score)


def read_tiles(places: Sequence[Place], side: int, decoder: Decoder | None = None) -> dict[Place, NDArray[np.uint8]]:
    """Windows of files as (side, side, 3) uint8 RGB; those that cannot be read any more are left out."""
    from geoglot.core.records import Window
    from geoglot.geo.decoder import Cut, Decoder, ReadOptions, TileBatch

    wanted: dict[str, list[Window]] = {}
    for source, window in places:
        wanted.setdefault(source, []).append(Window(*window))
    found: dict[Place, NDArray[np.uint8]] = {}
    if not wanted:
        return found
    cuts = [Cut(path=Path(source), windows=tuple(windows)) for source, windows in wanted.items()]
    with nullcontext(decoder) if decoder is not None else Decoder(ReadOptions(side=side)) as reader:
        for path, part in reader.read_many(cuts):
            if isinstance(part, TileBatch):
                for pixels, tile in zip(part.pixels, part.tiles, strict=True):
                    window = _nearest(tile.window, wanted[str(path)])
                    found[str(path), tuple(window)] = pixels
    return found


def _nearest(window: Window, wanted: Sequence[Window]) -> Window:
    """The window that was asked for: at a coarse level what is cut may shift by a pixel or two."""
    return min(wanted, key=lambda other: sum(abs(a - b) for a, b in zip(window, other, strict=True)))


def _place(hit: RawHit) -> Place:
    return hit.source, tuple(hit.tile.window)


def reordered(hits: Sequence[RawHit], scores: NDArray[np.float64]) -> list[RawHit]:
    """Hits by new scores, best first; equal ones keep their order."""
    return [hits[int(number)] for number in np.argsort(-scores, kind="stable")]
