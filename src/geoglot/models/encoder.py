"""What the archive asks of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Two towers that share one sphere. :class:`geoglot.models.bundle.Bundle` is one."""

    @property
    def id(self) -> str:
        """Name and version."""

    @property
    def sha256(self) -> str:
        """Of the bundle's manifest."""

    @property
    def dimension(self) -> int:
        """Size D of an embedding."""

    @property
    def side(self) -> int:
        """Input side in pixels."""

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 RGB -> (N, D) float32 unit rows."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """-> (N, D) float32 unit rows."""
