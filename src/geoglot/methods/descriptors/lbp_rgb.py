"""LBP-RGB: histograms of rotation-invariant uniform local binary patterns, one per colour channel.

Paper        T. Ojala, M. Pietikainen, T. Maenpaa, Multiresolution Gray-Scale and Rotation Invariant Texture
             Classification with Local Binary Patterns, TPAMI 2002; compared with by P. Napoletano, Visual descriptors
             for content-based retrieval of remote-sensing images, IJRS 2018
Input        a picture of any size, resized to side x side
Output       3 x (points + 2) numbers: 54 with 16 points
Equations    a pattern says which of ``points`` neighbours on a circle are not darker than the centre; with at most two
             changes around the circle it is counted by its number of ones, else as "other"  -> pattern_histogram
Deviations   1. 54 numbers need 3 x 18, that is 16 points; their radius is taken as 2 and not verified. (8 points would
                give 3 x 10, or 3 x 59 without rotation invariance.)
             2. Pixels whose circle leaves the picture are not counted.
Reproduces   the LBP-RGB rows of the published tables, as far as radius and size are theirs
Provenance   scikit-image's ``local_binary_pattern``
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.descriptor import Descriptor, needs_extra
from geoglot.core.method import MethodCard
from geoglot.geo.resample import to_square

METHOD = MethodCard(
    title="LBP-RGB",
    paper="Ojala, Pietikainen, Maenpaa, Multiresolution ... Local Binary Patterns, TPAMI 2002",
    kind="descriptor",
    counted="none: nothing is learned",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes.

    Attributes:
        side: Side that pictures are resized to, pixels.
        points: Neighbours on the circle.
        radius: Of the circle, pixels.
    """

    side: int = 256
    points: int = 16
    radius: float = 2.0


def pattern_histogram(channel: NDArray[np.uint8], points: int, radius: float) -> NDArray[np.float64]:
    """Shares of the patterns with 0, 1 ... ``points`` ones in a row, and of all others.

    Args:
        channel: (H, W), wider and higher than twice the radius.
        points: Neighbours on the circle.
        radius: Of the circle, pixels.

    Returns:
        (points + 2,), sum 1.

    Example:
        >>> pattern_histogram(np.zeros((5, 5), np.uint8), 8, 1).tolist()  # no neighbour is darker: 8 ones
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """
    with needs_extra("descriptors"):
        from skimage.feature import local_binary_pattern

    edge = math.ceil(radius)
    labels = local_binary_pattern(channel, points, radius, method="uniform")[edge:-edge, edge:-edge]
    counts = np.bincount(labels.astype(np.intp).ravel(), minlength=points + 2)
    return np.asarray(counts / labels.size)


class Model(Descriptor):
    """Nothing but its configuration."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.dimension = 3 * (self.config.points + 2)

    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> (N, D) float32; every third of a row sums to 1."""
        config = self.config
        rows = []
        for picture in pictures:
            square = to_square(picture, config.side)
            rows.append([pattern_histogram(square[..., c], config.points, config.radius) for c in range(3)])
        return np.asarray(rows, np.float32).reshape(len(pictures), self.dimension)


SMALL: dict[str, Any] = {"side": 32, "points": 8, "radius": 1.0}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Learned numbers: none."""
    return 0
