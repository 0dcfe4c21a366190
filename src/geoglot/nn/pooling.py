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


def grid_weights(cells: int, side: int) -> Tensor:
    """Which cells of a line each cell of a grid averages, and how much. -> (cells, side), rows sum to 1.

    Grid cell i covers the cells from floor(i side / cells) to ceil((i + 1) side / cells).

    Example:
        >>> grid_weights(2, 3)
        tensor([[0.5000, 0.5000, 0.0000],
                [0.0000, 0.5000, 0.5000]])
    """
    place, cell = torch.arange(side), torch.arange(cells)[:, None]
    first, last = cell * side // cells, -(-(cell + 1) * side // cells)
    covered = ((place >= first) & (place < last)).float()
    return covered / covered.sum(1, keepdim=True)


def average_onto_grid(features: Tensor, rows: int, columns: int) -> Tensor:
    """A map averaged onto a grid of any size: two matrix products, which every runtime of exported models has.

    Args:
        features: (B, C, H, W).
        rows: Of the grid; more than H repeats rows.
        columns: Of the grid.

    Returns:
        (B, C, rows, columns), what adaptive average pooling gives.
    """
    height, width = int(features.shape[-2]), int(features.shape[-1])
    if (height, width) == (rows, columns):
        return features
    down = grid_weights(rows, height).to(features)
    across = grid_weights(columns, width).to(features)
    return down @ (features @ across.T)
