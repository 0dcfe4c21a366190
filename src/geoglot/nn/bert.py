"""BERT (Devlin et al. 2019) and its multilingual kin as encoders of words: token ids to one vector per token.

Post-norm blocks: h <- LN(h + Attention(h)); h <- LN(h + MLP(h)), GELU. Names of parameters are those of the published
checkpoints, without the prefix ``bert.`` or ``roberta.``; :func:`bert_weights` makes them so. The pooler is left out:
nothing here asks for the sentence's own vector.

XLM-R pads with 1, counts positions from 2 and has one segment; ``padding=1`` says so. Everywhere in this package 0 is
padding: ids 0 and 1 of such a model change places on the way in, as in :mod:`geoglot.nn.xlm_roberta`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.xlm_roberta import exchanged


@dataclass(frozen=True, kw_only=True)
class BertSizes:
    """Sizes of an encoder; the defaults are BERT-base, English, lower case.

    Attributes:
        vocabulary: Number of token ids.
        width: Width of a token's vector.
        layers: Blocks.
        heads: Attention heads.
        hidden: Width of the inner layer of a block's perceptron.
        positions: Rows of the position table.
        segments: Rows of the segment table; all tokens are of the first.
        padding: Id of padding in the published vocabulary: 0 of BERT, 1 of XLM-R.
        epsilon: Of the layer norms.
        dropout: While training, everywhere.
    """

    vocabulary: int = 30_522
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    positions: int = 512
    segments: int = 2
    padding: int = 0
    epsilon: float = 1e-12
    dropout: float = 0.1


XLM_ROBERTA_BASE = BertSizes(vocabulary=250_002, positions=514, segments=1, padding=1, epsilon=1e-5)


class Bert(nn.Module):
    """Token ids to one vector per token.

    Args:
        sizes: See there.

    Example:
        >>> sizes = BertSizes(vocabulary=50, width=8, layers=1, heads=2, hidden=16, positions=10)
        >>> Bert(sizes).eval()(torch.tensor([[7, 9, 0], [8, 0, 0]])).shape
        torch.Size([2, 3, 8])
    """

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embeddings = _Embeddings(sizes)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(_Layer(sizes) for _ in range(sizes.layers))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64, 0 = padding -> (B, L, width); vectors of padding say nothing, but are not 0."""
        position = torch.arange(tokens.shape[1], device=tokens.device)
        itself = position[None, :] == position[:, None]  # an empty text attends to its padding, not to nothing
        mask = (tokens != 0)[:, None, None, :] | itself
        features: Tensor = self.embeddings(tokens)
        for layer in self.encoder.get_submodule("layer").children():
            features = layer(features, mask)
        return features

    def freeze(self, trained_layers: int) -> None:
        """Let only the first layers learn: embeddings and later layers stay as they are."""
        self.embeddings.requires_grad_(False)
        layers = list(self.encoder.get_submodule("layer").children())
        for layer in layers[trained_layers:]:
            layer.requires_grad_(False)


class _Embeddings(nn.Module):
    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.padding = sizes.padding
        self.word_embeddings = nn.Embedding(sizes.vocabulary, sizes.width)
        self.position_embeddings = nn.Embedding(sizes.positions, sizes.width)
        self.token_type_embeddings = nn.Embedding(sizes.segments, sizes.width)
        self.LayerNorm = nn.LayerNorm(sizes.width, eps=sizes.epsilon)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.padding:
            real = (tokens != 0).to(tokens.dtype)
            position = real.cumsum(1) * real + self.padding
            words = self.word_embeddings(exchanged(tokens))
        else:
            position = torch.arange(tokens.shape[1], device=tokens.device)
            words = self.word_embeddings(tokens)
        features = words + self.position_embeddings(position) + self.token_type_embeddings.weight[0]
        out: Tensor = self.dropout(self.LayerNorm(features))
        return out


class _Joined(nn.Module):
    """A matrix, and the norm of its result and what was there before."""

    def __init__(self, inputs: int, sizes: BertSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, sizes.width)
        self.LayerNorm = nn.LayerNorm(sizes.width, eps=sizes.epsilon)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, change: Tensor, before: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(before + self.dropout(self.dense(change)))
        return out


class _Attention(nn.Module):
    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.self = nn.ModuleDict({name: nn.Linear(sizes.width, sizes.width) for name in ("query", "key", "value")})
        self.output = _Joined(sizes.width, sizes)


class _Layer(nn.Module):
    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.attention = _Attention(sizes)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(sizes.width, sizes.hidden)})
        self.output = _Joined(sizes.hidden, sizes)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = features.shape
        query, key, value = (
            self.attention.self[name](features).view(batch, length, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        logits = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
        weights = self.dropout(logits.masked_fill(~mask, -torch.inf).softmax(-1))
        features = self.attention.output((weights @ value).transpose(1, 2).reshape(batch, length, width), features)
        out: Tensor = self.output(F.gelu(self.intermediate["dense"](features)), features)
        return out


def bert_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors under the names of :class:`Bert`: prefix off, old names of norms new, heads left out.

    Example:
        >>> sorted(bert_weights({"bert.embeddings.LayerNorm.gamma": torch.ones(2), "cls.bias": torch.ones(3),
        ...                      "bert.pooler.dense.bias": torch.ones(2)}))
        ['embeddings.LayerNorm.weight']
    """
    found = {}
    for name, tensor in tensors.items():
        for prefix in ("bert.", "roberta."):
            name = name.removeprefix(prefix)
        if not name.startswith(("embeddings.", "encoder.")) or name.endswith(("position_ids", "token_type_ids")):
            continue
        found[name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")] = tensor
    return found
