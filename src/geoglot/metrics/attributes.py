"""How well predicted attributes of images agree with those that their captions name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import UsageError

SEEN_FROM: Final = 0.5
"""A probability from which an attribute counts as predicted."""


@dataclass(frozen=True, kw_only=True)
class AttributeMeasures:
    """Agreement of N images' attributes; every figure from 0 to 1.

    Attributes:
        precision: Of all predicted attributes of all images, how many the captions name.
        recall: Of all named ones, how many were predicted.
        f1: Harmonic mean of these two.
        macro_f1: Mean over the attributes that are named at least once of each one's F1.
        average_precision: Mean over the same attributes of the area under the steps of precision over recall.
        image_precision: float64 (N,), not a number for an image without a predicted attribute.
        image_recall: float64 (N,), not a number for an image without a named one.
        attribute_f1: float64 (A,), not a number for an attribute that is never named.
    """

    precision: float
    recall: float
    f1: float
    macro_f1: float
    average_precision: float
    image_precision: NDArray[np.float64]
    image_recall: NDArray[np.float64]
    attribute_f1: NDArray[np.float64]


def attribute_measures(
    probabilities: ArrayLike, labels: ArrayLike, *, threshold: float = SEEN_FROM
) -> AttributeMeasures:
    """Precision, recall and F1 of predicted attributes.

    Args:
        probabilities: (N, A), in [0, 1].
        labels: (N, A), 1 where a caption of the image names the attribute, else 0.
        threshold: Probability from which an attribute counts as predicted.

    Returns:
        Sums over everything are 0 where nothing was predicted or named.

    Raises:
        UsageError: The shapes differ, there is nothing to compare, a label is neither 0 nor 1, or a probability is
            outside [0, 1] or not a number.

    Example:
        Predicted are three, two of them rightly; named are four.

        >>> found = attribute_measures([[0.9, 0.6, 0.1], [0.8, 0.2, 0.3]], [[1, 0, 1], [1, 1, 0]])
        >>> round(found.precision, 3), found.recall, round(found.f1, 3)
        (0.667, 0.5, 0.571)
    """
    given = np.asarray(probabilities, dtype=np.float64)
    named = np.asarray(labels, dtype=np.float64)
    _check(given, named)
    predicted = given >= threshold
    right = predicted * named
    with np.errstate(invalid="ignore"):
        image_precision = right.sum(1) / predicted.sum(1)
        image_recall = right.sum(1) / named.sum(1)
        attribute_f1 = np.where(named.any(0), 2 * right.sum(0) / (predicted.sum(0) + named.sum(0)), np.nan)
    precision = float(right.sum() / max(predicted.sum(), 1))
    recall = float(right.sum() / max(named.sum(), 1))
    occurring = named.any(0)
    return AttributeMeasures(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if right.any() else 0.0,
        macro_f1=float(attribute_f1[occurring].mean()) if occurring.any() else 0.0,
        average_precision=_mean_average_precision(given[:, occurring], named[:, occurring]),
        image_precision=image_precision,
        image_recall=image_recall,
        attribute_f1=attribute_f1,
    )


def _mean_average_precision(given: NDArray[np.float64], named: NDArray[np.float64]) -> float:
    if given.shape[1] == 0:
        return 0.0
    values = []
    for scores, truth in zip(given.T, named.T, strict=True):
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(truth[order])
        # Equal scores are one step: every image of the step stands at its end.
        end = np.flatnonzero(np.diff(scores[order], append=-np.inf))
        values.append(float((np.diff(hits[end], prepend=0) * hits[end] / (end + 1)).sum() / hits[-1]))
    return float(np.mean(values))


def _check(given: NDArray[np.float64], named: NDArray[np.float64]) -> None:
    if given.shape != named.shape or given.ndim != 2 or given.size == 0:
        shapes = f"{given.shape} probabilities, {named.shape} labels"
        raise UsageError(shapes, cause="are no two tables of images and attributes", remedy="pass (N, A) twice")
    if not np.isin(named, (0, 1)).all():
        raise UsageError("labels", cause="hold something beside 0 and 1", remedy="1 where a caption names it")
    if not ((given >= 0) & (given <= 1)).all():
        raise UsageError("probabilities", cause="leave [0, 1]", remedy="pass the sigmoid's output")
