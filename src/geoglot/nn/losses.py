"""Losses that more than one method uses."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def multi_positive_cross_entropy(logits: Tensor, positives: Tensor) -> Tensor:
    """Cross-entropy of each row against the uniform distribution over its positives.

    l_i = -1/|P_i| sum_{j in P_i} log softmax_j(s_i.)   (supervised contrastive loss, Khosla et al. 2020, outer sum)

    Args:
        logits: (N, M) similarities divided by the temperature.
        positives: (N, M) bool or float, 1 where column j answers row i. A row without positives costs 0.

    Returns:
        (N,) one loss per row.

    Example:
        >>> import torch
        >>> multi_positive_cross_entropy(torch.zeros(1, 4), torch.tensor([[True, True, False, False]]))  # log 4
        tensor([1.3863])
    """
    weights = positives.to(logits.dtype)
    return -(logits.log_softmax(1) * weights).sum(1) / weights.sum(1).clamp(min=1)


def symmetric_contrastive(logits: Tensor, positives: Tensor) -> tuple[Tensor, Tensor]:
    """Multi-positive cross-entropy along rows and along columns. (N, M) -> (N,), (M,)."""
    return multi_positive_cross_entropy(logits, positives), multi_positive_cross_entropy(logits.T, positives.T)


def word_prediction(logits: Tensor, words: Tensor) -> Tensor:
    """Binary cross-entropy summed over words. (N, W), (N, W) in {0, 1} -> (N,)."""
    return F.binary_cross_entropy_with_logits(logits, words, reduction="none").sum(1)
