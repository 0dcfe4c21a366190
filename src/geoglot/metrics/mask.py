"""How well predicted masks cover true ones: precision at thresholds of the IoU, overall IoU, mean IoU.

For sample n with predicted pixels P and true pixels G::

    IoU_n = |P & G| / |P | G|
    Pr@t  = share of the samples with IoU_n >= t            t = 0.5, 0.6, 0.7, 0.8, 0.9
    mIoU  = mean of IoU_n over the samples
    oIoU  = sum of |P & G| / sum of |P | G|, over the samples

Where both masks are empty the quotient has no value; :data:`EmptyRule` says what counts then, and every figure here is
told together with that rule. oIoU does not depend on it. A quotient of whole numbers is rounded correctly, and so is a
decimal threshold, so ``>=`` decides exactly as it would in fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoglot.core.errors import UsageError

THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)

EmptyRule = Literal["zero", "one", "left-out"]
"""What the IoU of two empty masks is: 0, as in the code released with RefSegRS; 1, since they are equal; or none: the
sample counts neither in Pr@ nor in mIoU."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskMeasures:
    """Agreement of N pairs of masks; every figure from 0 to 1.

    Attributes:
        precision: By threshold of the IoU, ascending: the share of the counted samples with at least that IoU.
        overall_iou: All shared pixels by all pixels of either; 0 where there is none.
        mean_iou: Mean of the IoU of the counted samples; 0 where none counts.
        intersection: int64 (N,), pixels in both masks.
        union: int64 (N,), pixels in either.
        iou: float64 (N,); of two empty masks 0, 1 or not a number, by the rule.
        empty: The rule.
    """

    precision: dict[float, float]
    overall_iou: float
    mean_iou: float
    intersection: NDArray[np.int64]
    union: NDArray[np.int64]
    iou: NDArray[np.float64]
    empty: EmptyRule

    @property
    def both_empty(self) -> int:
        """Samples without a predicted and without a true pixel."""
        return int((self.union == 0).sum())

    @property
    def counted(self) -> int:
        """Samples that count in Pr@ and mIoU."""
        return len(self.union) - (self.both_empty if self.empty == "left-out" else 0)

    def figures(self) -> dict[str, float]:
        """All figures by name: ``pr@0.5`` to ``pr@0.9``, ``oiou``, ``miou``."""
        shares = {f"pr@{threshold:g}": value for threshold, value in self.precision.items()}
        return {**shares, "oiou": self.overall_iou, "miou": self.mean_iou}


def mask_counts(predicted: ArrayLike, truth: ArrayLike) -> tuple[int, int]:
    """Pixels in both masks, and pixels in either.

    Args:
        predicted: (H, W), bool, or 0 and 1.
        truth: (H, W), the same.

    Raises:
        UsageError: The shapes differ, or a value is neither 0 nor 1.

    Example:
        >>> mask_counts([[1, 1, 0]], [[0, 1, 1]])
        (1, 3)
    """
    mine, theirs = _as_mask(predicted, "the predicted mask"), _as_mask(truth, "the true mask")
    if mine.shape != theirs.shape:
        cause = f"have the shapes {mine.shape} and {theirs.shape}"
        raise UsageError("the masks", cause=cause, remedy="bring both to one size, the true one by nearest pixels")
    both = int(np.count_nonzero(mine & theirs))
    return both, int(np.count_nonzero(mine)) + int(np.count_nonzero(theirs)) - both


def mask_measures(
    predicted: Iterable[ArrayLike],
    truth: Iterable[ArrayLike],
    *,
    empty: EmptyRule = "zero",
    thresholds: Sequence[float] = THRESHOLDS,
) -> MaskMeasures:
    """Measures of N predicted masks against N true ones; the sizes may differ from sample to sample.

    Args:
        predicted: N masks (H, W), bool, or 0 and 1.
        truth: N masks, each of the size of its prediction.
        empty: What counts where both masks are empty.
        thresholds: Of Pr@, in (0, 1].

    Raises:
        UsageError: There is no sample, one side has more, shapes differ, or a value is neither 0 nor 1.

    Example:
        IoU 1/3 and 2/2, so oIoU 3/5 and mIoU 2/3:

        >>> found = mask_measures([[[1, 1, 0]], [[1, 1, 0]]], [[[0, 1, 1]], [[1, 1, 0]]])
        >>> found.precision[0.5], found.overall_iou, round(found.mean_iou, 4)
        (0.5, 0.6, 0.6667)
    """
    counts = []
    mine, theirs = iter(predicted), iter(truth)
    for one in mine:
        other = next(theirs, None)
        if other is None:
            raise UsageError("the masks", cause="are more than the true ones", remedy="pass one true mask for each")
        counts.append(mask_counts(one, other))
    if next(theirs, None) is not None:
        raise UsageError("the masks", cause="are fewer than the true ones", remedy="pass one true mask for each")
    table = np.array(counts, dtype=np.int64).reshape(-1, 2)
    return measures_of_counts(table[:, 0], table[:, 1], empty=empty, thresholds=thresholds)


