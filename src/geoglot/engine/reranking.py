"""What re-ranking brings, from saved predictions: with the gallery's own queries, and as a search can do it.

``gallery``  the published protocol: the other test queries say how often each candidate is wanted, both ways. Every
             query sees all others, which a search never does.
``neutral``  a search: text to image only, and the neutral captions of the model bundle take the part of the other
             queries. Image to text stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.engine.saved_predictions import LanguagePredictions, Predictions
from geoglot.metrics.confidence import other_captions
from geoglot.metrics.ranking import RetrievalRanks, RetrievalRecall, retrieval_ranks, retrieval_recall
from geoglot.metrics.reciprocal import Parts, reciprocal_parts
from geoglot.metrics.reranking import Weights, multivariate_rerank

GRID: Final = tuple(
    Weights(significance=significance, reverse=reverse, decay=decay)
    for significance, reverse, decay in product((0.0, 0.3, 3.0, 30.0), (0.0, 0.1, 0.3, 1.1, 3.0), (0.02, 0.05, 0.2))
)
"""Constants that :func:`best_weights` chooses from; the published ones are among them."""


class NeutralReranking:
    """Text to image of one split and language, prepared so that many constants can be tried.

    Args:
        predictions: Of a two-tower model.
        language: One of its languages.
        neutral: (M, D) unit rows, the model bundle's neutral captions.
        k: Candidates per query.
    """

    def __init__(self, predictions: Predictions, language: str, neutral: NDArray[np.float32], *, k: int) -> None:
        texts = predictions.texts[language]
        self._texts = texts
        images = predictions.image_vectors
        self._scores = texts.vectors @ images.T
        self._candidates: list[NDArray[np.int64]] = []
        self._parts: list[Parts] = []
        for query, scores in zip(texts.vectors, self._scores, strict=True):
            candidates = np.argsort(-scores, kind="stable")[:k]
            rows = images[candidates]
            self._candidates.append(candidates)
            self._parts.append(reciprocal_parts(scores[candidates], rows @ other_captions(query, neutral).T))

    def ranks(self, weights: Weights | None) -> RetrievalRanks:
        """Ranks of both directions; without weights as they are without re-ranking."""
        plain = plain_ranks(self._scores.T, self._texts)
        if weights is None:
            return plain
        order_of = np.empty_like(self._scores, dtype=np.int64)
        columns = np.arange(self._scores.shape[1])
        for row, (candidates, parts) in enumerate(zip(self._candidates, self._parts, strict=True)):
            order = np.argsort(-self._scores[row], kind="stable")
            order[: len(candidates)] = candidates[np.argsort(-parts.scores(weights), kind="stable")]
            order_of[row, order] = columns
        ranks = 1 + order_of[self._texts.text_of_caption, self._texts.image_of_caption]
        return RetrievalRanks(image_to_text=plain.image_to_text, text_to_image=ranks)

    def recall(self, weights: Weights | None) -> RetrievalRecall:
        """Recall of both directions."""
        return retrieval_recall(self.ranks(weights))


def plain_ranks(scores: NDArray[np.float32], texts: LanguagePredictions) -> RetrievalRanks:
    """Ranks without re-ranking. (N images, U distinct texts) -> ranks over all captions."""
    return retrieval_ranks(scores[:, texts.text_of_caption], texts.image_of_caption)


def gallery_recall(predictions: Predictions, language: str, *, k: int, weights: Weights) -> RetrievalRecall:
    """Recall after the published re-ranking, where the test set's own queries are known."""
    texts = predictions.texts[language]
    scores = (predictions.image_vectors @ texts.vectors.T)[:, texts.text_of_caption]
    return retrieval_recall(multivariate_rerank(scores, k=k, weights=weights).ranks(texts.image_of_caption))


def best_weights(validation: Sequence[NeutralReranking], grid: Iterable[Weights] = GRID) -> tuple[Weights, float]:
    """The constants with the highest mean recall over validation splits and languages, and that mean recall (mR).

    Equal ones: the first of the grid. The test split has no part in it.
    """
    found = [(float(np.mean([one.recall(weights).mean_recall for one in validation])), weights) for weights in grid]
    best = max(found, key=lambda pair: pair[0])
    return best[1], best[0]
