"""The contrastive loss of CLIP over pairs: row i belongs to column i."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def paired_contrast(logits: Tensor, ignored: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the diagonal along rows and along columns.

    Args:
        logits: (B, B) similarities divided by the temperature.
        ignored: (B, B) bool, pairs off the diagonal that count neither as positive nor as negative.

    Returns:
        (B,) per row and (B,) per column.

    Example:
        >>> paired_contrast(torch.zeros(2, 2))  # log 2 each
        (tensor([0.6931, 0.6931]), tensor([0.6931, 0.6931]))
    """
    if ignored is not None:
        logits = logits.masked_fill(ignored, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return F.cross_entropy(logits, target, reduction="none"), F.cross_entropy(logits.T, target, reduction="none")
