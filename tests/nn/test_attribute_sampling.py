"""Sampling of attributes and the losses of their classifier, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from geoglot.nn.attribute_sampling import (
    attribute_cross_entropy,
    attribute_feature,
    clip_gradient,
    dynamic_contrast,
    hard_sampling,
    logistic_sampling,
    margin_sampling,
)

PROBABILITIES = [[0.9, 0.84, 0.8, 0.76, 0.1]]
BAND = 0.1  # lambda 0.5, margin 0.2
# 100 (y - 0.9 + 0.1) = 10, 4, 0, -4, -70
MASK = [1 / (1 + math.exp(-x)) for x in (10, 4, 0, -4, -70)]  # 0.99995, 0.98201, 0.5, 0.01799, 4e-31


def leaf(values: list[list[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_the_band_is_what_is_kept() -> None:
    for sampling in (logistic_sampling, margin_sampling):
        found = sampling(leaf(PROBABILITIES), rate=100, band=BAND)[0].tolist()
        assert found == pytest.approx(MASK, rel=1e-9)
    assert hard_sampling(leaf(PROBABILITIES), band=0.1001)[0].tolist() == [1, 1, 1, 0, 0]
    assert not hard_sampling(leaf(PROBABILITIES), band=BAND).requires_grad


def test_margin_sampling_has_the_mask_as_value_and_as_gradient() -> None:
    """(13) forward: m y + m - y m = m. (14) backward: m, each attribute its own, nothing through the maximum."""
    probabilities = leaf(PROBABILITIES)
    sampled = margin_sampling(probabilities, rate=100, band=BAND)
    assert sampled[0].tolist() == pytest.approx(MASK, rel=1e-9)
    jacobian = torch.autograd.functional.jacobian(
        lambda y: margin_sampling(y, rate=100, band=BAND)[0], probabilities.detach()
    )[:, 0]
    assert torch.allclose(jacobian, torch.diag(torch.tensor(MASK, dtype=torch.float64)), rtol=1e-9, atol=0)


def test_margin_sampling_does_not_explode_however_steep() -> None:
    for rate in (1.0, 100.0, 1e6):
        probabilities = leaf(PROBABILITIES)
        margin_sampling(probabilities, rate=rate, band=BAND).sum().backward()
        assert probabilities.grad is not None
        assert (probabilities.grad <= 1).all()
        assert torch.isfinite(probabilities.grad).all()


def test_logistic_sampling_has_the_printed_derivative() -> None:
    """(9) and (10): beta f / (1 + f)^2 on the diagonal; the maximum takes the same away from all others, and none from
    itself. At the edge of the band that is beta / 4 = 25."""
    jacobian = torch.autograd.functional.jacobian(
        lambda y: logistic_sampling(y, rate=100, band=BAND)[0], torch.tensor(PROBABILITIES, dtype=torch.float64)
    )[:, 0]
    slopes = [100 * m * (1 - m) for m in MASK]
    for p in range(5):
        for q in range(5):
            expected = 0.0
            if q == 0 and p != 0:
                expected = -slopes[p]
            elif p == q != 0:
                expected = slopes[p]
            assert float(jacobian[p, q]) == pytest.approx(expected, rel=1e-6, abs=1e-12), (p, q)
    assert float(jacobian[2, 2]) == pytest.approx(25)


def test_clipping_holds_values_not_norms() -> None:
    """25 at the edge of the band and 1.77 at +-4 both become 1; the maximum's -(25 + 2 * 1.77) becomes -1."""
    probabilities = leaf(PROBABILITIES)
    logistic_sampling(clip_gradient(probabilities, 1.0), rate=100, band=BAND).sum().backward()
    assert probabilities.grad is not None
    assert probabilities.grad[0, :4].tolist() == [-1, 1, 1, 1]
    assert abs(float(probabilities.grad[0, 4])) < 1e-20
    small = leaf([[0.25, -0.5]])
    (clip_gradient(small, 1.0) * torch.tensor([0.5, -3.0])).sum().backward()
    assert small.grad is not None
    assert small.grad.tolist() == [[0.5, -1.0]]
    plain = torch.ones(2)
    assert clip_gradient(plain) is plain


