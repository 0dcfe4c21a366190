"""A linear map that a recurrence applies at every step, with one weight gradient for all steps.

The gradient of a weight used at T steps is the sum of T products. Left to autograd, every step writes a matrix as large
as the weight and adds it to the last one: with few rows that is most of the work of training. Here the steps keep what
they were given and what comes back, and the weight's gradient is one product over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_Kept = dict[int, tuple[Tensor, Tensor]]
"""Input and gradient of the output of every step, (R, inputs) and (R, outputs)."""


class _Weights(torch.autograd.Function):
    """Weight and bias in the precision of the products; their gradient is made of what the steps kept."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, kept: _Kept) -> tuple[Tensor, Tensor]:
        ctx.kept, ctx.own = kept, weight.dtype
        ctx.set_materialize_grads(False)
        device = weight.device.type
        if torch.is_autocast_enabled(device):  # rounded once, not at every step
            lower = torch.get_autocast_dtype(device)
            return weight.to(lower), bias.to(lower)
        return weight.view_as(weight), bias.view_as(bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, Tensor | None, None]:
        if not ctx.kept:
            return None, None, None
        inputs, outputs = (torch.cat(parts) for parts in zip(*ctx.kept.values(), strict=True))
        ctx.kept.clear()
        return (outputs.T @ inputs).to(ctx.own), outputs.sum(0, dtype=ctx.own), None


class _Step(torch.autograd.Function):
    """One step; the engine passes on to :class:`_Weights`, once, when all steps are behind it."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, kept: _Kept, step: int) -> Tensor:
        ctx.kept, ctx.step, ctx.own = kept, step, inputs.dtype
        inputs = inputs.to(weight.dtype)
        ctx.save_for_backward(inputs, weight)
        return F.linear(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        inputs, weight = ctx.saved_tensors
        ctx.kept[ctx.step] = inputs, gradients[0]  # by step, so that a second pass replaces what the first has kept
        return (gradients[0] @ weight).to(ctx.own), None, None, None, None


class StepLinear(nn.Linear):
    """A linear layer with a bias, plain but within :func:`shared_gradient`. (R, inputs) -> (R, outputs)."""

    _shared: tuple[Tensor, Tensor, _Kept] | None = None
    _steps = 0

    def forward(self, input: Tensor) -> Tensor:
        """X W^T + b."""
        if self._shared is None:
            return F.linear(input, self.weight, self.bias)
        self._steps += 1
        out: Tensor = _Step.apply(input, *self._shared, self._steps)  # type: ignore[no-untyped-call]
        return out


@contextmanager
def shared_gradient(module: nn.Module) -> Iterator[None]:
    """Within it every :class:`StepLinear` of a module makes one weight gradient for all its steps.

    It makes no other difference: values and gradients are those of a linear layer. A gradient of the gradient cannot be
    asked for.

    Example:
        >>> layer = StepLinear(3, 3)
        >>> with shared_gradient(layer):
        ...     state = torch.ones(2, 3)
        ...     for _ in range(4):
        ...         state = torch.tanh(layer(state))
        >>> state.sum().backward()
        >>> layer.weight.grad.shape
        torch.Size([3, 3])
    """
    layers = [layer for layer in module.modules() if isinstance(layer, StepLinear)] if torch.is_grad_enabled() else []
    for layer in layers:
        kept: _Kept = {}
        layer._shared = (*_Weights.apply(layer.weight, layer.bias, kept), kept)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for layer in layers:
            layer._shared, layer._steps = None, 0
