"""What a training step of image-text retrieval receives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """B images and T texts with their correspondence.

    Attributes:
        images: (B, 3, H, W) float in [0, 1] (slightly outside after colour changes).
        items: (B,) int64, position of each image in the training set.
        tokens: (T, L) int64 token ids, 0 = padding.
        sentences: (T,) int64, which sentence each text is, whatever its language.
        translations: (P, 2) int64, rows of ``tokens`` that say the same: (any language, English).
        categories: (B,) int64 scene category.
        words: (B, W) float in {0, 1}, which frequent words the captions of an image use.
    """

    images: Tensor
    items: Tensor
    tokens: Tensor
    sentences: Tensor
    translations: Tensor
    categories: Tensor
    words: Tensor
