"""The scene category of an image as a guide: a linear classifier of the image and one vector per category.

    p = softmax(W mean v + b)
    label = E argmax p

No gradient passes the argmax: the classifier learns from the categories alone, the vectors from what they guide.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SceneLabel(nn.Module):
    """Classifier and vectors.

    Args:
        inputs: Width of the image as a whole.
        categories: K.
        width: Of a category's vector.

    Raises:
        ValueError: There is no category.

    Example:
        >>> import torch
        >>> label = SceneLabel(3, 2, 4)
        >>> label.vectors(label(torch.zeros(5, 3))).shape
        torch.Size([5, 4])
    """

    def __init__(self, inputs: int, categories: int, width: int) -> None:
        super().__init__()
        if categories < 1:
            raise ValueError(f"{categories} scene categories: the images have to be labelled with at least one")
        self.classifier = nn.Linear(inputs, categories)
        self.table = nn.Embedding(categories, width)

    def forward(self, pooled: Tensor) -> Tensor:
        """Categories before their softmax. (B, inputs) -> (B, K)."""
        out: Tensor = self.classifier(pooled)
        return out

    def vectors(self, logits: Tensor) -> Tensor:
        """Vector of the most probable category. (B, K) -> (B, width)."""
        out: Tensor = self.table(logits.argmax(1))
        return out


def category_cross_entropy(logits: Tensor, categories: Tensor) -> Tensor:
    """-log p of the category; an image without one (-1) costs nothing. (B, K), (B,) int64 -> (B,).

    Example:
        >>> import torch
        >>> category_cross_entropy(torch.zeros(2, 2), torch.tensor([1, -1]))  # log 2
        tensor([0.6931, 0.0000])
    """
    return F.cross_entropy(logits, categories, ignore_index=-1, reduction="none")
