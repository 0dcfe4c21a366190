"""The feature pyramid and the soft maximum over pixels, against sums by hand and naive loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoglot.nn.pixel_features import FeaturePyramid, pooled_evidence


def test_a_soft_maximum_by_hand() -> None:
    """Logits 0, 0, 0, 2 at sharpness 1: log((3 + e^2) / 4); at sharpness 100 nearly 2 - log(4) / 100."""
    logits = torch.tensor([[0.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    assert pooled_evidence(logits, 1.0).item() == pytest.approx(math.log((3 + math.exp(2)) / 4), abs=1e-6)
    assert pooled_evidence(logits, 100.0).item() == pytest.approx(2 - math.log(4) / 100, abs=1e-6)


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=30), st.floats(0.1, 20))
def test_it_lies_between_mean_and_maximum(values: list[float], sharpness: float) -> None:
    found = pooled_evidence(torch.tensor([values], dtype=torch.float64), sharpness).item()
    assert sum(values) / len(values) - 1e-6 <= found <= max(values) + 1e-6


@pytest.mark.parametrize(("height", "width"), [(64, 64), (72, 40), (96, 160)])
def test_maps_of_any_size_meet(height: int, width: int) -> None:
    """Strides 4, 8, 16, 32, rounded up as strided convolutions do: sizes need not be multiples of 32."""
    torch.manual_seed(0)
    pyramid = FeaturePyramid((4, 6, 8, 10), 5, 7).eval()

    def ceiling(size: int, stride: int) -> int:
        return -(-size // stride)

    stages = [
        torch.randn(2, c, ceiling(height, s), ceiling(width, s))
        for c, s in zip((4, 6, 8, 10), (4, 8, 16, 32), strict=True)
    ]
    out = pyramid(stages)
    assert out.shape == (2, 7, ceiling(height, 4), ceiling(width, 4))
    alone = pyramid([stage[:1] for stage in stages])
    assert torch.allclose(out[:1], alone, atol=1e-5)


def test_every_stage_and_the_context_reach_the_features() -> None:
    torch.manual_seed(0)
    pyramid = FeaturePyramid((4, 6), 8, 3).eval()
    stages = [torch.randn(1, 4, 8, 8, requires_grad=True), torch.randn(1, 6, 4, 4, requires_grad=True)]
    pyramid(stages)[0, :, 0, 0].square().sum().backward()
    for stage in stages:
        assert stage.grad is not None
        assert stage.grad.abs().sum() > 0
    # Through the mean, a corner of the coarsest map tells of the opposite one.
    assert stages[1].grad is not None
    assert float(stages[1].grad[0, :, 3, 3].abs().sum()) > 0
