"""A small pre-norm transformer encoder over sub-words, pooled to one vector.

Pre-norm blocks: h <- h + Attention(LN(h)); h <- h + MLP(LN(h)) (Xiong et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.pooling import masked_max, masked_mean


class TransformerBlock(nn.Module):
    """Multi-head self-attention and a two-layer perceptron, both residual. (B, L, D) -> (B, L, D)."""

    def __init__(self, width: int, heads: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) bool, True = real token -> (B, L, D)."""
        batch, length, width = tokens.shape
        qkv = self.qkv(self.attention_norm(tokens)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        logits = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5
        weights = logits.float().masked_fill(~mask[:, None, None, :], -1e4).softmax(-1).to(value.dtype)
        attended = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        tokens = tokens + self.dropout(self.attention_out(attended))
        out: Tensor = tokens + self.dropout(self.mlp(self.mlp_norm(tokens)))
        return out


class TextTransformer(nn.Module):
    """Token ids to one vector: embeddings, blocks, then mean and maximum over the tokens, projected.

    Args:
        vocabulary: Number of token ids; 0 is padding.
        width: Width of the token features.
        layers: Number of transformer blocks.
        heads: Attention heads.
        max_length: Longest sequence.
        outputs: Size of the result.
        dropout: Dropout probability everywhere.

    Example:
        >>> encoder = TextTransformer(vocabulary=50, width=16, layers=1, heads=2, max_length=8, outputs=4).eval()
        >>> encoder(torch.tensor([[3, 4, 0], [5, 0, 0]])).shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        max_length: int,
        outputs: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.05)
        self.position = nn.Parameter(torch.randn(max_length, width) * 0.02)
        blocks = [TransformerBlock(width, heads, 2 * width, dropout=dropout) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(2 * width, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64, 0 = padding -> (B, outputs), not normalised."""
        mask = tokens != 0
        features = self.dropout(self.embedding(tokens) + self.position[: tokens.shape[1]])
        for block in self.blocks:
            features = block(features, mask)
        features = self.norm(features).float()
        return F.linear(
            torch.cat([masked_mean(features, mask), masked_max(features, mask)], 1),
            self.projection.weight,
            self.projection.bias,
        )


def by_length(encoder: Callable[[Tensor], Tensor], tokens: Tensor, *, groups: int = 5) -> Tensor:
    """Encode texts in groups of similar length, so that padding costs little. Equal to ``encoder(tokens)``.

    Args:
        encoder: Maps (B, L) token ids to (B, D).
        tokens: (B, L) int64, 0 = padding, right-padded.
        groups: Number of groups.
    """
    if len(tokens) < 16 * groups:
        return encoder(tokens)
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    lengths = ((tokens != 0) * places).amax(1).clamp(min=1)
    order = lengths.argsort()
    parts = [encoder(tokens[rows, : int(lengths[rows].max())]) for rows in order.chunk(groups)]
    return torch.cat(parts)[order.argsort()]
