"""Bootstrap intervals: how far a recall could move had other images been drawn to ask about.

What is resampled: images, with replacement, each with all its captions, because captions of one image are not
independent. What is held fixed: the model, and the gallery. Ranks come from the full gallery and are not computed
again, so the interval answers "other queries of the same kind against this gallery", and not "another training
run" nor "another gallery".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.ranking import CUTOFFS, RetrievalRanks

Interval = tuple[float, float]
_DRAWS_TOGETHER = 256


@dataclass(frozen=True, kw_only=True)
class RecallIntervals:
    """Intervals in percent, as (low, high).

    Attributes:
        image_to_text: At each of the cutoffs 1, 5 and 10.
        text_to_image: At each of the cutoffs 1, 5 and 10.
        mean_recall: Of the mean of the six, formed anew in every resample.
    """

    image_to_text: dict[int, Interval]
    text_to_image: dict[int, Interval]
    mean_recall: Interval


def recall_intervals(
    ranks: RetrievalRanks,
    carriers: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> RecallIntervals:
    """Percentile bootstrap intervals of the six recalls and of their mean.

    In a resample image i is drawn w(i) times. Image queries count w(i) times each. A text query that belongs to
    the images C counts with the mean of w over C: for the plain protocol this is the w of its one image; a text
    shared by several images moves with all of them. The bounds are the quantiles (1 - level) / 2 and
    (1 + level) / 2 of the resampled values, linearly interpolated.

    Args:
        ranks: From :func:`geoglot.metrics.ranking.retrieval_ranks` or ``duplicate_aware_ranks``.
        carriers: Integer pairs (image, text query), (P, 2): whose query it is. Plain protocol: one pair per caption.
        resamples: How many times the images are drawn; 1,000 settle the bounds to about a tenth of a point.
        seed: Of NumPy's PCG64 generator; the same seed gives the same interval.
        level: Share of the resamples inside, in (0, 1).

    Raises:
        GeoglotError: A text query has no image, an image no text query, or a pair points outside.
        UsageError: No resamples, or a level outside (0, 1).

    Example:
        A model that answers everything has nothing to vary:

        >>> perfect = RetrievalRanks(image_to_text=np.array([1, 1]), text_to_image=np.array([1, 1, 1]))
        >>> recall_intervals(perfect, [(0, 0), (0, 1), (1, 2)], resamples=50).mean_recall
        (100.0, 100.0)
    """
    _check_draws(resamples, level)
    images = len(ranks.image_to_text)
    image, text, share = _shares(carriers, images, len(ranks.text_to_image))
    cutoffs = np.array(CUTOFFS)
    image_hits = (ranks.image_to_text[:, None] <= cutoffs).astype(np.float64)
    text_hits = (ranks.text_to_image[:, None] <= cutoffs).astype(np.float64)
    # Per image: how many of its (shared) text queries hit at each cutoff, and how many it has.
    hits_of_image = np.zeros((images, len(cutoffs)))
    np.add.at(hits_of_image, image, text_hits[text] * share[:, None])
    queries_of_image = np.bincount(image, weights=share, minlength=images)

    generator = np.random.default_rng(seed)
    drawn = np.empty((resamples, 2 * len(cutoffs)))
    for start in range(0, resamples, _DRAWS_TOGETHER):
        size = min(_DRAWS_TOGETHER, resamples - start)
        weight = generator.multinomial(images, np.full(images, 1 / images), size=size).astype(np.float64)
        drawn[start : start + size, : len(cutoffs)] = weight @ image_hits / images
        drawn[start : start + size, len(cutoffs) :] = weight @ hits_of_image / (weight @ queries_of_image)[:, None]
    drawn *= 100.0
    bounds = [percentile_interval(column, level=level) for column in drawn.T]
    return RecallIntervals(
        image_to_text=dict(zip(CUTOFFS, bounds[: len(cutoffs)], strict=True)),
        text_to_image=dict(zip(CUTOFFS, bounds[len(cutoffs) :], strict=True)),
        mean_recall=percentile_interval(drawn.mean(axis=1), level=level),
    )


def mean_intervals(values: ArrayLike, *, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> list[Interval]:
    """Percentile bootstrap intervals of the means of columns, when other queries of the same kind had been drawn.

    Args:
        values: (Q, M) real numbers, M figures of each query. Rows are drawn with replacement, whole.
        resamples: How many times.
        seed: Of NumPy's PCG64 generator.
        level: Share of the resamples inside, in (0, 1).

    Raises:
        GeoglotError: There is no query.
        UsageError: No resamples, or a level outside (0, 1).

    Example:
        >>> mean_intervals([[1.0, 0.0], [1.0, 1.0]], resamples=50)
        [(1.0, 1.0), (0.0, 1.0)]
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or len(table) == 0:
        raise GeoglotError("values", cause=f"have shape {table.shape}, not (Q, M)", remedy="pass one row per query")
    _check_draws(resamples, level)
    generator = np.random.default_rng(seed)
    drawn = np.empty((resamples, table.shape[1]))
    for start in range(0, resamples, _DRAWS_TOGETHER):
        size = min(_DRAWS_TOGETHER, resamples - start)
        weight = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), size=size)
        drawn[start : start + size] = weight @ table / len(table)
    return [percentile_interval(column, level=level) for column in drawn.T]


def percentile_interval(resampled: ArrayLike, *, level: float = 0.95) -> Interval:
    """The middle ``level`` share of resampled values, as (low, high).

    Example:
        >>> percentile_interval(range(101), level=0.5)
        (25.0, 75.0)
    """
    low, high = np.quantile(np.asarray(resampled, dtype=np.float64), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_draws(resamples: int, level: float) -> None:
    if resamples < 1:
        raise UsageError(f"resamples = {resamples}", cause="is below 1", remedy="draw at least once")
    if not 0 < level < 1:
        raise UsageError(f"level = {level}", cause="is not between 0 and 1", remedy="0.95 is usual")


def _shares(
    carriers: ArrayLike, images: int, texts: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Per pair: the image, the text, and one over the number of images that carry this text."""
    pairs = np.unique(np.asarray(carriers, dtype=np.int64).reshape(-1, 2), axis=0)
    image, text = pairs[:, 0], pairs[:, 1]
    if len(pairs) == 0 or image.min() < 0 or image.max() >= images or text.min() < 0 or text.max() >= texts:
        cause = f"do not lie within {images} images and {texts} text queries"
        raise GeoglotError("carriers", cause=cause, remedy="pass pairs (image, text query)")
    count = np.bincount(text, minlength=texts)
    if count.min() == 0:
        cause = "belongs to no image"
        raise GeoglotError(f"text query {int(count.argmin())}", cause=cause, remedy="pass a pair for every text query")
    silent = np.setdiff1d(np.arange(images), image)
    if len(silent):
        raise GeoglotError(f"image {silent[0]}", cause="carries no text query", remedy="leave it out of the evaluation")
    return image, text, 1.0 / count[text]
