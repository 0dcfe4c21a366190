"""A segmenter bundle: the features of a picture once, and what any number of phrases mean in it.

Late fusion: an image network gives every fourth pixel D numbers, a text network gives a phrase D numbers and an
offset, and the probability that a pixel is meant is the sigmoid of their inner product. What a phrase costs on top of
the picture is that product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.models.bundle import BATCH, IMAGE, TEXT, BundleFolder, open_network, read_manifest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

STRIDE: Final = 4
"""Pixels of a window per feature, in each direction."""
SHIPPED_SEGMENTER: Final = "segmenter"
"""Name of the bundle that ships with the package."""
_WINDOWS: Final = 4
"""Windows of one forward pass: maps at a stride of 4 are large."""


@dataclass(frozen=True)
class SegmenterBundle(BundleFolder):
    """Pixel features and phrase vectors, run by ONNX Runtime. Windows may have any size that is a multiple of 32."""

    @property
    def dimension(self) -> int:
        """Size D of a feature."""
        return int(self.manifest["dimension"])

    @property
    def gsd_m(self) -> float | None:
        """Ground sample distance of the training pictures in metres per pixel, ``None`` where it is not known."""
        value = self.manifest.get("gsd_m")
        return None if value is None else float(value)

    @cached_property
    def _image_session(self) -> InferenceSession:
        return open_network(self.read(IMAGE), self.threads)

    @cached_property
    def _text_session(self) -> InferenceSession:
        return open_network(self.read(TEXT), 1)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the phrases are compared with.

        Args:
            pixels: (N, H, W, 3) uint8 RGB, H and W multiples of 32; ``side`` is what the network was trained for.

        Returns:
            (N, D, H // 4, W // 4) float32.

        Raises:
            BundleError: The array has another shape or type.
        """
        height, width = pixels.shape[1:3]
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or height % 32 or width % 32:
            cause = f"wants uint8 (N, H, W, 3) with sides that are multiples of 32, got {pixels.dtype} {pixels.shape}"
            raise BundleError(self.id, cause=cause, remedy="pad the windows")
        out = np.empty((len(pixels), self.dimension, height // STRIDE, width // STRIDE), np.float32)
        for start in range(0, len(pixels), _WINDOWS):
            part = pixels[start : start + _WINDOWS]
            out[start : start + len(part)] = self._image_session.run(None, {"pixels": part})[0]
        return out

    def phrases(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Phrases of any of the languages as vectors: (P, D + 1) float32, the offset last."""
        parts = [
            self._text_session.run(None, {"tokens": self.tokenizer.encode(texts[start : start + BATCH])})[0]
            for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension + 1), np.float32)

    def scores(self, features: NDArray[np.float32], phrases: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability that a pixel is meant.

        Args:
            features: (N, D, h, w) float32.
            phrases: (P, D + 1) float32.

        Returns:
            (N, P, h, w) float32 in [0, 1].
        """
        return phrase_scores(features, phrases)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of a phrase that were in no training phrase or caption, in their order."""
        known = self.known_words
        return () if known is None else known.unknown(text)


def phrase_scores(features: NDArray[np.float32], phrases: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sigmoid of the inner products of features and phrases.

    Args:
        features: (N, D, h, w) float32.
        phrases: (P, D + 1) float32, the offset last.

    Returns:
        (N, P, h, w) float32 in [0, 1].

    Example:
        >>> features = np.array([1.0, 2.0], np.float32).reshape(1, 2, 1, 1)
        >>> phrases = np.array([[2.0, -1.0, 0.0], [0.0, 1.0, 100.0]], np.float32)
        >>> phrase_scores(features, phrases).ravel().tolist()  # 2 - 2 + 0 = 0, and 2 + 100
        [0.5, 1.0]
    """
    count, dimension, height, width = features.shape
    logits = np.matmul(phrases[:, :dimension], features.reshape(count, dimension, height * width))
    logits += phrases[:, dimension:]
    # The sigmoid by tanh: no overflow, whatever the logits.
    probability = np.tanh(logits * 0.5, out=logits)
    probability += 1
    probability *= 0.5
    return np.asarray(probability.reshape(count, len(phrases), height, width), np.float32)


def load_segmenter(name_or_path: str | Path = SHIPPED_SEGMENTER, *, threads: int = 0) -> SegmenterBundle:
    """Open a segmenter bundle, by the shipped name or its folder. The networks are loaded on first use.

    Raises:
        BundleError: There is no such bundle, it is of a newer format, or of another kind.

    Example:
        >>> load_segmenter("place")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: place: is a place bundle, not a segmenter. Remedy: give 'segmenter', or a folder that 'geoglot export' wrote from such a run.
    """  # noqa: E501 (one message, one line)
    folder, manifest, sha256 = read_manifest(name_or_path)
    bundle = SegmenterBundle(folder, manifest, sha256, threads)
    if bundle.kind != "segmenter":
        remedy = "give 'segmenter', or a folder that 'geoglot export' wrote from such a run"
        raise BundleError(name_or_path, cause=f"is a {bundle.kind} bundle, not a segmenter", remedy=remedy)
    return bundle
