"""Attention rollout: how much every input token reaches every output token through a stack of attention layers.

Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020. A layer passes on half of what it attends to
and, by its residual connection, half of what each token held before; layers follow each other, so their maps multiply.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from geoglot.core.errors import GeoglotError, UsageError

Query = Literal["mean"] | int
"""Whose view is asked for: the mean over the pooled tokens (global average pooling), or one token (a class or end
token), by position."""

RESIDUAL = 0.5
PAPER_LAYERS = 5
"""Layers 8 to 12 of 12."""


def first_layer_of(layers: int) -> int:
    """Where the rollout begins in a stack of another depth than the paper's 12: its last five layers. Counts from 1.

    Example:
        >>> first_layer_of(12), first_layer_of(3)
        (8, 1)
    """
    return max(1, layers - PAPER_LAYERS + 1)


def layer_flow(attention: Tensor, *, residual: float = RESIDUAL) -> Tensor:
    """A_l = residual * I + (1 - residual) * mean over heads, every row brought to sum one.

    Args:
        attention: (B, heads, N, N) attention weights; row i holds what token i looks at.
        residual: Share of the residual connection, in [0, 1].

    Returns:
        (B, N, N) float32.

    Raises:
        GeoglotError: The shape is another, or a row has no weight to normalise.

    Example:
        >>> layer_flow(torch.tensor([[[[0.5, 0.5], [0.0, 1.0]]]]))[0].tolist()
        [[0.75, 0.25], [0.0, 1.0]]
    """
    if attention.ndim != 4 or attention.shape[-1] != attention.shape[-2]:
        cause = f"has shape {tuple(attention.shape)}, not (B, heads, N, N)"
        raise GeoglotError("attention", cause=cause, remedy="return the softmax weights of every head")
    mean = attention.float().mean(1)
    flow = (1 - residual) * mean + residual * torch.eye(mean.shape[-1], device=mean.device)
    return _rows_to_one(flow)


def rollout(attentions: Sequence[Tensor], *, first_layer: int | None = None, residual: float = RESIDUAL) -> Tensor:
    """A_L ... A_(k+1) A_k, from layer k to the last.

    Args:
        attentions: One (B, heads, N, N) map per layer, the first layer first.
        first_layer: k, counted from 1; by default 8 of 12, and the last five layers of other stacks.
        residual: As for :func:`layer_flow`.

    Returns:
        (B, N, N) float32, rows sum to one: row i says how much of token i after the last layer comes from each token
        before layer k. Causal maps give a causal result.

    Raises:
        UsageError: There is no such layer.
    """
    first = first_layer_of(len(attentions)) if first_layer is None else first_layer
    if not 1 <= first <= len(attentions):
        remedy = f"choose 1 to {len(attentions)}" if attentions else "return the attention of every layer"
        raise UsageError(f"layer {first}", cause=f"is none of the {len(attentions)} layers", remedy=remedy)
    total = layer_flow(attentions[first - 1], residual=residual)
    for attention in attentions[first:]:
        total = layer_flow(attention, residual=residual) @ total
    return total


def relevance(flow: Tensor, *, kept: Tensor, query: Query = "mean") -> Tensor:
    """What the pooled output draws from each kept token.

    Args:
        flow: (B, N, N) of :func:`rollout`.
        kept: (B, N) bool; the tokens that carry content. Columns of the others (padding, start, class) are dropped and
            the rest is brought to sum one; with ``query="mean"`` the kept tokens are also the rows that are averaged.
        query: ``"mean"``, or the position of one token whose row is taken (negative counts from the end).

    Returns:
        (B, N) float32, zero outside ``kept``, rows sum to one.

    Raises:
        GeoglotError: A row keeps no token, or what it keeps has no weight.

    Example:
        >>> flow = torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]]])
        >>> relevance(flow, kept=torch.tensor([[False, True, True]]))  # (0.5 + 0.2) / 2 and 0.6 / 2: as 7 to 6
        tensor([[0.0000, 0.5385, 0.4615]])
    """
    weights = kept.to(flow.dtype)
    if not bool(kept.any(1).all()):
        raise GeoglotError("rollout", cause="keeps no token", remedy="keep at least one word or patch")
    seen = (weights[:, None] @ flow)[:, 0] if query == "mean" else flow[:, query]
    return _rows_to_one(seen * weights)


def patch_grid(tokens: int) -> tuple[int, int]:
    """Side of the square grid of patches, and how many extra tokens (a class token) stand before them.

    Example:
        >>> patch_grid(50), patch_grid(49)
        ((7, 1), (7, 0))
    """
    side = math.isqrt(tokens)
    return side, tokens - side * side


def image_relevance(
    attentions: Sequence[Tensor], *, first_layer: int | None = None, query: Query = "mean", residual: float = RESIDUAL
) -> Tensor:
    """Where an image encoder looks: one weight per patch. -> (B, G, G), each sums to one.

    Args:
        attentions: (B, heads, N, N) per layer, N a square of patches, a class token and the like before them.
        first_layer: As for :func:`rollout`.
        query: ``"mean"`` for global average pooling over the patches, 0 for the class token.
        residual: As for :func:`layer_flow`.
    """
    flow = rollout(attentions, first_layer=first_layer, residual=residual)
    side, extra = patch_grid(flow.shape[-1])
    kept = torch.ones(flow.shape[:2], dtype=torch.bool, device=flow.device)
    kept[:, :extra] = False
    return relevance(flow, kept=kept, query=query)[:, extra:].reshape(-1, side, side)


def _rows_to_one(rows: Tensor) -> Tensor:
    total = rows.sum(-1, keepdim=True)
    if not bool((total > 0).all()):
        raise GeoglotError("attention", cause="has a row without weight, or NaN", remedy="check the model's weights")
    return rows / total
