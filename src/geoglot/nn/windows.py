"""Attention within square windows of a map, and windows that were shifted across its edge (Liu et al., ICCV 2021)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn


class WindowAttention(nn.Module):
    """Attention of n = side * side places among themselves, with a learnt bias per relative position.

    Args:
        width: Of a place's vector.
        heads: Attention heads.
        side: Places on a side of a window.
    """

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_positions(side), persistent=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attention and its output matrix.

        Args:
            windows: (B * N, n, C), the N windows of an image in a row.
            mask: (N, n, n) bool, True where a place must not look; ``None``: everywhere it may.

        Returns:
            (B * N, n, C).
        """
        rows, places, width = windows.shape
        qkv = self.qkv(windows).view(rows, places, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        logits = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2) + bias
        if mask is not None:
            apart = logits.view(-1, len(mask), self.heads, places, places)
            logits = apart.masked_fill(mask[:, None], -100.0).view_as(logits)
        joined = (logits.softmax(-1) @ value).transpose(1, 2).reshape(rows, places, width)
        out: Tensor = self.proj(joined)
        return out


def relative_positions(side: int) -> Tensor:
    """Which row of the bias table belongs to each pair of places of a window. -> (side^2, side^2) int64.

    The row of a pair that lies (dy, dx) apart, query less key, is (dy + side - 1) * (2 side - 1) + dx + side - 1.

    Example:
        >>> relative_positions(2)[0].tolist()  # the first place: to itself, right, below, both
        [4, 3, 1, 0]
    """
    line = torch.arange(side, device="cpu")
    rows, columns = line.repeat_interleave(side), line.repeat(side)
    apart = [(axis[:, None] - axis[None, :]) + side - 1 for axis in (rows, columns)]
    return apart[0] * (2 * side - 1) + apart[1]


def split_windows(features: Tensor, side: int) -> Tensor:
    """(B, H, W, C), sides multiples of ``side`` -> (B * N, side^2, C), row by row."""
    batch, height, width, channels = features.shape
    parts = features.view(batch, height // side, side, width // side, side, channels)
    return parts.transpose(2, 3).reshape(-1, side * side, channels)


def join_windows(windows: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """The reverse of :func:`split_windows`. (B * N, side^2, C) -> (B, *size, C)."""
    height, width = size
    channels = windows.shape[-1]
    parts = windows.view(-1, height // side, width // side, side, side, channels)
    return parts.transpose(2, 3).reshape(-1, height, width, channels)


@lru_cache(maxsize=64)
def shift_mask(size: tuple[int, int], side: int, shift: tuple[int, int]) -> Tensor:
    """Pairs of places that share a shifted window, but not a neighbourhood in the map.

    Rolling brings the map's first rows below its last ones: the last window of a line then holds two strips.

    Args:
        size: Height and width of the map, multiples of ``side``.
        side: Of a window.
        shift: Downwards and to the right.

    Returns:
        (N, side^2, side^2) bool, True where they must not see each other.

    Example:
        >>> shift_mask((4, 2), 2, (1, 0)).sum((1, 2)).tolist()  # the second window: two rows that are far apart
        [0, 8]
    """
    with torch.inference_mode(False):  # it is kept, and may be asked for in training later
        strips = []
        for extent, moved in zip(size, shift, strict=True):
            place = torch.arange(extent, device="cpu")
            strips.append((place >= extent - side).long() + (place >= extent - moved).long() if moved else 0 * place)
        region = strips[0][:, None] * 3 + strips[1]
        parts = split_windows(region[None, :, :, None], side).squeeze(-1)
        return parts[:, :, None] != parts[:, None, :]
