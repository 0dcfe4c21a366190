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

from geoglot.engine.saved_predictions import Predictions
from geoglot.metrics.confidence import means_something_else
from geoglot.metrics.ranking import RetrievalRanks, RetrievalRecall, retrieval_ranks, retrieval_recall
from geoglot.metrics.reciprocal import Parts, reciprocal_parts
from geoglot.metrics.reranking import Weights, multivariate_rerank

GRID: Final = tuple(
    Weights(significance=significance, reverse=reverse, decay=decay)
    for significance, reverse, decay in product((0.0, 0.3, 3.0, 30.0), (0.0, 0.1, 0.3, 1.1, 3.0), (0.01, 0.05, 0.2))
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
        texts, images = predictions.texts[language], predictions.image_vectors
        scores = texts.vectors @ images.T
        self._plain = retrieval_ranks(scores.T[:, texts.text_of_caption], texts.image_of_caption)
        self.candidates = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        fitting = images @ neutral.T
        parts = [
            reciprocal_parts(own[candidates], fitting[candidates][:, means_something_else(query, neutral)])
            for query, own, candidates in zip(texts.vectors, scores, self.candidates, strict=True)
        ]
        self._parts = Parts(
            share=np.stack([part.share for part in parts]),
            forward=np.stack([part.forward for part in parts]),
            backward=np.stack([part.backward for part in parts]),
        )
        self._text = texts.text_of_caption
        is_answer = self.candidates[self._text] == texts.image_of_caption[:, None]
        self._reached = is_answer.any(1)
        self._place = is_answer.argmax(1)

    def scores(self, weights: Weights) -> NDArray[np.float64]:
        """New scores of the candidates of every distinct text. -> (U, K)."""
        return self._parts.scores(weights)

    def ranks(self, weights: Weights | None) -> RetrievalRanks:
        """Ranks of both directions; without weights as they are without re-ranking.

        Equal new scores keep the order by score; what is no candidate keeps its rank.
        """
        if weights is None:
            return self._plain
        new = self.scores(weights)[self._text]
        own = np.take_along_axis(new, self._place[:, None], 1)
        before = np.arange(new.shape[1]) < self._place[:, None]
        rank = 1 + (new > own).sum(1) + ((new == own) & before).sum(1)
        return RetrievalRanks(
            image_to_text=self._plain.image_to_text,
            text_to_image=np.where(self._reached, rank, self._plain.text_to_image),
        )

    def recall(self, weights: Weights | None) -> RetrievalRecall:
        """Recall of both directions."""
        return retrieval_recall(self.ranks(weights))


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
