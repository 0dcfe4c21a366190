"""A second look at the first candidates of a search: by a rule, or by what reads their pixels again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.place import PlaceReader
    from geoglot.api.query import Query
    from geoglot.api.rerank import PictureReader, SecondReader
    from geoglot.archive.search import RawHit
    from geoglot.models.bundle import Bundle

    Reader = SecondReader | PictureReader | PlaceReader

SecondLook = Callable[["NDArray[np.float32]", "Sequence[RawHit]", int], "tuple[list[RawHit], tuple[str, ...]]"]
"""Query vector, hits and number of candidates to re-ordered hits and notes."""


def reader_of(rerank: str) -> Reader:
    """What reads pixels for a second look: a scorer, a matcher or a place bundle, by its bundle."""
    from geoglot.api.place import PlaceReader
    from geoglot.api.rerank import PictureReader, SecondReader
    from geoglot.models.bundle import kind_of, read_manifest
    from geoglot.models.matcher import load_matcher
    from geoglot.models.place import load_place
    from geoglot.models.scorer import load_scorer

    kind = kind_of(read_manifest(rerank)[1])
    if kind == "place":
        return PlaceReader(load_place(rerank))
    if kind == "matcher":
        return PictureReader(load_matcher(rerank))
    return SecondReader(load_scorer(rerank))


def second_look(
    reader: Reader | None,
    rerank: str,
    query: Query,
    encoder: Bundle,
    near: Callable[[NDArray[np.uint8], int], list[RawHit]],
) -> SecondLook:
    """The function that re-orders the first candidates; made before the search, so that a slip is told at once.

    Args:
        reader: What reads pixels again; ``None`` goes by the reciprocal rank.
        rerank: Its name.
        query: What is asked.
        encoder: The archive's model.
        near: Hits by vectors of places, for the look for a place.
    """
    from geoglot.api.place import PlaceReader, places_first
    from geoglot.api.rerank import PictureReader, SecondReader, check_for_matcher, reordered, words_of
    from geoglot.metrics.reciprocal import reciprocal_scores

    words: list[tuple[str, float]] = []
    if isinstance(reader, PlaceReader):
        return places_first(reader, query, rerank, near)
    if isinstance(reader, PictureReader):
        check_for_matcher(query, rerank)
        texts = _text_terms(query, encoder)
    else:
        words = words_of(query, rerank)

    def look(
        vector: NDArray[np.float32], found: Sequence[RawHit], candidates: int
    ) -> tuple[list[RawHit], tuple[str, ...]]:
        import numpy as np

        first, rest = found[:candidates], list(found[candidates:])
        rows = np.stack([raw.vector for raw in first])
        if reader is None:
            return [*reordered(first, reciprocal_scores(vector, rows, encoder.neutral)), *rest], ()
        if isinstance(reader, SecondReader):
            scores = reader.word_scores(first, words)
        else:
            scores = reader.picture_scores(first, query) + rows.astype(np.float64) @ texts
        gone = int(np.isneginf(scores).sum())
        notes = (f"{gone} of {len(first)} candidates could not be read again and follow the others",)
        return [*reordered(first, scores), *rest], notes if gone else ()

    return look


def _text_terms(query: Query, encoder: Bundle) -> NDArray[np.float64]:
    """The sum of the weighted texts of a query, (D,); zeros without texts."""
    import numpy as np

    texts = [(term.text, term.weight) for term in query.terms if term.text is not None]
    if not texts:
        return np.zeros(encoder.dimension)
    rows = encoder.encode_queries([text for text, _ in texts]).astype(np.float64)
    return np.asarray(np.array([weight for _, weight in texts]) @ rows)
