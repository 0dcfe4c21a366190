"""The truncated loss: by hand, its gradient on both sides of the margin, and cross-entropy without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from geoglot.methods.captioning.tce_loss import METHOD, SMALL, Config, Model, truncated_losses
from geoglot.nn.captioner import CaptionBatch


def build(**more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, **more}))


def batch_of() -> CaptionBatch:
    return CaptionBatch(
        grids=torch.randn(2, 12, 2, 2, generator=torch.Generator().manual_seed(0)),
        tokens=torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]),
        attributes=torch.zeros(2, 6),
        items=torch.arange(2),
        categories=torch.zeros(2, dtype=torch.int64),
        languages=torch.zeros(2, dtype=torch.int64),
    )


def test_gradient_is_zero_above_the_margin_and_that_of_cross_entropy_below() -> None:
    """Two words, p = sigmoid(x): 0.75 < 0.8 learns with p - 1 = -0.25, 0.9 and 1 are left alone."""
    logits = torch.tensor([[3.0, 1.0], [9.0, 1.0], [1e6, 1.0]]).log().requires_grad_()
    losses = -logits.log_softmax(1)[:, 0]
    truncated = truncated_losses(losses, margin=0.2)
    assert truncated.tolist() == [pytest.approx(0.2876821), 0, 0]  # log(4 / 3)
    truncated.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.tensor([[-0.25, 0.25], [0, 0], [0, 0]]))


def test_a_probability_at_the_margin_is_left_alone() -> None:
    losses = -torch.tensor([0.5, 0.49]).log()
    assert (truncated_losses(losses, margin=0.5) > 0).tolist() == [False, True]


@pytest.mark.parametrize("variant", METHOD.variants)
def test_without_a_margin_it_is_cross_entropy(variant: str) -> None:
    losses = build(variant=variant, margin=0.0).eval().losses(batch_of())
    assert torch.equal(losses["truncated"], losses["caption"])
    assert torch.equal(losses["total"], losses["caption"].mean())


@pytest.mark.parametrize("variant", METHOD.variants)
def test_learning_stops_at_the_margin(variant: str) -> None:
    """With room for half of the probability words end above one half, and the loss at exactly nothing."""
    optimised = {}
    for margin in (0.0, 0.5):
        model = build(variant=variant, margin=margin).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.3)
        for _ in range(200):
            losses = model.losses(batch_of())
            optimiser.zero_grad(set_to_none=True)
            losses["total"].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        optimised[margin] = model.losses(batch_of())
    assert optimised[0.5]["total"] == 0
    assert optimised[0.5]["caption"].mean() > 2 * optimised[0.0]["caption"].mean()


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_a_margin_outside_its_range_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        build(margin=margin)
