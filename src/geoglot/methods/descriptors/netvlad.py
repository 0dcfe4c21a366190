"""NetVLAD: soft-assigned residuals of VGG-16's last maps, then whitened principal components.

Paper        R. Arandjelovic, P. Gronat, A. Torii, T. Pajdla, J. Sivic, NetVLAD: CNN Architecture for Weakly Supervised
             Place Recognition, CVPR 2016
Input        a picture of any size, resized to side x side, ImageNet's mean and deviation
Output       ``projected`` numbers (4,096), of length 1; zeros beyond the number of fitted pictures - 1
Equations    x: VGG-16's last convolution before its ReLU, scaled to length 1 at each place
             a_k(x) = exp(w_k x + b_k) / sum over j of the same                     -> soft_assignment
             V_k = sum over x of a_k(x) (x - c_k), each V_k to length 1, then all  -> net_vlad
             initial w_k = 2 alpha c_k, b_k = -alpha |c_k|^2                        -> assignment_of
             PCA with whitening, then length 1                                      -> Model.vectors
Deviations   1. Without published weights of the layer (``clusters``), words come from k-means over the fitted pictures,
                as the paper initialises them; nothing is trained by place.
             2. alpha is set so that the nearest word gets ``sharpness`` times the share of the second, in the median.
             3. The projection is fitted on the given pictures, in place of the paper's own; so it cannot have more
                components than there are pictures; the numbers beyond are zero, which changes no distance.
Reproduces   the NetVLAD rows of the published tables as far as the weights are theirs
Provenance   Written from the paper's equations; scikit-learn's k-means and PCA
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.descriptor import Pictures, checked, fitted, needs_extra
from geoglot.core.errors import DataError, UsageError
from geoglot.core.method import MethodCard
from geoglot.nn.network_descriptor import NetworkDescriptor, read_weights, with_weights
from geoglot.nn.vgg import VGG16, WIDTHS, published_weights

METHOD = MethodCard(
    title="NetVLAD",
    paper="Arandjelovic et al., NetVLAD, CVPR 2016",
    kind="descriptor",
    counted="convolutions, and the layer of 64 words; without the projection, which is fitted",
)
LAYER = ("words", "assignment", "bias")
"""Tensors of the layer, of K words of length D: (K, D), (K, D), (K,)."""

ROUNDING = 1e-4
"""Standard deviation below which a direction holds nothing."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Weights and sizes.

    Attributes:
        weights: Of VGG-16: a ``.safetensors`` file, ``timm:NAME``, or ``untrained``.
        clusters: A ``.safetensors`` file with the layer's ``words``, ``assignment`` and ``bias``; empty: fit them.
        words: Number of words.
        projected: Length of a vector: principal components kept at most.
        side: Side that pictures are resized to, pixels.
        widths: Channels of VGG-16's five blocks.
        sharpness: How much more the nearest word gets than the second, in the median.
        samples: Places that the words are fitted on.
        seed: Of the sample and of k-means.
    """

    weights: str = "timm:vgg16.tv_in1k"
    clusters: str = ""
    words: int = 64
    projected: int = 4096
    side: int = 224
    widths: tuple[int, ...] = WIDTHS
    sharpness: float = 100.0
    samples: int = 50_000
    seed: int = 0


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every row scaled to length 1; zeros stay zeros. (..., D) -> same."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12), np.float32)


def assignment_of(words: NDArray[np.float32], alpha: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias with which the assignment is a softmax of -alpha |x - c_k|^2. (K, D) -> (K, D), (K,).

    Example:
        >>> assignment_of(np.float32([[3, 4]]), 0.5)
        (array([[3., 4.]], dtype=float32), array([-12.5], dtype=float32))
    """
    return np.asarray(2 * alpha * words, np.float32), np.asarray(-alpha * np.square(words).sum(1), np.float32)


