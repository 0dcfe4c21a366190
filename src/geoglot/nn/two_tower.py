"""The two shapes of an image-text retrieval method.

A method turns images and texts into *features*, tuples of tensors whose first axis runs over the images or the texts,
and features of both sides into a score for every pair. In a two-tower method the features are one unit vector and the
score is their inner product; in a scorer (cross-attention, tensor fusion) they can be anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

from geoglot.nn.batch import PairBatch

Features = tuple[Tensor, ...]
Pyramid = tuple[Tensor, ...]
"""Maps of a backbone's stages, finest first: (B, C_k, H_k, W_k) each."""

ImageInput = Literal["pixels", "pyramid"]


class RetrievalModel(nn.Module, ABC):
    """What training, evaluation and explanation ask of every image-text retrieval method.

    Attributes:
        image_input: What ``image_features`` takes: ``pixels``, (B, 3, H, W) float32 in [0, 1], or ``pyramid``, the
            stage maps of any backbone. Set by ``__init__`` where the configuration decides.
    """

    image_input: ImageInput = "pyramid"

    @abstractmethod
    def image_features(self, images: Tensor | Pyramid) -> Features:
        """Images to features, each with first axis B; the same for an image whatever stands beside it."""

    @abstractmethod
    def text_features(self, tokens: Tensor) -> Features:
        """(T, L) int64 tokens, 0 = padding, to features, each with first axis T; independent of the padding."""

    @abstractmethod
    def similarity(self, images: Features, texts: Features) -> Tensor:
        """Scores of every image with every text, higher is better. -> (B, T)."""

    @abstractmethod
    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """``total``, a scalar that training minimises, and its terms, one value per sample: (B,) or (T,)."""


class TwoTower(RetrievalModel):
    """A method whose two sides meet only in an inner product: it can be indexed."""

    @abstractmethod
    def encode_image(self, images: Tensor | Pyramid) -> Tensor:
        """Images to unit rows (B, D)."""

    @abstractmethod
    def encode_text(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> unit rows (T, D)."""

    def image_features(self, images: Tensor | Pyramid) -> Features:
        """The unit row of each image."""
        return (self.encode_image(images),)

    def text_features(self, tokens: Tensor) -> Features:
        """The unit row of each text."""
        return (self.encode_text(tokens),)

    def similarity(self, images: Features, texts: Features) -> Tensor:
        """Cosines. ((B, D),), ((T, D),) -> (B, T)."""
        return images[0] @ texts[0].T


def batch_images(model: RetrievalModel, batch: PairBatch) -> Tensor | Pyramid:
    """The part of a batch that a model takes as its images."""
    return batch.images if model.image_input == "pixels" else batch.pyramid
