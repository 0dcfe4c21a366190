"""A second network that judges the first: losses of a discriminator and of those who must fool it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SideJudge(nn.Module):
    """Which side a code comes from: Linear, batch normalisation, ReLU, Linear. (M, inputs) -> (M,) logits.

    Example:
        >>> sum(p.numel() for p in SideJudge(64).parameters())  # 8,320 + 256 + 129
        8705
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, 2 * inputs)
        self.norm = nn.BatchNorm1d(2 * inputs)
        self.output = nn.Linear(2 * inputs, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """(M, inputs) -> (M,) logits; above 0 means the side called real."""
        out: Tensor = self.output(torch.relu(self.norm(self.hidden(codes)))).squeeze(1)
        return out


def as_real(logits: Tensor) -> Tensor:
    """Binary cross-entropy against the answer "real". (M,) -> (M,)."""
    return F.softplus(-logits)


def as_fake(logits: Tensor) -> Tensor:
    """Binary cross-entropy against the answer "fake". (M,) -> (M,)."""
    return F.softplus(logits)


def gradient_penalty(judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """How far the judge's slope is from 1 between real and fake samples (WGAN-GP, Gulrajani et al. 2017).

    (|grad judge(x)| - 1)^2 at x = a real + (1 - a) fake with a uniform in [0, 1] per sample.

    Args:
        judge: (M, D) -> (M,) logits.
        real: (M, D).
        fake: (M, D).

    Returns:
        (M,), differentiable with respect to the judge's parameters.

    Example:
        A judge that adds up two inputs has the slope (1, 1) everywhere: (sqrt 2 - 1)^2 = 0.1716.

        >>> class Sum(nn.Module):
        ...     def forward(self, x): return x.sum(1)
        >>> gradient_penalty(Sum(), torch.ones(1, 2), torch.zeros(1, 2)).detach()
        tensor([0.1716])
    """
    share = torch.rand(len(real), 1, device=real.device)
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
    penalty: Tensor = (torch.linalg.vector_norm(slope, dim=1) - 1).square()
    return penalty