def soft_assignment(
    local: NDArray[np.float32], assignment: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Shares of the words in each place. (P, D), (K, D), (K,) -> (P, K), rows sum to 1."""
    logits = local @ assignment.T + bias
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True), np.float32)


def net_vlad(
    local: NDArray[np.float32],
    words: NDArray[np.float32],
    assignment: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Soft-assigned residuals of one picture's places, of length 1 per word and as a whole. (P, D) -> (K x D,).

    Example:
        >>> words = np.float32([[0, 0], [0, 9]])
        >>> far = assignment_of(words, 100.0)
        >>> found = net_vlad(np.float32([[3, 4], [1, 9]]), words, *far)  # (3, 4) / 5 and (1, 0), / sqrt 2
        >>> [round(float(number), 3) for number in found]
        [0.424, 0.566, 0.707, 0.0]
    """
    shares = soft_assignment(local, assignment, bias)
    sums = shares.T @ local - shares.sum(0)[:, None] * words
    return unit_rows(unit_rows(np.asarray(sums, np.float32)).ravel())


class Model(NetworkDescriptor):
    """VGG-16's convolutions, the layer and the projection.

    Raises:
        UsageError: The weights need a package that is not installed.
        DataError: The weights cannot be had or do not fit.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config = config or Config()
        network = with_weights(
            lambda: VGG16(config.widths, 1).features,
            config.weights,
            published=lambda tensors: {
                name.removeprefix("features."): tensor for name, tensor in published_weights(tensors).items()
            },
            beyond=("classifier.",),
        )
        assert isinstance(network, torch.nn.Sequential)  # noqa: S101 (for mypy)
        super().__init__(network[:-2], dimension=config.projected, side=config.side, batch=8)
        self._learned: dict[str, NDArray[np.float32]] = {}

    def fit(self, images: Pictures) -> None:
        """Fit the words, unless they were given, and the projection, on these pictures.

        Raises:
            DataError: There are fewer than two pictures, or fewer places than words.
        """
        with needs_extra("descriptors"):
            from sklearn.decomposition import PCA

        if len(images) < 2:
            raise DataError(f"{len(images)} pictures", cause="are too few for a projection", remedy="give more")
        layer = self._given_layer() if self.config.clusters else self._fitted_layer(images)
        whole = np.stack([net_vlad(places, *layer) for places in self._places(images)])
        kept = min(self.config.projected, len(images) - 1, whole.shape[1])
        projection = PCA(kept, svd_solver="full").fit(whole)
        # Vectors have length 1: what deviates less is rounding, and whitening would make it as loud as the rest.
        matrix = projection.components_.T / np.maximum(np.sqrt(projection.explained_variance_), ROUNDING)
        learned = dict(zip(LAYER, layer, strict=True)) | {"mean": projection.mean_, "projection": matrix}
        self._learned = {name: np.asarray(array, np.float32) for name, array in learned.items()}

    def _fitted_layer(self, images: Pictures) -> tuple[NDArray[np.float32], ...]:
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning

        config, random = self.config, np.random.default_rng(self.config.seed)
        share = -(-config.samples // len(images))
        sample = np.concatenate([places[random.permutation(len(places))[:share]] for places in self._places(images)])
        if len(sample) < config.words or config.words < 2:
            cause = f"have {len(sample)} places, for {config.words} words"
            raise DataError(f"{len(images)} pictures", cause=cause, remedy="fit on more pictures, with 2 words or more")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # repeated places make fewer clusters than words
            means = MiniBatchKMeans(config.words, batch_size=4096, n_init=1, random_state=config.seed).fit(sample)
        words = np.asarray(means.cluster_centers_, np.float32)
        distances = np.sort(np.square(words).sum(1) - 2 * sample @ words.T, axis=1)
        gap = float(np.median(distances[:, 1] - distances[:, 0]))
        return words, *assignment_of(words, float(np.log(config.sharpness)) / max(gap, 1e-6))

    def _given_layer(self) -> tuple[NDArray[np.float32], ...]:
        words, depth = self.config.words, self.config.widths[-1]
        given = {name: tensor.float().numpy() for name, tensor in read_weights(self.config.clusters).items()}
        found = fitted(given, {"words": (words, depth), "assignment": (words, depth), "bias": (words,)})
        return tuple(found[name] for name in LAYER)

    def _places(self, images: Pictures) -> list[NDArray[np.float32]]:
        """Per picture its places, (H/16 x W/16, C), of length 1."""
        found = []
        for start in range(0, len(images), self.batch):
            rows = range(start, min(start + self.batch, len(images)))
            maps = self.features([checked(images[row], row) for row in rows])
            found += [unit_rows(each.reshape(each.shape[0], -1).T) for each in maps]
        return found

    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> (N, D) float32 of length 1."""
        learned = self._learned
        if not learned:
            raise UsageError("netvlad", cause="has no projection yet", remedy="fit it on training pictures first")
        layer = [learned[name] for name in LAYER]
        whole = np.stack([net_vlad(places, *layer) for places in self._places(pictures)])
        projected = np.zeros((len(pictures), self.dimension), np.float32)
        projected[:, : learned["projection"].shape[1]] = (whole - learned["mean"]) @ learned["projection"]
        return unit_rows(projected)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """``words``, ``assignment``, ``bias``, ``mean``, ``projection``."""
        return {name: array.copy() for name, array in self._learned.items()}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over layer and projection."""
        words, depth = self.config.words, self.config.widths[-1]
        told = state["projection"].shape if "projection" in state else ()
        kept = min(told[1], self.config.projected) if len(told) == 2 else self.config.projected
        shapes: dict[str, tuple[int, ...]] = {"words": (words, depth), "assignment": (words, depth), "bias": (words,)}
        shapes.update(mean=(words * depth,), projection=(words * depth, kept))
        self._learned = fitted(state, shapes)


SMALL: dict[str, Any] = {
    "weights": "untrained",
    "side": 48,
    "widths": (4, 4, 8, 8, 8),
    "words": 3,
    "projected": 10,
    "samples": 60,
}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Convolutions, words, assignment and bias.

    Example:
        >>> paper_parameters()  # 14,714,688 + 64 x 1,025
        14780288
    """
    with torch.device("meta"):
        convolutions = sum(parameter.numel() for parameter in VGG16().features.parameters())
    return convolutions + Config().words * (2 * WIDTHS[-1] + 1)
