"""The two transformers of CLIP (Radford et al. 2021).

Vision: patches (or the cells of a backbone's last map) -> tokens, a class token in front, pre-norm blocks.
Text: sub-words, causal pre-norm blocks. Block: h <- h + Attention(LN(h)); h <- h + MLP(LN(h)), QuickGELU or GELU.

Names of parameters follow the checkpoints that open_clip writes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.core.errors import UsageError
from geoglot.nn.pooling import masked_mean
from geoglot.nn.two_tower import Pyramid

CLIP_VOCABULARY = 49_408
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)

Adapter = Callable[[Tensor], Tensor]
"""What a block adds beside its perceptron: (B, L, D) -> (B, L, D)."""


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """Sizes of both towers; the defaults are CLIP ViT-B/32.

    Attributes:
        vision: ``patches`` of the pixels, or ``cells`` of the last map of any backbone.
        channels: Widths of the backbone's stages, for ``cells``.
        image_size: Side in pixels that the table of positions is made for; other sides interpolate it.
        patch: Side of a patch in pixels.
        vision_layers: Blocks of the vision side; 0 is allowed for ``cells``.
        text: ``clip``, or ``xlm-roberta`` for the multilingual tower.
        vocabulary: Token ids, 0 = padding.
        max_length: Longest text in tokens.
        text_hidden: Width of the perceptrons of ``xlm-roberta``.
        dimension: Size of the shared space.
        quick_gelu: x * sigmoid(1.702 x), as OpenAI's weights need it, instead of GELU.
        pool: ``gap`` averages the tokens and leaves the class token out; ``cls_eot`` takes the class token and the
            end-of-text token.
        gap_over: Text tokens that are averaged: the ``valid`` ones, or ``all77`` with the padding.
        text_projection: Whether the text side is projected; its matrix is kept, but frozen, where it is not.
        markers: Whether texts stand between a start and an end token; ``None``: CLIP's own vocabulary has them.
        causal: Whether a text token sees only those before it.
        dropout: On the outputs of attention and perceptron, in training.
        temperature: Where the learnt temperature starts.
        mask_duplicates: Leave out of the loss the pairs whose texts are the same sentence or whose images are the
            same; without it they count as negatives, as in the papers.
    """

    vision: Literal["patches", "cells"] = "patches"
    channels: tuple[int, ...] = (64, 128, 256, 512)
    image_size: int = 224
    patch: int = 32
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    text: Literal["clip", "xlm-roberta"] = "clip"
    vocabulary: int = CLIP_VOCABULARY
    max_length: int = 77
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    text_hidden: int = 3072
    dimension: int = 512
    quick_gelu: bool = True
    pool: Literal["gap", "cls_eot"] = "cls_eot"
    gap_over: Literal["valid", "all77"] = "valid"
    text_projection: bool = True
    markers: bool | None = None
    causal: bool = True
    dropout: float = 0.0
    temperature: float = 0.07
    mask_duplicates: bool = False

    @property
    def has_markers(self) -> bool:
        """Whether texts carry a start and an end token."""
        return self.vocabulary == CLIP_VOCABULARY if self.markers is None else self.markers


SAME_START: Mapping[str, Any] = {
    "vision": "cells",
    "vision_width": 128,
    "vision_layers": 1,
    "vision_heads": 4,
    "text_width": 256,
    "text_layers": 1,
    "text_heads": 4,
    "max_length": 32,
    "dimension": 256,
    "quick_gelu": False,
    "dropout": 0.1,
}
"""Sizes for the race in which every method starts from the same convolutional backbone and no outside weights."""


class Perceptron(nn.Module):
    """Two layers with QuickGELU, x * sigmoid(1.702 x), or GELU between. (..., D) -> (..., D)."""

    def __init__(self, width: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.quick_gelu = quick_gelu
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        hidden = self.c_fc(features)
        hidden = hidden * torch.sigmoid(1.702 * hidden) if self.quick_gelu else F.gelu(hidden)
        out: Tensor = self.c_proj(hidden)
        return out


class SelfAttention(nn.Module):
    """Multi-head self-attention with one matrix for query, key and value. (B, L, D) -> (B, L, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise UsageError(f"{heads} heads", cause=f"do not divide the width {width}", remedy="choose a divisor")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, features: Tensor, mask: Tensor | None, maps: list[Tensor] | None) -> Tensor:
        """(B, L, D) -> (B, L, D).

        Args:
            features: Tokens.
            mask: (L, L) or (B, 1, L, L) bool, True where row attends to column; ``None``: everywhere.
            maps: If a list, the weights (B, heads, L, L) are appended to it.
        """
        batch, length, width = features.shape
        qkv = F.linear(features, self.in_proj_weight, self.in_proj_bias)
        query, key, value = qkv.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if maps is None:
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            logits = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
            weights = (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(-1)
            maps.append(weights)
            attended = weights @ value
        out: Tensor = self.out_proj(attended.transpose(1, 2).reshape(batch, length, width))
        return out


class ClipBlock(nn.Module):
    """One pre-norm block. (B, L, D) -> (B, L, D)."""

    def __init__(self, width: int, heads: int, *, quick_gelu: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, quick_gelu=quick_gelu)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, features: Tensor, mask: Tensor | None, maps: list[Tensor] | None, adapter: Adapter | None
    ) -> Tensor:
        """Attention, then the perceptron and, beside it, the adapter, which reads the features before their norm."""
        features = features + self.dropout(self.attn(self.ln_1(features), mask, maps))
        out: Tensor = features + self.dropout(self.mlp(self.ln_2(features)))
        return out if adapter is None else out + adapter(features)


