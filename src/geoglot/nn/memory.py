"""Cross-batch memory: contrast a small batch against everything seen lately (Wang et al. 2020, XBM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EmbeddingMemory(nn.Module):
    """The latest embedding of every training item, without gradient.

    Args:
        items: Number of items.
        dimension: Size of an embedding.

    Example:
        >>> memory = EmbeddingMemory(5, 2)
        >>> memory.write(torch.tensor([3]), torch.tensor([[1.0, 0.0]]))
        >>> memory.filled().tolist()
        [3]
    """

    vectors: Tensor
    seen: Tensor

    def __init__(self, items: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(items, dimension))
        self.register_buffer("seen", torch.zeros(items, dtype=torch.bool))

    @torch.no_grad()
    def write(self, items: Tensor, embeddings: Tensor) -> None:
        """Store embeddings (N, D) of items (N,)."""
        self.vectors[items] = embeddings.detach()
        self.seen[items] = True

    def filled(self) -> Tensor:
        """Indices of the items seen so far, (F,) int64."""
        return self.seen.nonzero().flatten()
