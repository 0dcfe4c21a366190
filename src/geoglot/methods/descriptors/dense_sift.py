"""Dense SIFT: gradient histograms on a regular grid, aggregated as VLAD or as a Fisher vector.

Paper        D. Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004; H. Jegou et al., Aggregating
             Local Descriptors into a Compact Image Representation, CVPR 2010 (VLAD); F. Perronnin, J. Sanchez,
             T. Mensink, Improving the Fisher Kernel for Large-Scale Image Classification, ECCV 2010; compared with by
             P. Napoletano, Visual descriptors for content-based retrieval of remote-sensing images, IJRS 2018
Input        a picture of any size, resized to side x side, grey
Output       VLAD: words x projected numbers, 256 x 100 = 25,600; Fisher vector: 2 x words x projected,
             2 x 256 x 80 = 40,960
Equations    upright SIFT (4 x 4 cells, 8 orientations) every ``step`` pixels                -> local_descriptors
             VLAD    v_k = sum of x - c_k over the x whose nearest word is c_k               -> vlad
             Fisher  g_k over the means and standard deviations of a diagonal Gaussian
                     mixture, q_k(x) the share of Gaussian k in x                            -> fisher_vector
             sign(v) |v|^power, then v / |v|                                                 -> power_normalised
Deviations   1. The published sizes, 25,600 and 40,960, fit 256 words with 100 and 80 principal components, which is
                how they are read here; a codebook of 1,024 words with 128-d SIFT would give neither.
             2. Grid step and cell sizes are not published: every 8 pixels, cells of 4 and 8 pixels.
             3. OpenCV's SIFT is for points; a grid of upright ones is a dense SIFT. It blurs all sizes alike (1.6 px).
Reproduces   the dense SIFT rows of the published tables, as far as grid and codebook are theirs
Provenance   OpenCV's SIFT, scikit-learn's k-means, PCA and Gaussian mixture; aggregation written from the equations
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.core.descriptor import Descriptor, Pictures, checked, fitted, needs_extra
from geoglot.core.errors import DataError, UsageError
from geoglot.core.method import MethodCard
from geoglot.geo.resample import to_square

METHOD = MethodCard(
    title="Dense SIFT (VLAD or Fisher vector)",
    paper="Lowe, SIFT, IJCV 2004; Jegou et al., VLAD, CVPR 2010; Perronnin et al., Fisher vector, ECCV 2010",
    kind="descriptor",
    variants=("vlad", "fisher"),
    counted="numbers fitted on training pictures: projection and codebook",
)
WIDTH = 128
"""Length of a SIFT descriptor."""
DIAMETER = 3.0
"""A cell of OpenCV's SIFT is 1.5 times the point's diameter wide: the diameter is cell x 2 / 3."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes.

    Attributes:
        aggregation: ``vlad`` or ``fisher``.
        words: Words of the codebook, or Gaussians of the mixture.
        projected: Principal components kept of a SIFT; ``None``: 100 for VLAD, 80 for a Fisher vector.
        whiten: Whether principal components are scaled to variance 1.
        side: Side that pictures are resized to, pixels.
        step: Distance of grid points, pixels.
        cells: Widths of the 4 x 4 cells of a descriptor, pixels; each makes a grid.
        power: Exponent of the power normalisation; 1 leaves it out.
        intra: Whether the part of each word is scaled to length 1 before the whole is (VLAD).
        samples: Local descriptors that the codebook is fitted on, spread evenly over the pictures.
        rounds: Steps of the mixture's expectation maximisation at most.
        seed: Of the sample and of k-means.
    """

    aggregation: Literal["vlad", "fisher"] = "vlad"
    words: int = 256
    projected: int | None = None
    whiten: bool = False
    side: int = 256
    step: int = 8
    cells: tuple[int, ...] = (4, 8)
    power: float = 0.5
    intra: bool = False
    samples: int = 100_000
    rounds: int = 40
    seed: int = 0

    @property
    def components(self) -> int:
        """Principal components kept."""
        return self.projected or {"vlad": 100, "fisher": 80}[self.aggregation]

    @property
    def dimension(self) -> int:
        """Length of a picture's vector.

        Example:
            >>> Config().dimension, Config(aggregation="fisher").dimension
            (25600, 40960)
        """
        return self.words * self.components * {"vlad": 1, "fisher": 2}[self.aggregation]


def grid(side: int, cell: int, step: int) -> NDArray[np.float32]:
    """Centres of the patches of 4 x 4 cells that lie inside a square, row by row.

    Returns:
        (P, 2) float32, x and y in pixels, centred in the square.

    Example:
        >>> grid(32, 4, 8)[:, 0].tolist()
        [8.0, 16.0, 24.0, 8.0, 16.0, 24.0, 8.0, 16.0, 24.0]
    """
    room = side - 4 * cell
    if room < 0:
        raise UsageError(f"cells of {cell}", cause=f"need {4 * cell} pixels, the side is {side}", remedy="choose fewer")
    places = np.arange(0, room + 1, step, dtype=np.float32)
    places += 2 * cell + (room - places[-1]) // 2
    return np.asarray(np.stack(np.meshgrid(places, places), -1).reshape(-1, 2), np.float32)


def local_descriptors(grey: NDArray[np.uint8], cells: tuple[int, ...], step: int) -> NDArray[np.float32]:
    """Upright SIFT on the grids of all cell widths.

    Args:
        grey: (S, S).
        cells: Widths of the cells, pixels.
        step: Distance of grid points, pixels.

    Returns:
        (P, 128) float32, of length 1 but for the rounding of OpenCV; zeros where there is no gradient.
    """
    with needs_extra("descriptors"):
        import cv2

    points = [
        cv2.KeyPoint(float(x), float(y), 2 / DIAMETER * cell, 0.0)
        for cell in cells
        for x, y in grid(len(grey), cell, step)
    ]
    kept, found = cv2.SIFT_create().compute(np.ascontiguousarray(grey), points)
    if len(kept) != len(points):
        raise UsageError("dense_sift", cause="points of the grid went missing", remedy="choose other cells or step")
    return np.asarray(found / 512, np.float32)


def vlad(local: NDArray[np.float32], words: NDArray[np.float32], *, intra: bool = False) -> NDArray[np.float32]:
    """Sums of the differences to the nearest word.

    Args:
        local: (P, D) local descriptors.
        words: (K, D).
        intra: Scale the part of each word to length 1.

    Returns:
        (K x D,) float32, not normalised as a whole.

    Example:
        >>> vlad(np.float32([[1, 0], [3, 0], [10, 1]]), np.float32([[1, 0], [9, 0]])).tolist()
        [2.0, 0.0, 1.0, 1.0]
    """
    nearest = np.argmin(np.square(words).sum(1) - 2 * (local @ words.T), axis=1)
    mine = np.zeros((len(words), len(local)), local.dtype)
    mine[nearest, np.arange(len(local))] = 1
    sums = mine @ local - mine.sum(1, keepdims=True) * words
    if intra:
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return np.asarray(sums.ravel(), np.float32)


def shares(
    local: NDArray[np.float32],
    weights: NDArray[np.float32],
    means: NDArray[np.float32],
    variances: NDArray[np.float32],
) -> NDArray[np.float32]:
    """How much of each descriptor belongs to each Gaussian of a diagonal mixture.

    Args:
        local: (P, D).
        weights: (K,), sum 1.
        means: (K, D).
        variances: (K, D), above 0.

    Returns:
        (P, K) float32, rows sum to 1.

    Example:
        >>> one = np.float32([[1.0]])
        >>> shares(0 * one, np.float32([0.5, 0.5]), np.float32([[1], [-1]]), np.float32([[1], [1]])).tolist()
        [[0.5, 0.5]]
    """
    precisions = 1 / variances
    constant = np.log(weights) - 0.5 * (np.log(variances).sum(1) + (np.square(means) * precisions).sum(1))
    logits = constant - 0.5 * np.square(local) @ precisions.T + local @ (means * precisions).T
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True), np.float32)


def fisher_vector(
    local: NDArray[np.float32],
    weights: NDArray[np.float32],
    means: NDArray[np.float32],
    variances: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Gradients of the mixture's log-likelihood, scaled by the Fisher information.

    Over the means,      sum of q_k(x) (x - m_k) / s_k           / (P sqrt(w_k));
    over the deviations, sum of q_k(x) ((x - m_k)^2 / s_k^2 - 1) / (P sqrt(2 w_k)).

    Args:
        local: (P, D).
        weights: (K,), sum 1.
        means: (K, D).
        variances: (K, D), above 0.

    Returns:
        (2 x K x D,) float32, all means first; not normalised.

    Example:
        >>> one = np.float32([[1.0]])
        >>> fisher_vector(np.float32([[3.0]]), one[0], one, 4 * one).round(4).tolist()  # (3 - 1) / 2, (1 - 1) / sqrt 2
        [1.0, 0.0]
    """
    mine = shares(local, weights, means, variances)
    mass = mine.sum(0)[:, None]
    first, second = mine.T @ local, mine.T @ np.square(local)
    deviations = np.sqrt(variances)
    over_means = (first - mass * means) / deviations
    over_deviations = (second - 2 * means * first + mass * np.square(means)) / variances - mass
    scale = len(local) * np.sqrt(weights)[:, None]
    return np.concatenate([(over_means / scale).ravel(), (over_deviations / (scale * np.sqrt(2))).ravel()]).astype(
        np.float32
    )


