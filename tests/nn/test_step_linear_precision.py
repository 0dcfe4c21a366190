"""The shared weight gradient under lower precision: as a plain layer, but for rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoglot.nn.step_linear import StepLinear, shared_gradient


def after_steps(layer: nn.Linear, start: Tensor) -> Tensor:
    state = start
    for _ in range(4):
        state = torch.tanh(layer(state)).float()
    return state


def test_bfloat16_changes_gradients_by_rounding_alone() -> None:
    torch.manual_seed(0)
    start = torch.randn(6, 16, requires_grad=True)
    layer = StepLinear(16, 16)
    after_steps(layer, start).square().sum().backward()
    expected = [start.grad, layer.weight.grad, layer.bias.grad]
    start.grad = layer.weight.grad = layer.bias.grad = None
    with torch.autocast("cpu", torch.bfloat16), shared_gradient(layer):
        total = after_steps(layer, start).square().sum()
    total.backward()
    for found, plain in zip([start.grad, layer.weight.grad, layer.bias.grad], expected, strict=True):
        assert found is not None
        assert plain is not None
        assert found.dtype == torch.float32
        # bfloat16 keeps eight bits: 2^-8 of the size of a value, several times over.
        assert float((found - plain).norm() / plain.norm()) < 0.03
    assert not torch.equal(layer.weight.grad, expected[1])


def test_float32_stays_exact() -> None:
    torch.manual_seed(0)
    start, layer = torch.randn(6, 16), StepLinear(16, 16)
    after_steps(layer, start).sum().backward()
    plain = layer.weight.grad.clone()
    layer.weight.grad = None
    with shared_gradient(layer):
        total = after_steps(layer, start).sum()
    total.backward()
    assert torch.allclose(layer.weight.grad, plain, rtol=1e-5, atol=1e-6)
