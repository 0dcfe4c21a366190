"""One vector for the place that a picture shows, from its local descriptors: what is compared before they are.

Descriptors are assigned to the nearest of K words; the sums of differences to each word (VLAD), each scaled to length
1 and square-rooted, are laid on the axes in which pictures of a training split differ most. Where in the picture a
descriptor lies plays no part, so that shift, scale and small rotations change little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WORDS: Final = 32
AXES: Final = 256
WHITENING: Final = 0.25
"""Power of the variance that axes are divided by: between plain (0) and all axes alike (0.5)."""
_ROUNDS: Final = 25
_SAMPLE: Final = 60_000


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaceCodebook:
    """What place vectors are made with.

    Attributes:
        words: (K, D) float32.
        mean: (K x D,) float32, of the training pictures.
        axes: (K x D, A) float32, scaled.
    """

    words: NDArray[np.float32]
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    def vectors(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Local descriptors to place vectors.

        Args:
            described: (N, M, D) float32; rows of zeros are left out.

        Returns:
            (N, A) float32 unit rows; zeros for a picture without any descriptor.
        """
        sums = summed(described, self.words)
        found = (sums - self.mean) @ self.axes
        found[~sums.any(axis=1)] = 0
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)


def summed(described: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised VLAD. (N, M, D) -> (N, K x D) float32 unit rows, or zeros.

    Example:
        Two words; the first is met exactly, so that nothing is left of it, the second by (0, 3), two above it:

        >>> words = np.array([[1, 0], [0, 1]], np.float32)
        >>> summed(np.array([[[1, 0], [0, 3], [0, 0]]], np.float32), words).tolist()
        [[0.0, 0.0, 0.0, 1.0]]
    """
    count, size = len(described), words.size
    result = np.zeros((count, size), np.float32)
    offset = np.square(words).sum(axis=1)
    for row, all_places in enumerate(described):
        local = all_places[all_places.any(axis=1)]
        if not len(local):
            continue
        nearest = np.argmax(2 * local @ words.T - offset, axis=1)
        mine = np.zeros((len(local), len(words)), np.float32)
        mine[np.arange(len(local)), nearest] = 1
        sums = mine.T @ local - mine.sum(axis=0)[:, None] * words
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        flat = sums.ravel()
        rooted = np.sign(flat) * np.sqrt(np.abs(flat))
        result[row] = rooted / max(float(np.linalg.norm(rooted)), 1e-12)
    return result


def fit_codebook(
    described: NDArray[np.floating], *, words: int = WORDS, axes: int = AXES, seed: int = 0
) -> PlaceCodebook:
    """Words by k-means, axes by principal components, of pictures of a training split.

    Args:
        described: (N, M, D), at least as many pictures as axes, or there are fewer axes.
        words: K.
        axes: A at most.
        seed: Of what is drawn.
    """
    generator = np.random.default_rng(seed)
    flat = described.reshape(-1, described.shape[2])
    flat = flat[flat.any(axis=1)]
    sample = np.asarray(flat[generator.permutation(len(flat))[:_SAMPLE]], np.float32)
    found = _means(sample, words, generator)
    sums = np.concatenate(
        [summed(np.asarray(described[at : at + 64], np.float32), found) for at in range(0, len(described), 64)]
    )
    mean = sums.mean(axis=0)
    variance, directions = np.linalg.eigh(np.cov((sums - mean).T.astype(np.float64)))
    kept = np.argsort(-variance)[: min(axes, len(sums) - 1, sums.shape[1])]
    scale = np.maximum(variance[kept], 1e-9) ** WHITENING
    return PlaceCodebook(words=found, mean=mean, axes=np.asarray(directions[:, kept] / scale, np.float32))


def _means(sample: NDArray[np.float32], count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Lloyd's k-means from drawn rows; a word that nothing is nearest to stays where it is."""
    words = sample[generator.permutation(len(sample))[:count]].copy()
    for _ in range(_ROUNDS):
        nearest = np.argmax(2 * sample @ words.T - np.square(words).sum(axis=1), axis=1)
        sums = np.zeros_like(words)
        np.add.at(sums, nearest, sample)
        many = np.bincount(nearest, minlength=len(words))
        met = many > 0
        words[met] = sums[met] / many[met, None]
    return words