def power_normalised(vector: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """sign(v) |v|^power, scaled to length 1; zeros stay zeros.

    Example:
        >>> [round(float(number), 3) for number in power_normalised(np.float32([9, -16]), 0.5)]  # 3 and -4, / 5
        [0.6, -0.8]
    """
    raised = np.sign(vector) * np.abs(vector) ** power
    return np.asarray(raised / max(float(np.linalg.norm(raised)), 1e-12), np.float32)


class Model(Descriptor):
    """Projection and codebook.

    Args:
        config: Sizes.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.dimension = self.config.dimension
        self._learned: dict[str, NDArray[np.float32]] = {}

    def fit(self, images: Pictures) -> None:
        """Fit projection and codebook on local descriptors sampled from these pictures.

        Raises:
            DataError: The pictures have fewer local descriptors than the codebook has words or components.
        """
        with needs_extra("descriptors"):
            from sklearn.decomposition import PCA

        config, random = self.config, np.random.default_rng(self.config.seed)
        share = -(-config.samples // max(1, len(images)))
        drawn = []
        for row in range(len(images)):
            local = self._local(checked(images[row], row))
            local = local[local.any(1)]
            drawn.append(local[np.sort(random.permutation(len(local))[:share])])
        sample = np.concatenate(drawn) if drawn else np.empty((0, WIDTH), np.float32)
        if len(sample) < max(config.words, config.components):
            cause = f"have {len(sample)} local descriptors with a gradient, for {config.words} words"
            raise DataError(f"{len(images)} pictures", cause=cause, remedy="fit on more pictures, or with fewer words")
        projection = PCA(config.components, svd_solver="covariance_eigh").fit(sample)
        scale = np.sqrt(np.maximum(projection.explained_variance_, 1e-8)) if config.whiten else 1.0
        learned = {"mean": projection.mean_, "projection": projection.components_.T / scale}
        projected = (sample - learned["mean"]) @ learned["projection"]
        learned.update(self._codebook(np.asarray(projected, np.float32)))
        self._learned = {name: np.asarray(array, np.float32) for name, array in learned.items()}

    def _codebook(self, sample: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Words of k-means, or the mixture that expectation maximisation makes of them."""
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        config = self.config
        with warnings.catch_warnings():
            # Repeated descriptors make fewer clusters than words, and the rounds may be spent: neither is an error.
            warnings.simplefilter("ignore", ConvergenceWarning)
            means = MiniBatchKMeans(config.words, batch_size=4096, n_init=1, random_state=config.seed).fit(sample)
            if config.aggregation == "vlad":
                return {"words": means.cluster_centers_}
            mixture = GaussianMixture(
                config.words,
                covariance_type="diag",
                means_init=means.cluster_centers_,
                init_params="random_from_data",
                max_iter=config.rounds,
                reg_covar=1e-4,
                random_state=config.seed,
            ).fit(sample)
        return {"weights": mixture.weights_, "words": mixture.means_, "variances": mixture.covariances_}

    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> (N, D) float32 of length 1."""
        if not self._learned:
            raise UsageError("dense_sift", cause="has no codebook yet", remedy="fit it on training pictures first")
        return np.stack([self._aggregate(self._local(picture)) for picture in pictures])

    def _local(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        from PIL import Image

        grey = np.asarray(Image.fromarray(to_square(picture, self.config.side)).convert("L"))
        return local_descriptors(grey, self.config.cells, self.config.step)

    def _aggregate(self, local: NDArray[np.float32]) -> NDArray[np.float32]:
        config, learned = self.config, self._learned
        projected = np.asarray((local - learned["mean"]) @ learned["projection"], np.float32)
        if config.aggregation == "vlad":
            vector = vlad(projected, learned["words"], intra=config.intra)
        else:
            vector = fisher_vector(projected, learned["weights"], learned["words"], learned["variances"])
        return power_normalised(vector, config.power)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """``mean``, ``projection``, ``words``, and of a mixture ``weights`` and ``variances``."""
        return {name: array.copy() for name, array in self._learned.items()}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over projection and codebook."""
        words, kept = self.config.words, self.config.components
        shapes: dict[str, tuple[int, ...]] = {"mean": (WIDTH,), "projection": (WIDTH, kept), "words": (words, kept)}
        if self.config.aggregation == "fisher":
            shapes.update(weights=(words,), variances=(words, kept))
        self._learned = fitted(state, shapes)


SMALL: dict[str, Any] = {"words": 4, "projected": 6, "side": 48, "cells": (4, 6), "samples": 400, "rounds": 5}
"""Sizes at which the contract tests run in a moment."""
SMALL_VARIANTS: dict[str, dict[str, Any]] = {
    "vlad": {},
    "intra": {"intra": True, "whiten": True},
    "fisher": {"aggregation": "fisher"},
}
"""Configurations that the contract tests run beside each other."""


def paper_parameters(variant: str = "vlad") -> int:
    """Numbers that a fit learns: mean and projection of SIFT, words or Gaussians.

    Example:
        >>> paper_parameters("vlad"), paper_parameters("fisher")  # 128 + 12,800 + 25,600; 128 + 10,240 + 256 x 161
        (38528, 51584)
    """
    if variant == "vlad":
        config = Config(aggregation="vlad")
        return WIDTH + WIDTH * config.components + config.words * config.components
    config = Config(aggregation="fisher")
    return WIDTH + WIDTH * config.components + config.words * (2 * config.components + 1)
