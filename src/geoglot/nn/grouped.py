"""Convolutions in groups: each group of channels sees its own group only, and a shuffle lets the next one mix them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def shuffle(features: Tensor, groups: int) -> Tensor:
    """Deal the channels of every group out to all groups (Zhang et al. 2018). (B, C, ...) -> (B, C, ...).

    Example:
        >>> shuffle(torch.arange(6.0)[None], 2)  # groups 0 1 2 and 3 4 5
        tensor([[0., 3., 1., 4., 2., 5.]])
    """
    batch, channels, *rest = features.shape
    return features.view(batch, groups, channels // groups, *rest).transpose(1, 2).reshape(batch, channels, *rest)


def fitting_groups(groups: int, inputs: int, outputs: int) -> int:
    """The largest divisor of ``groups`` that divides both widths.

    Example:
        >>> fitting_groups(8, 12, 64)
        4
    """
    return math.gcd(groups, math.gcd(inputs, outputs))


class GroupedWords(nn.Module):
    """A grouped convolution over the words of a text, then a shuffle and a ReLU; the padding stays at zero.

    Args:
        inputs: Channels of a word.
        outputs: Channels of the result.
        kernel: Words that are seen together, odd.
        groups: Groups of channels; fewer where they do not divide the widths.

    Example:
        >>> layer = GroupedWords(4, 6, kernel=3, groups=2)
        >>> layer(torch.zeros(1, 4, 5), torch.ones(1, 5, dtype=torch.bool)).shape
        torch.Size([1, 6, 5])
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups = fitting_groups(groups, inputs, outputs)
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, groups=self.groups)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """(T, inputs, L), zero where padded, (T, L) bool -> (T, outputs, L), zero where padded."""
        features = torch.relu(shuffle(self.convolution(words), self.groups))
        return features * mask[:, None].to(features.dtype)


class ChannelFilter(nn.Module):
    """Weights in [0, 1] for the channels of a map, from its means: what is redundant fades (Hu et al. 2018).

    Args:
        channels: Width of the map.
        reduction: How much narrower the hidden layer is.

    Example:
        >>> ChannelFilter(16)(torch.ones(2, 16, 3, 3)).shape
        torch.Size([2, 16, 3, 3])
    """

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(features.mean((2, 3))))))
        return features * weights[:, :, None, None]
