"""HoG: histograms of oriented gradients over a coarse grid of cells.

Paper        N. Dalal, B. Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005; compared with by
             P. Napoletano, Visual descriptors for content-based retrieval of remote-sensing images, IJRS 2018
Input        a picture of any size, resized to side x side
Output       (cells - block + 1)^2 x block^2 x bins numbers: 81 with 3 x 3 cells in one block, 9 bins
Equations    gradient of the channel where it is strongest, unsigned orientation in bins, weighted by magnitude;
             per block v / sqrt(|v|^2 + e^2), clipped at 0.2, and again       -> Model.vectors
Deviations   1. The grid is not in the papers that compare with it; 81 numbers (3 x 3 cells, 9 bins) are a reading,
                not verified. 580, also found, is no multiple of 9. ``cells`` and ``block`` are switches.
             2. scikit-image votes into one bin and one cell; Dalal and Triggs interpolate between neighbours.
Reproduces   the HoG rows of the published tables, as far as the grid is theirs
Provenance   scikit-image's ``hog``
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.descriptor import Descriptor, needs_extra
from geoglot.core.errors import UsageError
from geoglot.core.method import MethodCard
from geoglot.geo.resample import to_square

METHOD = MethodCard(
    title="HoG",
    paper="Dalal, Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005",
    kind="descriptor",
    counted="none: nothing is learned",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes.

    Attributes:
        side: Side that pictures are resized to, pixels.
        cells: Cells along a side.
        block: Cells along a side of the blocks that are normalised together; blocks overlap by all but one cell.
        bins: Orientations between 0 and 180 degrees.
    """

    side: int = 256
    cells: int = 3
    block: int = 3
    bins: int = 9


class Model(Descriptor):
    """Nothing but its configuration.

    Raises:
        UsageError: A block has more cells than the picture, or a cell is smaller than a pixel.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        if not 1 <= self.config.block <= self.config.cells <= self.config.side:
            cause = f"asks for blocks of {self.config.block} in {self.config.cells} cells in {self.config.side} pixels"
            raise UsageError("hog", cause=cause, remedy="give 1 <= block <= cells <= side")
        blocks = self.config.cells - self.config.block + 1
        self.dimension = blocks**2 * self.config.block**2 * self.config.bins

    def vectors(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures -> (N, D) float32 in [0, 1]; zeros where a picture has no gradient."""
        with needs_extra("descriptors"):
            from skimage.feature import hog

        config = self.config
        pixels = config.side // config.cells
        return np.stack(
            [
                hog(
                    to_square(picture, config.side),
                    orientations=config.bins,
                    pixels_per_cell=(pixels, pixels),
                    cells_per_block=(config.block, config.block),
                    block_norm="L2-Hys",
                    channel_axis=-1,
                )
                for picture in pictures
            ]
        ).astype(np.float32)


SMALL: dict[str, Any] = {"side": 32, "cells": 2, "block": 2, "bins": 4}
"""Sizes at which the contract tests run in a moment."""


def paper_parameters(variant: str = "paper") -> int:
    """Learned numbers: none."""
    return 0
