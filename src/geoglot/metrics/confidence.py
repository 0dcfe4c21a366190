"""How sure a hit is: likely, uncertain or background.

A cosine alone does not tell whether a place shows what was asked for: some queries score high everywhere. Three
things are compared with it, and all come from the query and the archive at hand:

- the query's own background, its scores over a sample of the archive: a hit must stand out from them;
- other descriptions: the bundle carries vectors of neutral captions of many kinds of place. A picture that fits
  another description better than the query is not what was asked for (captions that mean the same as the query are
  left out of the comparison);
- the best rows together: the decision whether the archive holds the thing at all is their mean evidence, so one lucky
  tile does not turn "no likely match" into a find.

The two thresholds belong to the model and were set on validation images; ``bundle.json`` carries them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.records import Band

DECIDING_ROWS: Final = 10
"""How many of the best rows decide whether the thing is there."""
SAME_MEANING: Final = 0.7
"""Cosine from which a neutral caption counts as saying the same as the query."""
BEST_OTHERS: Final = 0.99
"""Quantile of the other captions' scores that a row must lead; the very best one is noise."""
STANDS_OUT: Final = 2.0
"""Standard deviations above the background's mean that a hit needs to be more than background."""
SAME_PICTURE: Final = 0.98
"""Cosine with an example picture from which a hit is taken for the same picture, and needs no others beside it."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Evidence from which something counts as likely, and as uncertain rather than background."""

    likely: float
    uncertain: float


def other_captions(query: NDArray[np.float32], neutral: NDArray[np.float32]) -> NDArray[np.float32]:
    """The neutral captions that mean something else than the query. (D,), (M, D) -> (M', D), at least a fifth of them.

    Example:
        >>> neutral = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
        >>> other_captions(np.array([1.0, 0.0], dtype=np.float32), neutral).tolist()
        [[0.0, 1.0]]
    """
    return neutral[means_something_else(query, neutral)]


def means_something_else(query: NDArray[np.float32], neutral: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which neutral captions mean something else than the query. (D,), (M, D) -> (M,), true for at least a fifth."""
    likeness = neutral @ query
    limit = max(SAME_MEANING, float(np.quantile(likeness, 0.2)) + 1e-6)
    return np.asarray(likeness < limit)


def evidence(
    query: NDArray[np.float32], rows: NDArray[np.float32], neutral: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """How much speaks for each row: its score, plus its lead over the best fitting other captions.

    Args:
        query: (D,) unit vector.
        rows: (N, D) unit rows, usually the best of a search.
        neutral: (M, D) unit rows; ``None`` for queries by picture, which are compared with pictures only.

    Returns:
        (N,) float32.

    Example:
        >>> query = np.array([1.0, 0.0], dtype=np.float32)
        >>> rows = np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
        >>> other = np.array([[0.0, 1.0]], dtype=np.float32)
        >>> evidence(query, rows, other).round(3)  # 1 + (1 - 0); 0.6 + (0.6 - 0.8)
        array([2. , 0.4], dtype=float32)
    """
    scores: NDArray[np.float32] = rows @ query
    if neutral is None or not len(neutral):
        return scores
    best_others = np.quantile(rows @ other_captions(query, neutral).T, BEST_OTHERS, axis=1)
    lead: NDArray[np.float32] = (2 * scores - best_others).astype(np.float32)
    return lead


def decide(query: NDArray[np.float32], gallery: NDArray[np.float32], neutral: NDArray[np.float32] | None) -> float:
    """Evidence that a gallery holds what the query asks for: the mean over its best rows.

    Args:
        query: (D,) unit vector.
        gallery: (N, D) unit rows, N at least 1; the best :data:`DECIDING_ROWS` are enough.
        neutral: (M, D) unit rows, or ``None``.
    """
    scores = gallery @ query
    best = np.argsort(-scores, kind="stable")[:DECIDING_ROWS]
    return float(evidence(query, gallery[best], neutral).mean())


def bands(
    query: NDArray[np.float32],
    hits: NDArray[np.float32],
    best: NDArray[np.float32],
    background: NDArray[np.float32],
    *,
    neutral: NDArray[np.float32] | None,
    thresholds: Thresholds,
) -> list[Band]:
    """The band of every hit.

    A hit is likely when the archive holds the thing (the decision over ``best``) and the hit itself has the evidence;
    so an archive full of the thing has many likely hits. A hit that all but equals an example picture is likely by
    itself. Short of that, a hit is background when it has little
    evidence or does not stand out from the query's background scores, and uncertain otherwise.

    Args:
        query: (D,) unit vector.
        hits: (N, D) unit rows to be judged.
        best: (B, D) the best rows of the same search, before hits of one place were merged.
        background: (S, D) sample of the archive.
        neutral: (M, D) neutral captions; ``None`` for queries by picture.
        thresholds: The model's, for this kind of query.
    """
    if not len(hits):
        return []
    there = decide(query, best, neutral)
    values = evidence(query, hits, neutral)
    floor = _floor(background @ query) if len(background) > 4 * DECIDING_ROWS else -np.inf
    stands_out: Sequence[bool] = (hits @ query > floor).tolist()
    judged = [
        _band(float(value), there, out, thresholds) for value, out in zip(values.tolist(), stands_out, strict=True)
    ]
    if neutral is None:
        same: Sequence[bool] = (hits @ query >= SAME_PICTURE).tolist()
        return [Band.LIKELY if equal else band for equal, band in zip(same, judged, strict=True)]
    return judged


def _floor(scores: NDArray[np.float32]) -> float:
    """Score above which a row stands out; robust, since the sample may hold the things themselves."""
    middle = float(np.median(scores))
    below = middle - float(np.quantile(scores, 0.16))
    return middle + STANDS_OUT * below


def _band(value: float, there: float, stands_out: bool, thresholds: Thresholds) -> Band:
    if there >= thresholds.likely and value >= thresholds.likely:
        return Band.LIKELY
    return Band.UNCERTAIN if stands_out and value >= thresholds.uncertain else Band.BACKGROUND
