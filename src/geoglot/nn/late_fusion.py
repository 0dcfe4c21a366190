"""Late fusion: pixels and phrases meet in one inner product, so that a picture serves any number of phrases."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geoglot.nn.pixel_features import pooled_evidence
from geoglot.nn.segmenter import Segmenter, resized


def phrase_logits(features: Tensor, phrases: Tensor) -> Tensor:
    """<f, v> + b of every picture with every phrase. (B, D, h, w), (P, D + 1) -> (B, P, h, w)."""
    vectors, offsets = phrases[:, :-1], phrases[:, -1]
    return torch.einsum("bdhw,pd->bphw", features, vectors) + offsets[None, :, None, None]


def mask_losses(logits: Tensor, masks: Tensor, known: Tensor) -> dict[str, Tensor]:
    """Cross-entropy and overlap over the known pixels.

    Args:
        logits: (M, H, W).
        masks: (M, H, W) bool.
        known: (M, H, W) bool, False where nobody knows.

    Returns:
        ``mask`` and ``overlap``, (M,).
    """
    weight = known.to(logits.dtype)
    target = masks.to(logits.dtype) * weight
    entropy = F.binary_cross_entropy_with_logits(logits, masks.to(logits.dtype), reduction="none") * weight
    probability = logits.sigmoid() * weight
    both = (probability * target).flatten(1).sum(1)
    each = (probability + target).flatten(1).sum(1)
    return {
        "mask": entropy.flatten(1).sum(1) / weight.flatten(1).sum(1).clamp(min=1),
        "overlap": 1 - (2 * both + 1) / (each + 1),
    }


def caption_losses(logits: Tensor, present: Tensor, sharpness: float) -> Tensor:
    """Cross-entropy of what whole pictures speak for, present and absent phrases weighing the same.

    Args:
        logits: (B, P, h, w) of B pictures and P phrases.
        present: (B, P) float32: 1 where a picture shows what the phrase says, 0 where not, nan where nobody knows.
        sharpness: Of the soft maximum.

    Returns:
        (B,).
    """
    known = ~present.isnan()
    target = present.nan_to_num(0.0)
    entropy = F.binary_cross_entropy_with_logits(pooled_evidence(logits, sharpness), target, reduction="none")
    there, absent = known & (target > 0.5), known & (target <= 0.5)
    sums = [(entropy * part).sum(1) / part.sum(1).clamp(min=1) for part in (there, absent)]
    return (sums[0] + sums[1]) / 2


class LateFusion(Segmenter):
    """A segmenter whose two sides do not look at each other before their inner product.

    Attributes:
        config: Has ``dimension``, ``max_length``, ``sharpness`` and ``dice_weight`` beside the method's own settings.
        backbone: Image network.
        pyramid: From its stages to features.
        text: Text network.
        head: From its vectors to phrases.
    """

    config: Any
    backbone: nn.Module
    pyramid: nn.Module
    text: nn.Module
    head: nn.Module

    @abstractmethod
    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> features (B, D, H / 4, W / 4)."""

    @abstractmethod
    def encode_text(self, tokens: Tensor) -> Tensor:
        """(P, L) int64, 0 = padding -> (P, D + 1), the offset last."""

    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """(B, 3, H, W), (B, L) -> (B, H, W)."""
        features, phrases = self.encode_image(images), self.encode_text(tokens)
        maps = torch.einsum("bdhw,bd->bhw", features, phrases[:, :-1]) + phrases[:, -1, None, None]
        return resized(maps[:, None], images.shape[2:])[:, 0]
