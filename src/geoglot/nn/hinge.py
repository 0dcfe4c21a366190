"""The bidirectional hinge of visual-semantic embeddings: a pair must beat every wrong pair by a margin.

    image to text   l_i = agg_{j != i} [m + s_ij - s_ii]+
    text to image   l_j = agg_{i != j} [m + s_ij - s_jj]+

``agg`` is the sum over the negatives (Kiros et al. 2014) or the hardest one (Faghri et al. 2018).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Negatives = Literal["sum", "hardest"]


def bidirectional_hinge(
    scores: Tensor, *, margin: float = 0.2, negatives: Negatives = "sum", duplicates: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Hinge losses of each image and of each text of a batch of pairs.

    Args:
        scores: (B, B), image i with text j; the diagonal holds the true pairs.
        margin: m.
        negatives: ``sum`` over all wrong pairs, or the ``hardest`` one alone (the first among equals).
        duplicates: (B, B) bool, True where a wrong pair is right as well and costs nothing. The diagonal is ignored.

    Returns:
        (B,) image to text and (B,) text to image.

    Example:
        >>> rows, columns = bidirectional_hinge(torch.tensor([[0.5, 0.4], [0.0, 0.5]]))
        >>> rows, columns  # 0.2 + 0.4 - 0.5 = 0.1
        (tensor([0.1000, 0.0000]), tensor([0.0000, 0.1000]))
    """
    pairs = scores.diagonal()
    allowed = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    if duplicates is not None:
        allowed = allowed & ~duplicates
    image_to_text = (margin + scores - pairs[:, None]).clamp(min=0) * allowed
    text_to_image = (margin + scores - pairs[None, :]).clamp(min=0) * allowed
    if negatives == "hardest":
        return image_to_text.max(1).values, text_to_image.max(0).values
    return image_to_text.sum(1), text_to_image.sum(0)


def duplicate_pairs(items: Tensor, sentences: Tensor) -> Tensor:
    """True where text j is as right for image i as its own: the same image, or the same sentence.

    Args:
        items: (B,) int64, which image each row is.
        sentences: (B,) int64, which sentence each text is.

    Returns:
        (B, B) bool.

    Example:
        >>> duplicate_pairs(torch.tensor([0, 1, 0]), torch.tensor([5, 6, 7]))[0]
        tensor([ True, False,  True])
    """
    return (items[:, None] == items) | (sentences[:, None] == sentences)
