"""Measures of masks: by hand, against a slow oracle, and what must hold whatever the masks are."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.metrics.mask import THRESHOLDS, EmptyRule, formula, mask_counts, mask_measures, measures_of_counts

Masks = list[NDArray[np.bool_]]


def oracle(predicted: Masks, truth: Masks, empty: EmptyRule) -> dict[str, float]:
    """Pixel by pixel, in fractions."""
    ious: list[Fraction] = []
    all_both = all_either = 0
    for mine, theirs in zip(predicted, truth, strict=True):
        both = either = 0
        for row in range(mine.shape[0]):
            for column in range(mine.shape[1]):
                both += bool(mine[row, column]) and bool(theirs[row, column])
                either += bool(mine[row, column]) or bool(theirs[row, column])
        all_both, all_either = all_both + both, all_either + either
        if either:
            ious.append(Fraction(both, either))
        elif empty != "left-out":
            ious.append(Fraction(1 if empty == "one" else 0))
    count = max(len(ious), 1)
    found = {
        f"pr@0.{tenths}": float(Fraction(sum(iou >= Fraction(tenths, 10) for iou in ious), count))
        for tenths in range(5, 10)
    }
    mean = sum(ious, Fraction(0)) / count
    return {**found, "oiou": float(Fraction(all_both, max(all_either, 1))), "miou": float(mean)}


@st.composite
def samples(draw: Any) -> tuple[Masks, Masks]:
    pairs = []
    for _ in range(draw(st.integers(1, 6))):
        high, wide = draw(st.integers(1, 4)), draw(st.integers(1, 5))
        bits = st.lists(st.booleans(), min_size=high * wide, max_size=high * wide)
        pairs.append([np.array(draw(bits), dtype=np.bool_).reshape(high, wide) for _ in range(2)])
    return [mine for mine, _ in pairs], [theirs for _, theirs in pairs]


def test_by_hand() -> None:
    """Four samples of ten pixels.

    1: P 6, G 6, both 5 -> 5 / 7;  2: P 5, G 10, both 5 -> 5 / 10;  3: P 3, G 0 -> 0 / 3;  4: equal, 4 / 4.
    Pr@0.5 = 3 / 4 (0.714, 0.5 and 1), Pr@0.6 and Pr@0.7 = 2 / 4, Pr@0.8 and Pr@0.9 = 1 / 4.
    oIoU = (5 + 5 + 0 + 4) / (7 + 10 + 3 + 4) = 14 / 24; mIoU = (5 / 7 + 1 / 2 + 0 + 1) / 4 = 31 / 56.
    """
    predicted = ["1111110000", "1111100000", "0001110000", "1111000000"]
    truth = ["0111111000", "1111111111", "0000000000", "1111000000"]
    as_masks = [[np.array([[int(bit) for bit in row]]) for row in rows] for rows in (predicted, truth)]
    found = mask_measures(*as_masks)
    assert found.precision == {0.5: 0.75, 0.6: 0.5, 0.7: 0.5, 0.8: 0.25, 0.9: 0.25}
    assert found.overall_iou == pytest.approx(14 / 24)
    assert found.mean_iou == pytest.approx(31 / 56)
    assert found.intersection.tolist() == [5, 5, 0, 4]
    assert found.union.tolist() == [7, 10, 3, 4]
    assert list(found.figures()) == ["pr@0.5", "pr@0.6", "pr@0.7", "pr@0.8", "pr@0.9", "oiou", "miou"]


@pytest.mark.parametrize("tenths", [5, 6, 7, 8, 9])
def test_a_threshold_that_is_met_exactly_counts(tenths: int) -> None:
    """T / 10 reaches 0.T, one pixel less of a million does not."""
    threshold = THRESHOLDS[tenths - 5]
    exact = measures_of_counts([tenths * 100_000], [1_000_000])
    short = measures_of_counts([tenths * 100_000 - 1], [1_000_000])
    assert exact.precision[threshold] == 1.0
    assert short.precision[threshold] == 0.0


@pytest.mark.parametrize(
    ("rule", "precision", "mean", "counted"), [("zero", 0.5, 0.4, 2), ("one", 1.0, 0.9, 2), ("left-out", 1.0, 0.8, 1)]
)
def test_two_empty_masks(rule: EmptyRule, precision: float, mean: float, counted: int) -> None:
    """One sample has nothing on either side, the other 8 of 10 pixels: oIoU is 0.8 under every rule."""
    found = measures_of_counts([0, 8], [0, 10], empty=rule)
    assert (found.precision[0.8], found.overall_iou, found.counted) == (precision, 0.8, counted)
    assert found.mean_iou == pytest.approx(mean)
    assert found.both_empty == 1


def test_one_empty_mask_is_wrong_under_every_rule() -> None:
    for rule in ("zero", "one", "left-out"):
        assert mask_measures([[[0, 0]]], [[[1, 0]]], empty=rule).figures() == dict.fromkeys(  # type: ignore[arg-type]
            ["pr@0.5", "pr@0.6", "pr@0.7", "pr@0.8", "pr@0.9", "oiou", "miou"], 0.0
        )


def test_nothing_counts() -> None:
    assert measures_of_counts([0], [0], empty="left-out").figures()["miou"] == 0.0


@settings(max_examples=60, deadline=None)
@given(samples(), st.sampled_from(["zero", "one", "left-out"]))
def test_as_the_oracle(pair: tuple[Masks, Masks], rule: EmptyRule) -> None:
    assert mask_measures(*pair, empty=rule).figures() == pytest.approx(oracle(*pair, rule), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(samples(), st.randoms(use_true_random=False))
def test_what_always_holds(pair: tuple[Masks, Masks], random: Any) -> None:
    predicted, truth = pair
    found = mask_measures(predicted, truth)
    figures = found.figures()
    assert all(0 <= value <= 1 for value in figures.values())
    shares = list(found.precision.values())
    assert shares == sorted(shares, reverse=True)
    # mIoU is at least what Pr@t promises, and no sample under t has more than t.
    for threshold, share in found.precision.items():
        assert threshold * share - 1e-12 <= found.mean_iou <= share + threshold * (1 - share) + 1e-12
    assert mask_measures(truth, predicted).figures() == pytest.approx(figures)
    order = list(range(len(truth)))
    random.shuffle(order)
    shuffled = mask_measures([predicted[n] for n in order], [truth[n] for n in order])
    assert shuffled.figures() == pytest.approx(figures)
    turned = mask_measures([mask.T for mask in predicted], [mask.T for mask in truth])
    assert turned.figures() == figures
    twice = mask_measures(
        [m.repeat(2, 0).repeat(2, 1) for m in predicted], [m.repeat(2, 0).repeat(2, 1) for m in truth]
    )
    assert twice.figures() == pytest.approx(figures)


@settings(max_examples=40, deadline=None)
@given(samples())
def test_a_true_mask_is_its_own_best_prediction(pair: tuple[Masks, Masks]) -> None:
    _, truth = pair
    found = mask_measures(truth, truth, empty="one")
    assert set(found.precision.values()) == {1.0}
    assert found.mean_iou == 1.0


def test_large_masks_matter_more_in_oiou() -> None:
    """A large mask of IoU 0.9 and a small one of 0: mIoU is their mean, oIoU nearly the large one's."""
    found = measures_of_counts([9_000, 0], [10_000, 10])
    assert found.mean_iou == pytest.approx(0.45)
    assert found.overall_iou == pytest.approx(9_000 / 10_010)


