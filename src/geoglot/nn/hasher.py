"""The shape of a hashing method: frozen features of both sides to binary codes of one length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geoglot.nn.hashing import signs


@dataclass(frozen=True, kw_only=True)
class HashBatch:
    """M image-caption pairs as standardised features.

    Attributes:
        images: (M, D_image) features of the images.
        image_views: (M, D_image) features of their augmented views.
        texts: (M, D_text) features of the captions.
        text_views: (M, D_text) features of their augmented captions.
        items: (M,) int64, position of each pair in the training set.
        categories: (M,) int64 scene category of the image.
    """

    images: Tensor
    image_views: Tensor
    texts: Tensor
    text_views: Tensor
    items: Tensor
    categories: Tensor


class Hasher(nn.Module, ABC):
    """What training, evaluation and export ask of every hashing method.

    Attributes:
        bits: Length of a code.
    """

    bits: int

    @abstractmethod
    def hash_image(self, features: Tensor) -> Tensor:
        """(M, D_image) -> (M, bits) in [-1, 1]; in evaluation independent of the other rows."""

    @abstractmethod
    def hash_text(self, features: Tensor) -> Tensor:
        """(M, D_text) -> (M, bits) in [-1, 1]; in evaluation independent of the other rows."""

    @abstractmethod
    def losses(self, batch: HashBatch) -> dict[str, Tensor]:
        """``total``, a scalar, and its terms, one value per pair, (M,).

        A method with a second network returns the scalar ``adversary`` as well, which that network's optimiser
        minimises; it must not reach the hash networks.
        """

    @torch.no_grad()
    def image_codes(self, features: Tensor) -> Tensor:
        """(M, D_image) -> (M, bits) in {-1, +1}."""
        return signs(self.hash_image(features))

    @torch.no_grad()
    def text_codes(self, features: Tensor) -> Tensor:
        """(M, D_text) -> (M, bits) in {-1, +1}."""
        return signs(self.hash_text(features))

    def start_epoch(self, epoch: int) -> None:
        """Called before the first batch of every epoch, counted from 0."""

    def clean_only(self, epoch: int) -> bool:
        """Whether an epoch draws from the pairs that are known to be right alone."""
        return False

    def adversary_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that the loss ``adversary`` trains, and ``total`` does not."""
        return ()
