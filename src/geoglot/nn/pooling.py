"""From a map or a sequence of features to one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid positions. (B, L, D), (B, L) bool -> (B, D).

    Example:
        >>> features = torch.tensor([[[2.0], [4.0], [100.0]]])
        >>> masked_mean(features, torch.tensor([[True, True, False]]))  # (2 + 4) / 2
        tensor([[3.]])
    """
    weights = mask.to(features.dtype)[..., None]
    return (features * weights).sum(1) / weights.sum(1).clamp(min=1)


def masked_max(features: Tensor, mask: Tensor) -> Tensor:
    """Largest value of each feature over the valid positions. (B, L, D), (B, L) bool -> (B, D)."""
    return features.masked_fill(~mask[..., None], -1e4).amax(1)


class AttentionPool2d(nn.Module):
    """The mean of a map beside several means weighted by learnt attention. (B, C, H, W) -> (B, C * (1 + heads)).

    Example:
        >>> AttentionPool2d(8, heads=4)(torch.zeros(2, 8, 3, 3)).shape
        torch.Size([2, 40])
    """

    def __init__(self, channels: int, *, heads: int = 4) -> None:
        super().__init__()
        self.attention = nn.Conv2d(channels, heads, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C * (1 + heads))."""
        weights = self.attention(features).flatten(2).softmax(-1)
        values = features.flatten(2)
        attended = weights @ values.transpose(1, 2)
        return torch.cat([values.mean(-1), attended.flatten(1)], 1)