def measures_of_counts(
    intersection: ArrayLike,
    union: ArrayLike,
    *,
    empty: EmptyRule = "zero",
    thresholds: Sequence[float] = THRESHOLDS,
) -> MaskMeasures:
    """The same from counts of pixels.

    Args:
        intersection: (N,) whole numbers from 0 on.
        union: (N,) whole numbers, none below its intersection.
        empty: What counts where both masks are empty.
        thresholds: Of Pr@, in (0, 1].

    Raises:
        UsageError: There is no sample, a count makes no sense, or the rule or a threshold is not known.

    Example:
        >>> measures_of_counts([0, 6], [0, 10], empty="left-out").figures()["pr@0.6"]
        1.0
    """
    both, either = np.asarray(intersection), np.asarray(union)
    _check_counts(both, either)
    if empty not in get_args(EmptyRule):
        raise UsageError(f"empty = {empty!r}", cause="is no rule", remedy=f"choose {', '.join(get_args(EmptyRule))}")
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise UsageError("thresholds", cause="are none, or leave (0, 1]", remedy="pass 0.5 to 0.9")
    nothing = {"zero": 0.0, "one": 1.0, "left-out": np.nan}[empty]
    iou = np.where(either > 0, both / np.maximum(either, 1), nothing)
    counted = iou[~np.isnan(iou)]
    return MaskMeasures(
        precision={t: float(np.mean(counted >= t)) if len(counted) else 0.0 for t in sorted(thresholds)},
        overall_iou=float(both.sum() / max(either.sum(), 1)),
        mean_iou=float(counted.mean()) if len(counted) else 0.0,
        intersection=both.astype(np.int64),
        union=either.astype(np.int64),
        iou=iou,
        empty=empty,
    )


def formula(empty: EmptyRule) -> str:
    """The measures in words, with the rule for two empty masks; printed beside every table of them.

    Example:
        >>> formula("zero").splitlines()[-1]
        'two empty masks: IoU 0'
    """
    rule = {"zero": "IoU 0", "one": "IoU 1", "left-out": "left out of Pr@ and mIoU"}[empty]
    return (
        "IoU = |P & G| / |P | G|, P predicted and G true pixels of a sample\n"
        "Pr@t = share of samples with IoU >= t; mIoU = mean of IoU over samples\n"
        "oIoU = sum of |P & G| / sum of |P | G| over samples\n"
        f"two empty masks: {rule}"
    )


def _as_mask(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    found = np.asarray(values)
    if found.ndim != 2:
        raise UsageError(name, cause=f"has the shape {found.shape}, not (H, W)", remedy="pass one mask at a time")
    if found.dtype != np.bool_ and not np.isin(found, (0, 1)).all():
        raise UsageError(name, cause="holds something beside 0 and 1", remedy="threshold it first")
    return found.astype(np.bool_)


def _check_counts(both: NDArray[Any], either: NDArray[Any]) -> None:
    if both.shape != either.shape or both.ndim != 1 or len(both) == 0:
        cause = f"have the shapes {both.shape} and {either.shape}"
        raise UsageError("the counts", cause=cause, remedy="pass (N,) twice, at least one sample")
    if both.dtype.kind not in "iu" or either.dtype.kind not in "iu":
        raise UsageError("the counts", cause="are no whole numbers", remedy="pass counts of pixels")
    if (both.astype(np.int64) < 0).any() or (both > either).any():
        raise UsageError("the counts", cause="are below 0, or share more than they hold", remedy="count again")