def test_something_is_always_sampled() -> None:
    """The greatest keeps sigmoid(rate * band), so (15) never divides by 0, not even where all are equal or 0."""
    table = torch.eye(3, dtype=torch.float64)
    for values in ([[0.0, 0.0, 0.0]], [[0.3, 0.3, 0.3]], [[1.0, 1.0, 1.0]]):
        for sampled in (margin_sampling(leaf(values), rate=100, band=BAND), hard_sampling(leaf(values), band=BAND)):
            assert attribute_feature(sampled, table)[0].tolist() == pytest.approx([1 / 3] * 3)


def test_attribute_feature_by_hand() -> None:
    """(1 [2, 0] + 0.5 [0, 4]) / 1.5 = [4/3, 4/3]."""
    found = attribute_feature(torch.tensor([[1.0, 0.5, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 4.0], [9.0, 9.0]]))
    assert found[0].tolist() == pytest.approx([4 / 3, 4 / 3])


def test_dynamic_contrast_by_hand() -> None:
    """Mean of positives 0.7, hardest negative 0.6: 0.2 - 0.7 + 0.6 = 0.1; with 0.4: nothing; no positive: nothing."""
    probabilities = torch.tensor([[0.9, 0.5, 0.6, 0.1], [0.9, 0.5, 0.4, 0.1], [0.9, 0.5, 0.4, 0.1]])
    labels = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert dynamic_contrast(probabilities, labels, margin=0.2).tolist() == pytest.approx([0.1, 0, 0], abs=1e-6)
    every = dynamic_contrast(torch.tensor([[0.9, 0.5]]), torch.ones(1, 2), margin=0.2)
    assert every.tolist() == [0]  # no negative: only 0.2 - 0.7 < 0 is left
    weak = dynamic_contrast(torch.tensor([[0.1, 0.1]]), torch.ones(1, 2), margin=0.2)
    assert weak.tolist() == pytest.approx([0.1])  # 0.2 - 0.1 + 0


def test_why_the_printed_sign_of_31_is_wrong() -> None:
    """As printed, max(mean of positives - hardest negative + margin, 0), a perfect classifier is the most expensive and
    one that has everything the wrong way round costs nothing; its gradient lowers positives and raises negatives."""
    labels = torch.tensor([[1.0, 1.0, 0.0]])

    def printed(probabilities: Tensor) -> Tensor:
        mean = (labels * probabilities).sum(1) / labels.sum(1)
        return (mean - ((1 - labels) * probabilities).amax(1) + 0.2).clamp(min=0)

    right, wrong = torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    assert (float(printed(right)), float(printed(wrong))) == pytest.approx((1.2, 0.0))
    ours = [float(dynamic_contrast(given, labels, margin=0.2)) for given in (right, wrong)]
    assert ours == pytest.approx([0.0, 1.2])
    # What the text promises of lambda = 1: once the loss is 0, no negative is within the sampled band.
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(2000, 3, generator=generator)
    free = dynamic_contrast(probabilities, labels.expand(2000, 3), margin=0.2) == 0
    assert 100 < int(free.sum()) < 1900
    kept = hard_sampling(probabilities - 1e-6 * (1 - labels), band=0.2)
    assert not (kept * (1 - labels))[free].any()
    free_as_printed = torch.cat([printed(row[None]) for row in probabilities]) == 0
    assert (kept * (1 - labels))[free_as_printed].any(1).all()


def test_gradient_of_dynamic_contrast_goes_to_positives_and_the_hardest_negative() -> None:
    probabilities = leaf([[0.5, 0.3, 0.6, 0.2]])
    labels = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    dynamic_contrast(probabilities, labels, margin=0.2).sum().backward()
    assert probabilities.grad is not None
    assert probabilities.grad.tolist() == [[-0.5, -0.5, 1.0, 0.0]]


def test_cross_entropy_by_hand_and_why_32_needs_its_minus() -> None:
    """p = 0.8 for a label, 0.4 for none: -(log 0.8 + log 0.6) / 2 = (0.2231 + 0.5108) / 2 = 0.3670."""
    logits = torch.tensor([[math.log(4), math.log(0.4 / 0.6)]])
    labels = torch.tensor([[1.0, 0.0]])
    assert float(attribute_cross_entropy(logits, labels)) == pytest.approx(0.36698, abs=1e-5)
    surer = attribute_cross_entropy(2 * logits, labels)
    assert 0 < float(surer) < 0.36698  # better is cheaper; without the minus it would be dearer
    steep = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = attribute_cross_entropy(steep, 1 - labels)
    loss.sum().backward()
    assert float(loss.detach()) == pytest.approx(200)
    assert steep.grad is not None
    assert steep.grad.tolist() == [[0.5, -0.5]]
