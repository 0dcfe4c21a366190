"""The shape of a referring segmentation method: a picture and a phrase in, a map of what the phrase means out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SegmentationBatch", "Segmenter", "cross_entropy", "foreground", "resized", "sigmoid_cross_entropy"]


@dataclass(frozen=True, kw_only=True)
class SegmentationBatch:
    """B pictures, a phrase for each, and what the phrase means in it.

    Attributes:
        images: (B, 3, H, W) float32, RGB in [0, 1].
        tokens: (B, L) int64, padded on the right with 0.
        masks: (B, H, W) bool, True where the phrase's objects are; all False where there are none.
    """

    images: Tensor
    tokens: Tensor
    masks: Tensor


class Segmenter(nn.Module, ABC):
    """Marks the pixels that a phrase speaks of.

    A method of two classes, whose network ends in background and foreground, gives their difference as its logits
    (:func:`foreground`) and learns by :func:`cross_entropy`; one of a single map by :func:`sigmoid_cross_entropy`.
    One whose paper has rules of its own for weight decay or learning rates offers ``parameter_groups()``, see
    :func:`geoglot.engine.optimisers.parameter_groups`.

    Attributes:
        idle: Prefixes of parameters that the paper's network has although they cannot change a mask; their gradient
            is absent or 0.
    """

    idle: tuple[str, ...] = ()

    @abstractmethod
    def logits(self, images: Tensor, tokens: Tensor) -> Tensor:
        """What speaks for the foreground in every pixel.

        Args:
            images: (B, 3, H, W) float32, RGB in [0, 1].
            tokens: (B, L) int64, 0 = padding.

        Returns:
            (B, H, W) float32; above 0 is foreground, and the sigmoid is its probability.
        """

    @abstractmethod
    def losses(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """``total``, a scalar, and its terms, one value per phrase, (B,)."""

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Called before the first batch of every epoch, counted from 0."""


def foreground(logits: Tensor) -> Tensor:
    """Two classes to one map: (B, 2, H, W), background first -> (B, H, W).

    The sigmoid of the difference is the softmax of the second class: e^b / (e^a + e^b) = 1 / (1 + e^(a - b)).

    Example:
        >>> foreground(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)).item()
        2.0
    """
    return logits[:, 1] - logits[:, 0]


def resized(maps: Tensor, size: Sequence[int], *, align_corners: bool = False) -> Tensor:
    """Bilinear interpolation, left out where nothing changes. (B, C, h, w) -> (B, C, *size)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=align_corners)


def cross_entropy(logits: Tensor, masks: Tensor, weights: Sequence[float] = (1.0, 1.0)) -> dict[str, Tensor]:
    """Class-weighted cross-entropy of two classes.

    Args:
        logits: (B, 2, H, W), background first.
        masks: (B, H, W) bool.
        weights: Of background and foreground.

    Returns:
        ``total``, the weighted mean over all pixels of the batch, and ``mask``, (B,), that over the pixels of each
        image. With unequal weights the mean of the second is not quite the first.

    Example:
        >>> losses = cross_entropy(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool), (0.9, 1.1))
        >>> round(losses["total"].item(), 4)  # ln 2
        0.6931
    """
    weight = torch.where(masks, weights[1], weights[0]).to(logits.dtype)
    loss = F.cross_entropy(logits, masks.long(), reduction="none") * weight
    return {
        "total": loss.sum() / weight.sum(),
        "mask": loss.flatten(1).sum(1) / weight.flatten(1).sum(1),
    }


def sigmoid_cross_entropy(logits: Tensor, masks: Tensor, *, foreground_weight: float = 1.0) -> dict[str, Tensor]:
    """Cross-entropy of the sigmoid, its mean over the pixels.

    Args:
        logits: (B, H, W).
        masks: (B, H, W) bool.
        foreground_weight: What an error in the foreground counts; one in the background counts 1.

    Returns:
        ``total`` and ``mask``, (B,).
    """
    loss = F.binary_cross_entropy_with_logits(logits, masks.to(logits.dtype), reduction="none")
    term = (loss * torch.where(masks, foreground_weight, 1.0)).flatten(1).mean(1)
    return {"total": term.mean(), "mask": term}
