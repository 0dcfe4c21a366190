"""The shape of a matching method: what of an image is computed once, and what of a pair is computed for each pair."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Matcher(nn.Module, ABC):
    """Says whether two images show the same kind of place.

    The way of an image: pixels -> ``encode`` -> features, which may be cached -> ``left`` and ``right``, the parts of
    the comparison that need one image alone -> ``compare``, the part that needs both. Q queries against N images cost
    Q + N times the first, and Q x N times the last alone.

    Attributes:
        side: Side of the pictures, in pixels.
        feature_shape: (C, H, W) of an image's features; a vector of C numbers is (C, 1, 1).
        symmetric: Whether :meth:`match` averages both orders of a pair.
    """

    side: int
    feature_shape: tuple[int, int, int]
    symmetric: bool = True

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) float32 in [0, 1] -> features (B, C, H, W)."""

    @abstractmethod
    def left(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> what a comparison takes of the first image of a pair, (B, ...)."""

    @abstractmethod
    def right(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> what a comparison takes of the second image of a pair, (B, ...)."""

    @abstractmethod
    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (P, ...) -> (P,) logits: the higher, the surer that the pair matches; 0 is even odds."""

    @abstractmethod
    def pair_losses(self, first: Tensor, second: Tensor, same: Tensor) -> dict[str, Tensor]:
        """Loss of P pairs.

        Args:
            first: (P, C, H, W) features of the first images.
            second: (P, C, H, W) features of the second images.
            same: (P,) bool.

        Returns:
            ``total``, a scalar, and its terms, one value per pair, (P,).
        """

    def match(self, first: Tensor, second: Tensor) -> Tensor:
        """Two (P, C, H, W) -> (P,) probabilities in [0, 1]; the mean of both orders where ``symmetric``."""
        forward = torch.sigmoid(self.compare(self.left(first), self.right(second)))
        if not self.symmetric:
            return forward
        return (forward + torch.sigmoid(self.compare(self.left(second), self.right(first)))) / 2


class Autoencoding(ABC):
    """A matcher whose encoder learns without labels, by restoring its own input."""

    @abstractmethod
    def decode(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) -> images (B, 3, side, side) in [0, 1]."""

    @abstractmethod
    def reconstruction_losses(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, side, side) -> ``total``, a scalar, and ``reconstruction``, (B,)."""
