"""Texts seen through an image: three gates of AMFMN (Yuan et al. 2022), each a text vector per image-text pair.

    soft        u_ij = sigmoid(W v_i) * t_j
    fusion      u_ij = sigmoid(W_1 [v_i; t_j]) * (W_2 [v_i; t_j])
    similarity  u_ij = sigmoid((W_v v_i) * (W_t t_j)) * (W_t t_j)

    s_ij = cos(v_i, u_ij)

A linear map of a concatenation is the sum of two linear maps, so nothing but the gate itself is computed per pair; the
soft gate's cosines are two matrix products.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.two_tower import Features

Attention = Literal["soft", "fusion", "similarity"]
VALUES_PER_BLOCK = 1 << 20
"""Values of u that are held together: pairs are scored block by block, which stays in the processor's cache."""


def soft_cosines(images: Tensor, gates: Tensor, texts: Tensor) -> Tensor:
    """cos(v_i, g_i * t_j) for unit v. (B, D), (B, D), (T, D) -> (B, T).

    Example:
        v = (0.6, 0.8), g = (0.5, 1), t = (2, 1): u = (1, 1), cosine 1.4 / sqrt 2

        >>> soft_cosines(torch.tensor([[0.6, 0.8]]), torch.tensor([[0.5, 1.0]]), torch.tensor([[2.0, 1.0]]))
        tensor([[0.9899]])
    """
    squares = (gates.square() @ texts.square().T).clamp(min=1e-12)
    return (images * gates) @ texts.T / squares.sqrt()


def pair_cosines(images: Tensor, pairs: Tensor) -> Tensor:
    """cos(v_i, u_ij) for unit v. (B, D), (B, T, D) -> (B, T)."""
    products = torch.einsum("bd,btd->bt", images, pairs)
    return products / pairs.square().sum(2).clamp(min=1e-12).sqrt()


class SoftGuidance(nn.Module):
    """The image alone decides which entries of a text count."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)

    def image_part(self, images: Tensor) -> Features:
        """(B, D) -> gates (B, D)."""
        return (torch.sigmoid(self.gate(images)),)

    def text_part(self, texts: Tensor) -> Features:
        """(T, D) as it is."""
        return (texts,)

    def pairs(self, images: Features, texts: Features) -> Tensor:
        """Texts as the images see them. -> (B, T, D)."""
        return images[0][:, None] * texts[0]


class FusionGuidance(nn.Module):
    """Gate and value from both sides together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.value = nn.Linear(2 * width, width)

    def image_part(self, images: Tensor) -> Features:
        """The image's share of gate and value, biases included: (B, D) each."""
        width = images.shape[1]
        return tuple(F.linear(images, layer.weight[:, :width], layer.bias) for layer in (self.gate, self.value))

    def text_part(self, texts: Tensor) -> Features:
        """The text's share of gate and value: (T, D) each."""
        width = texts.shape[1]
        return tuple(F.linear(texts, layer.weight[:, width:]) for layer in (self.gate, self.value))

    def pairs(self, images: Features, texts: Features) -> Tensor:
        """Texts as the images see them. -> (B, T, D)."""
        return torch.sigmoid(images[0][:, None] + texts[0]) * (images[1][:, None] + texts[1])


class SimilarityGuidance(nn.Module):
    """Entries count where both sides agree."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.image = nn.Linear(width, width)
        self.text = nn.Linear(width, width)

    def image_part(self, images: Tensor) -> Features:
        """W_v v. -> (B, D)."""
        return (self.image(images),)

    def text_part(self, texts: Tensor) -> Features:
        """W_t t. -> (T, D)."""
        return (self.text(texts),)

    def pairs(self, images: Features, texts: Features) -> Tensor:
        """Texts as the images see them. -> (B, T, D)."""
        return torch.sigmoid(images[0][:, None] * texts[0]) * texts[0]


Guidance = SoftGuidance | FusionGuidance | SimilarityGuidance


def guidance(attention: Attention, width: int) -> Guidance:
    """The gate of that name for vectors of that width."""
    kinds: dict[Attention, type[Guidance]] = {
        "soft": SoftGuidance,
        "fusion": FusionGuidance,
        "similarity": SimilarityGuidance,
    }
    return kinds[attention](width)


def rows_per_block(texts: Tensor) -> int:
    """How many images to score together against these texts. (T, D)."""
    return max(1, VALUES_PER_BLOCK // max(1, texts.numel()))