@pytest.mark.parametrize(
    ("predicted", "truth", "said"),
    [
        ([[[1, 0]]], [[[1], [0]]], "shapes"),
        ([[[2, 0]]], [[[1, 0]]], "beside 0 and 1"),
        ([[[float("nan"), 0]]], [[[1, 0]]], "beside 0 and 1"),
        ([[1, 0]], [[1, 0]], r"not \(H, W\)"),
        ([[[1]], [[1]]], [[[1]]], "more than"),
        ([[[1]]], [[[1]], [[1]]], "fewer than"),
        ([], [], "at least one sample"),
    ],
)
def test_masks_that_make_no_sense(predicted: Any, truth: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        mask_measures(predicted, truth)


@pytest.mark.parametrize(
    ("both", "either", "more", "said"),
    [
        ([3], [2], {}, "share more"),
        ([-1], [2], {}, "below 0"),
        ([0.5], [2.0], {}, "whole numbers"),
        ([1, 1], [2], {}, "shapes"),
        ([1], [2], {"empty": "half"}, "is no rule"),
        ([1], [2], {"thresholds": ()}, "thresholds"),
        ([1], [2], {"thresholds": (50,)}, "thresholds"),
    ],
)
def test_counts_that_make_no_sense(both: Any, either: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        measures_of_counts(both, either, **more)


def test_the_formula_names_its_rule() -> None:
    assert "two empty masks: IoU 1" in formula("one")
    assert "left out" in formula("left-out")
    assert max(map(len, formula("zero").splitlines())) < 80
    assert mask_counts(np.zeros((2, 2)), np.ones((2, 2))) == (0, 4)
