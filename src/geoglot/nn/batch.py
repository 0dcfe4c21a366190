"""What a training step of image-text retrieval receives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """B images and T texts with their correspondence.

    Attributes:
        images: (B, 3, H, W) float in [0, 1] (slightly outside after colour changes); (B, 0) where only the pyramid is
            given.
        pyramid: Stage maps of a backbone for methods that start from one, finest first: (B, C_k, H_k, W_k) each.
        progress: Share of the training that is done, in [0, 1].
        partners: (B,) int64, the image whose rectangle each image carries; ``None`` where none does.
        own_area: Share of each image's area that is its own, in [0, 1].
        items: (B,) int64, position of each image in the training set.
        tokens: (T, L) int64 token ids, 0 = padding; text i < B describes image i.
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
    pyramid: tuple[Tensor, ...] = ()
    progress: float = 1.0
    partners: Tensor | None = None
    own_area: float = 1.0