class ClipTransformer(nn.Module):
    """A stack of blocks, initialised as CLIP's."""

    def __init__(self, width: int, layers: int, heads: int, *, quick_gelu: bool, dropout: float = 0.0) -> None:
        super().__init__()
        blocks = [ClipBlock(width, heads, quick_gelu=quick_gelu, dropout=dropout) for _ in range(layers)]
        self.resblocks = nn.ModuleList(blocks)
        outer = width**-0.5 * (2 * max(layers, 1)) ** -0.5
        for block in blocks:
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=outer)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=outer)
            for layer in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
                nn.init.zeros_(layer.bias)

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        *,
        maps: list[Tensor] | None = None,
        adapter: Adapter | None = None,
    ) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        for block in self.resblocks:
            features = block(features, mask, maps, adapter)
        return features


class VisionTransformer(nn.Module):
    """Patches or cells to tokens to one vector."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.vision_width
        self.cells = config.vision == "cells"
        self.pool = config.pool
        self.patch = config.patch
        self.class_token = not self.cells or config.pool == "cls_eot"
        if self.class_token:
            self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
        if self.cells:
            self.embed = nn.Linear(config.channels[-1], width)
        else:
            self.grid = config.image_size // config.patch
            self.positional_embedding = nn.Parameter(width**-0.5 * torch.randn(self.grid**2 + 1, width))
            self.conv1 = nn.Conv2d(3, width, config.patch, config.patch, bias=False)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = ClipTransformer(
            width, config.vision_layers, config.vision_heads, quick_gelu=config.quick_gelu, dropout=config.dropout
        )
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(width**-0.5 * torch.randn(width, config.dimension))
        self.register_buffer("mean", torch.tensor(CLIP_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(CLIP_DEVIATION)[:, None, None], persistent=False)

    def embeddings(self, images: Tensor | Pyramid) -> Tensor:
        """Pixels (B, 3, H, W) in [0, 1] or a pyramid -> tokens before the blocks (B, [1 +] N, width)."""
        if self.cells:
            tokens = self.embed(images[-1].flatten(2).transpose(1, 2))
        else:
            assert isinstance(images, Tensor)  # noqa: S101 (tells mypy what image_input promises)
            features = self.conv1((images - self.mean) / self.deviation)
            tokens = features.flatten(2).transpose(1, 2)
            rows, columns = _grid(features)
        if self.class_token:
            first = self.class_embedding.expand(tokens.shape[0], 1, -1)
            tokens = torch.cat([first, tokens], 1)
        if not self.cells:
            tokens = tokens + resized_positions(self.positional_embedding, self.grid, rows, columns)
        out: Tensor = self.ln_pre(tokens)
        return out

    def tokens(self, embeddings: Tensor, *, maps: list[Tensor] | None = None, adapter: Adapter | None = None) -> Tensor:
        """(B, [1 +] N, width) -> the same shape, after all blocks and the last norm."""
        out: Tensor = self.ln_post(self.transformer(embeddings, maps=maps, adapter=adapter))
        return out

    def pooled(self, tokens: Tensor) -> Tensor:
        """(B, [1 +] N, width) -> (B, D), not normalised."""
        if self.pool == "cls_eot":
            return tokens[:, 0] @ self.proj
        return tokens[:, int(self.class_token) :].mean(1) @ self.proj


def resized_positions(positions: Tensor, side: int, rows: int, columns: int) -> Tensor:
    """A table of positions for another grid: the class token's row stays, the others are interpolated.

    Args:
        positions: (1 + side * side, D), the class token's first.
        side: Of the square grid that the table is for.
        rows: Of the new grid.
        columns: Of the new grid.

    Returns:
        (1 + rows * columns, D).

    Example:
        >>> resized_positions(torch.zeros(1 + 7 * 7, 4), 7, 8, 6).shape
        torch.Size([49, 4])
    """
    if (rows, columns) == (side, side):
        return positions
    grid = positions[1:].T.reshape(1, -1, side, side)
    grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], grid.flatten(2)[0].T])


def _grid(features: Tensor) -> tuple[int, int]:
    with warnings.catch_warnings():
        # An exported network has one image size: that its trace keeps these two numbers is meant.
        warnings.simplefilter("ignore")
        return int(features.shape[2]), int(features.shape[3])


class CausalText(nn.Module):
    """CLIP's text transformer."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.text_width
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(config.max_length, width))
        self.transformer = ClipTransformer(
            width, config.text_layers, config.text_heads, quick_gelu=config.quick_gelu, dropout=config.dropout
        )
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(width**-0.5 * torch.randn(width, config.dimension))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        if not config.text_projection:
            if width != config.dimension:
                remedy = "set text_projection, or give both the same size"
                raise UsageError(f"text_width {width}", cause=f"is not the dimension {config.dimension}", remedy=remedy)
            self.text_projection.requires_grad = False

    def prepared(self, tokens: Tensor) -> Tensor:
        """Tokens, padded to the full length where the average runs over the padding too."""
        if self.config.gap_over == "valid":
            return tokens
        length = self.config.max_length
        return torch.cat([tokens, tokens.new_zeros(tokens.shape[0], length)], 1)[:, :length]

    def embeddings(self, tokens: Tensor) -> Tensor:
        """(T, L) int64 -> (T, L, width) before the blocks."""
        out: Tensor = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        return out

    def tokens(
        self,
        embeddings: Tensor,
        tokens: Tensor,
        *,
        maps: list[Tensor] | None = None,
        adapter: Adapter | None = None,
    ) -> Tensor:
        """(T, L, width) -> the same shape, after all blocks and the last norm."""
        features = self.transformer(embeddings, self.mask(tokens), maps=maps, adapter=adapter)
        out: Tensor = self.ln_final(features)
        return out

    def mask(self, tokens: Tensor) -> Tensor:
        """Who sees whom: everything before and itself, or all real tokens. (L, L) or (T, 1, L, L) bool."""
        position = torch.arange(tokens.shape[1], device=tokens.device)
        if self.config.causal:
            return position[None, :] <= position[:, None]
        real = position <= self.end(tokens)[:, None]
        itself = position[None, :] == position[:, None]
        return real[:, None, None, :] | itself

    def end(self, tokens: Tensor) -> Tensor:
        """Position of the last real token, or of the end token where the vocabulary is CLIP's. (T, L) -> (T,).

        CLIP's end token has the largest id. An empty text ends at 0.
        """
        if self.config.vocabulary == CLIP_VOCABULARY and self.config.has_markers:
            return tokens.argmax(1)
        position = torch.arange(tokens.shape[1], device=tokens.device)
        return ((tokens != 0) * position).amax(1)

    def valid(self, tokens: Tensor) -> Tensor:
        """The tokens that are averaged: neither start nor end nor padding; the last one of a text without any."""
        position = torch.arange(tokens.shape[1], device=tokens.device)
        end = self.end(tokens)[:, None]
        if self.config.gap_over == "all77":
            return (position >= int(self.config.has_markers)).expand(tokens.shape)
        if not self.config.has_markers:
            return position <= end
        return ((position >= 1) & (position < end)) | ((position == end) & (end <= 1))

    def pooled(self, features: Tensor, tokens: Tensor) -> Tensor:
        """(T, L, width), (T, L) -> (T, D), not normalised."""
        if self.config.pool == "cls_eot":
            place = self.end(tokens)[:, None, None].expand(-1, 1, features.shape[2])
            vectors = features.gather(1, place)[:, 0]
        else:
            vectors = masked_mean(features, self.valid(tokens))
        return vectors @ self.text_projection if self.config.text_projection else vectors
