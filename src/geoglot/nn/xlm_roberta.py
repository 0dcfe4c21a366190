"""The text tower of multilingual CLIP models: XLM-RoBERTa (Conneau et al. 2020), mean over tokens, projection.

Post-norm blocks: h <- LN(h + Attention(h)); h <- LN(h + MLP(h)), GELU. Names of parameters follow the checkpoints
that open_clip writes for its XLM-R models (``text.transformer.*``, ``text.proj.*``).

Token ids: XLM-R pads with 1 and starts with 0. Everywhere in this package 0 is padding, so ids 0 and 1 change places
on the way in; :class:`geoglot.text.clip_tokens.MultilingualTokenizer` makes the same exchange on its way out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.pooling import masked_mean

if TYPE_CHECKING:
    from geoglot.nn.clip import Adapter, ClipConfig

PADDING_ID = 1
"""XLM-R's own id of padding; positions of real tokens count from the next number on."""
EXTRA_POSITIONS = PADDING_ID + 1


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.self = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps=1e-5)})


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention = _Attention(width)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.output = nn.ModuleDict({"dense": nn.Linear(hidden, width), "LayerNorm": nn.LayerNorm(width, eps=1e-5)})
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, mask: Tensor, maps: list[Tensor] | None, adapter: Adapter | None) -> Tensor:
        batch, length, width = features.shape
        query, key, value = (
            self.attention.self[name](features).view(batch, length, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        if maps is None:
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            logits = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
            weights = logits.masked_fill(~mask, -torch.inf).softmax(-1)
            maps.append(weights)
            attended = weights @ value
        joined = self.attention.output["dense"](attended.transpose(1, 2).reshape(batch, length, width))
        features = self.attention.output["LayerNorm"](features + self.dropout(joined))
        added = self.dropout(self.output["dense"](F.gelu(self.intermediate["dense"](features))))
        if adapter is not None:
            added = added + adapter(features)
        out: Tensor = self.output["LayerNorm"](features + added)
        return out


class _Embeddings(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.text_width
        self.word_embeddings = nn.Embedding(config.vocabulary, width)
        positions = config.max_length + EXTRA_POSITIONS
        self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(1, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, tokens: Tensor) -> Tensor:
        real = (tokens != 0).to(tokens.dtype)
        position = real.cumsum(1) * real + PADDING_ID
        features = self.word_embeddings(exchanged(tokens)) + self.position_embeddings(position)
        out: Tensor = self.LayerNorm(features + self.token_type_embeddings.weight[0])
        return out


class _Layers(nn.Module):
    def __init__(self, layers: list[_Layer]) -> None:
        super().__init__()
        self.layer = nn.ModuleList(layers)


class _Encoder(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.text_width
        self.embeddings = _Embeddings(config)
        layers = [
            _Layer(width, config.text_heads, config.text_hidden, dropout=config.dropout)
            for _ in range(config.text_layers)
        ]
        self.encoder = _Layers(layers)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)


class MultilingualText(nn.Module):
    """XLM-RoBERTa and a projection of two matrices, with the same methods as CLIP's own text tower."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.transformer = _Encoder(config)
        hidden = (config.text_width + config.dimension) // 2
        self.proj = nn.Sequential(
            nn.Linear(config.text_width, hidden, bias=False),
            nn.GELU(),
            nn.Linear(hidden, config.dimension, bias=False),
        )

    def prepared(self, tokens: Tensor) -> Tensor:
        """The tokens as they are."""
        return tokens

    def embeddings(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, L, width) before the blocks."""
        out: Tensor = self.transformer.embeddings(tokens)
        return out

    def tokens(
        self,
        embeddings: Tensor,
        tokens: Tensor,
        *,
        maps: list[Tensor] | None = None,
        adapter: Adapter | None = None,
    ) -> Tensor:
        """(T, L, width) -> the same shape, after all blocks."""
        position = torch.arange(tokens.shape[1], device=tokens.device)
        itself = position[None, :] == position[:, None]  # an empty text attends to its padding, not to nothing
        mask = (tokens != 0)[:, None, None, :] | itself
        for layer in self.transformer.encoder.layer:
            embeddings = layer(embeddings, mask, maps, adapter)
        return embeddings

    def pooled(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Mean over the real tokens, projected. (T, L, width), (T, L) -> (T, D), not normalised."""
        out: Tensor = self.proj(masked_mean(features, tokens != 0))
        return out


def exchanged(tokens: Tensor) -> Tensor:
    """Ids 0 and 1 change places; doing it twice changes nothing.

    Example:
        >>> exchanged(torch.tensor([1, 7, 2, 0]))
        tensor([0, 7, 2, 1])
    """
    return torch.where(tokens < 2, 1 - tokens, tokens)
