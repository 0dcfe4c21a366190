from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from geoglot.core.errors import UsageError
from geoglot.metrics.attributes import attribute_measures


def test_by_hand():
    found = attribute_measures([[0.9, 0.6, 0.1], [0.8, 0.2, 0.3], [0.1, 0.1, 0.1]], [[1, 0, 1], [1, 1, 0], [0, 0, 0]])
    # Predicted: (0,0) (0,1) (1,0); right: (0,0) (1,0). Named: 4.
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 4)
    assert found.f1 == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))
    assert found.image_precision[:2] == pytest.approx([1 / 2, 1.0])
    assert math.isnan(found.image_precision[2])
    assert found.image_recall[:2] == pytest.approx([1 / 2, 1 / 2])
    assert math.isnan(found.image_recall[2])
    # Attribute 0: both right: 1. Attribute 1: predicted once wrongly, named once: 0. Attribute 2: named, not predicted.
    assert found.attribute_f1.tolist() == [1.0, 0.0, 0.0]
    assert found.macro_f1 == pytest.approx(1 / 3)
    # Ranked: attribute 0 at 1, 2 -> 1; attribute 1: image 1 stands second -> 1/2; attribute 2: image 1 with 0.3 stands
    # first and is wrong, image 0 and image 2 share the next step of 2: precision 1/3 at its end.
    assert found.average_precision == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_nothing_predicted_or_named():
    found = attribute_measures([[0.1, 0.2]], [[0, 0]])
    assert (found.precision, found.recall, found.f1, found.macro_f1, found.average_precision) == (0, 0, 0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(bool, (4, 3)), arrays.arrays(bool, (4, 3)))
def test_equal_to_counting(predicted, named):
    found = attribute_measures(predicted.astype(float), named.astype(int))
    right = sum(bool(p and n) for p, n in zip(predicted.ravel(), named.ravel(), strict=True))
    assert found.precision == pytest.approx(right / predicted.sum() if predicted.any() else 0)
    assert found.recall == pytest.approx(right / named.sum() if named.any() else 0)


@pytest.mark.parametrize("scores", [[0.9, 0.8, 0.7, 0.6], [0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]])
def test_average_precision_does_not_see_the_order_of_equal_scores(scores):
    labels = np.array([1, 0, 1, 0])
    values = set()
    for order in ([0, 1, 2, 3], [1, 0, 3, 2]):
        table = np.array(scores)[order][:, None], labels[order][:, None]
        values.add(round(attribute_measures(*table).average_precision, 12))
    assert len(values) == 1


def test_refused():
    with pytest.raises(UsageError, match="no two tables"):
        attribute_measures([[0.5]], [[1, 0]])
    with pytest.raises(UsageError, match="beside 0 and 1"):
        attribute_measures([[0.5]], [[2]])
    with pytest.raises(UsageError, match="leave"):
        attribute_measures([[math.nan]], [[1]])
