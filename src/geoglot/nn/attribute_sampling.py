"""Attributes of an image: sampling them so that a gradient passes, and the losses of the classifier that finds them.

With y the probabilities of one image, y_m their maximum and ``band`` = lambda * margin:

    logistic sampling   h = 1 / (1 + exp(-beta (y - y_m + band)))                      (5)
    margin sampling     m = h(detached y), b = m - detached y * m, y_s = m * y + b     (11)-(13)
    attribute feature   f_s = W_e y_s / sum(y_s)                                       (15)
    dynamic contrast    [margin - mean of the positives + hardest negative]+           (31)
    cross-entropy       -mean(t log y + (1 - t) log(1 - y))                            (32)

Both samplers keep the attributes whose probability is within ``band`` of the greatest. In (31) the signs follow what
the text says the loss is for, the positives above the hardest negative by the margin; as printed they push the
positives below it. (32) is printed without its minus.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _ClippedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, limit: float) -> Tensor:
        ctx.limit = limit
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].clamp(-ctx.limit, ctx.limit), None


def clip_gradient(values: Tensor, limit: float = 1.0) -> Tensor:
    """The values themselves; every entry of the gradient that comes back is held within [-limit, limit].

    Example:
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> (clip_gradient(x) * torch.tensor([0.5, 100.0])).sum().backward()
        >>> x.grad
        tensor([0.5000, 1.0000])
    """
    if not values.requires_grad:
        return values
    out: Tensor = _ClippedGradient.apply(values, limit)  # type: ignore[no-untyped-call]
    return out


def logistic_sampling(probabilities: Tensor, *, rate: float, band: float) -> Tensor:
    """H of (5), whose steepness is ``rate / 4`` at the edge of the band; the maximum has its gradient too.

    Args:
        probabilities: (B, A).
        rate: beta.
        band: lambda * margin, how far below the greatest probability an attribute is still kept.

    Returns:
        (B, A) in (0, 1), a half at the edge of the band.

    Example:
        >>> logistic_sampling(torch.tensor([[0.75, 0.5, 0.0]]), rate=100, band=0.25)
        tensor([[1.0000e+00, 5.0000e-01, 1.9287e-22]])
    """
    highest = probabilities.amax(1, keepdim=True)
    return torch.sigmoid(rate * (probabilities - highest + band))


def margin_sampling(probabilities: Tensor, *, rate: float, band: float) -> Tensor:
    """y_s of (13): its value is the mask m and its gradient to y is m, however steep m is. (B, A) -> (B, A)."""
    detached = probabilities.detach()
    mask = logistic_sampling(detached, rate=rate, band=band)
    shift = mask - detached * mask
    return mask * probabilities + shift


def hard_sampling(probabilities: Tensor, *, band: float) -> Tensor:
    """1 within the band and 0 below, without a gradient: the limit of (5) for a steep rate. (B, A) -> (B, A).

    Example:
        >>> hard_sampling(torch.tensor([[0.9, 0.85, 0.1]]), band=0.1)
        tensor([[1., 1., 0.]])
    """
    detached = probabilities.detach()
    return (detached >= detached.amax(1, keepdim=True) - band).to(detached.dtype)


def attribute_feature(sampled: Tensor, table: Tensor) -> Tensor:
    """f_s of (15): the mean vector of the sampled attributes. (B, A), (A, E) -> (B, E).

    Example:
        >>> attribute_feature(torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[2.0], [9.0], [4.0]]))
        tensor([[3.]])
    """
    return sampled @ table / sampled.sum(1, keepdim=True)


def dynamic_contrast(probabilities: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """(31) of each image; one without a positive label costs nothing. (B, A) twice -> (B,).

    Example:
        >>> dynamic_contrast(torch.tensor([[0.9, 0.5, 0.6]]), torch.tensor([[1.0, 1.0, 0.0]]), margin=0.2)
        tensor([0.1000])
    """
    count = labels.sum(1)
    positives = (labels * probabilities).sum(1) / count.clamp(min=1)
    hardest = ((1 - labels) * probabilities).amax(1)
    return (margin - positives + hardest).clamp(min=0) * (count > 0)


def attribute_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(32) of each image, from the numbers before the sigmoid. (B, A) twice -> (B,).

    Example:
        >>> attribute_cross_entropy(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))  # log 2
        tensor([0.6931])
    """
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1)
