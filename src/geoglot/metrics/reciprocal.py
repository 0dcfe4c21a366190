"""Multivariate re-ranking without a gallery of queries: neutral captions stand for what else could have been asked.

The published re-ranking asks how the query ranks, for each candidate, among the *other queries of the test set*. A
search has one query, so the captions of many kinds of place that a model bundle carries take their part; those that
mean the same as the query are left out, as in :mod:`geoglot.metrics.confidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.metrics.confidence import other_captions
from geoglot.metrics.reranking import Weights

RECIPROCAL: Final = Weights(significance=3.0, reverse=0.3, decay=0.2)
"""Constants of a search with ``--rerank reciprocal``: the best for the shipped model on the validation splits of RSICD
and UC Merced, see ``results/bench/reranking.json``."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the new score of each of K candidates is made of.

    Attributes:
        share: (K,) s / (s + sum of the other captions' scores), scores below 0 counted as 0.
        forward: (K,) position by score, from 0; equal ones share the better.
        backward: (K,) position by reverse rank, then score.
    """

    share: NDArray[np.float64]
    forward: NDArray[np.int64]
    backward: NDArray[np.int64]

    def scores(self, weights: Weights) -> NDArray[np.float64]:
        """w_1 share + exp(-c (forward + 1)) + w_2 exp(-c (backward + 1)). -> (K,)."""
        near = np.exp(-weights.decay * (self.forward + 1.0)) + weights.reverse * np.exp(
            -weights.decay * (self.backward + 1.0)
        )
        return np.asarray(weights.significance * self.share + near, np.float64)


def reciprocal_parts(own: NDArray[np.float32], others: NDArray[np.float32]) -> Parts:
    """The parts of the new scores.

    Args:
        own: (K,) scores of the query with its candidates.
        others: (K, M) scores of each candidate with other captions.

    Example:
        >>> parts = reciprocal_parts(np.array([0.8, 0.7], np.float32), np.array([[0.9], [0.1]], np.float32))
        >>> parts.forward.tolist(), parts.backward.tolist(), parts.share.round(3).tolist()  # 8/17, 7/8
        ([0, 1], [1, 0], [0.471, 0.875])
    """
    total = own.clip(0).astype(np.float64) + others.clip(0).sum(1, dtype=np.float64)
    reverse = (others > own[:, None]).sum(1)
    by_score = (own[:, None] < own[None, :]).sum(1)
    better = (reverse[:, None] > reverse[None, :]) | (
        (reverse[:, None] == reverse[None, :]) & (own[:, None] < own[None, :])
    )
    return Parts(share=own.clip(0) / np.where(total > 0, total, 1), forward=by_score, backward=better.sum(1))


def reciprocal_scores(
    query: NDArray[np.float32],
    rows: NDArray[np.float32],
    neutral: NDArray[np.float32],
    *,
    weights: Weights = RECIPROCAL,
) -> NDArray[np.float64]:
    """New scores of some candidates: by rank, by reverse rank among other captions, and by share.

    Args:
        query: (D,) unit vector of words.
        rows: (K, D) unit rows, the candidates, K at least 1.
        neutral: (M, D) unit rows of captions; those that mean the same as the query are left out.
        weights: Of the three parts.

    Returns:
        (K,), the best first under a stable descending sort.

    Example:
        The second picture fits another caption better than the query; the third fits nothing else.

        >>> query = np.array([1, 0, 0], np.float32)
        >>> rows = np.array([[0.9, 0.1, 0.42], [0.7, 0.71, 0], [0.68, 0, 0.73]], np.float32)
        >>> reciprocal_scores(query, rows, np.array([[0, 1, 0]], np.float32)).argsort()[::-1]
        array([0, 2, 1])
    """
    others = other_captions(query, neutral)
    return reciprocal_parts(rows @ query, rows @ others.T).scores(weights)
