"""Attention between very many rows: the weights of a few of them at a time are held, backwards too."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

ROWS = 2048


def chunked_attention(query: Tensor, key: Tensor, value: Tensor, seen: Tensor, *, rows: int = ROWS) -> Tensor:
    """softmax(query key^T) value, where each row asks all keys that are seen.

    Args:
        query: (B, N, D); not scaled here.
        key: (B, M, D).
        value: (B, M, E).
        seen: (B, M) bool; where none is, the result is the mean of all values.
        rows: How many rows ask at a time; memory grows with ``rows`` times M.

    Returns:
        (B, N, E).

    Example:
        >>> found = chunked_attention(torch.zeros(1, 3, 2), torch.ones(1, 2, 2), torch.tensor([[[2.0], [4.0]]]),
        ...                           torch.ones(1, 2, dtype=torch.bool), rows=2)
        >>> found.flatten().tolist()
        [3.0, 3.0, 3.0]
    """
    parts = torch.split(query, rows, 1)
    if len(parts) == 1 or not torch.is_grad_enabled():
        return torch.cat([_attend(part, key, value, seen) for part in parts], 1)
    again = [checkpoint(_attend, part, key, value, seen, use_reentrant=False) for part in parts]
    return torch.cat([part for part in again if part is not None], 1)


def _attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    logits = (query @ key.transpose(1, 2)).masked_fill(~seen[:, None], -1e4)
    return logits.softmax(-1) @ value
