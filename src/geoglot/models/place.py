"""A place bundle: local descriptors of pictures, and whether two pictures show the same place.

One network gives a descriptor for each position of a grid; :mod:`geoglot.metrics.same_place` looks for the shift,
scale and rotation under which those of two pictures agree. The bundle says from which agreement on two pictures are
called the same place; that was chosen on pictures of different places, of which next to none may be called the same.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.metrics.place_vectors import PlaceCodebook
from geoglot.metrics.same_place import agreement
from geoglot.models.bundle import BATCH, IMAGE, PLACES, BundleFolder, open_network, read_manifest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DESCRIPTORS: Final = "descriptors"
PLAIN_SPAN: Final = 3
"""Grey levels that a plain cell spans at most; compression and rounding leave so many."""
SHIPPED_PLACE: Final = "place"
"""Name of the bundle that ships with the package."""


@dataclass(frozen=True)
class PlaceBundle(BundleFolder):
    """Local descriptors, run by ONNX Runtime."""

    @property
    def same(self) -> float:
        """Agreement from which on two pictures show the same place."""
        return float(self.manifest["thresholds"]["same"])

    @property
    def first(self) -> float:
        """Agreement from which on pictures go before others: more than chance, not enough to call it the same place."""
        return float(self.manifest["thresholds"]["first"])

    @property
    def dimension(self) -> int:
        """Size D of a descriptor."""
        return int(self.manifest["dimension"])

    @cached_property
    def _session(self) -> InferenceSession:
        return open_network(self.read(IMAGE), self.threads)

    def describe(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Local descriptors of pictures.

        Args:
            pixels: (N, side, side, 3) uint8 RGB.

        Returns:
            (N, M, D) float32, the M positions of a square grid, row by row; unit rows, and zeros where there is
            nothing to describe (:func:`featureless`).

        Raises:
            BundleError: The array has another shape or type, or the network gives values that are not finite.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.side, self.side, 3):
            cause = f"wants uint8 (N, {self.side}, {self.side}, 3), got {pixels.dtype} {pixels.shape}"
            raise BundleError(self.id, cause=cause, remedy="prepare them with geoglot.geo.resample.to_square")
        parts = [
            self._session.run([DESCRIPTORS], {"pixels": pixels[start : start + BATCH]})[0]
            for start in range(0, len(pixels), BATCH)
        ]
        found = np.concatenate(parts) if parts else np.zeros((0, 1, self.dimension), np.float32)
        if not np.isfinite(found).all():
            raise BundleError(self.id, cause="gave a descriptor that is not finite", remedy="export it again")
        found[featureless(pixels, found.shape[1])] = 0
        return found

    @cached_property
    def codebook(self) -> PlaceCodebook | None:
        """What vectors of places are made with; ``None`` in a bundle of before they were.

        Raises:
            BundleError: The file is damaged.
        """
        if PLACES not in self.manifest["files"]:
            return None
        try:
            with np.load(io.BytesIO(self.read(PLACES)), allow_pickle=False) as arrays:
                held = {name: np.asarray(arrays[name], np.float32) for name in ("words", "mean", "axes")}
        except (OSError, ValueError, KeyError) as error:
            cause = f"is damaged ({error})"
            raise BundleError(self.folder / PLACES, cause=cause, remedy="install the bundle again") from error
        return PlaceCodebook(**held)

    def vectors(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """One vector for the place of each picture, by which many are compared at once.

        Args:
            described: (N, M, D), what :meth:`describe` gave.

        Returns:
            (N, A) float32 unit rows; zeros where there is nothing to describe.

        Raises:
            BundleError: The bundle has none.
        """
        if self.codebook is None:
            remedy = "export it with this version of geoglot"
            raise BundleError(self.id, cause="has no vectors of places", remedy=remedy)
        return self.codebook.vectors(described)

    def agreements(self, examples: NDArray[np.float32], shown: NDArray[np.float32]) -> NDArray[np.float64]:
        """How well N pictures agree with any of some examples, as far as places go.

        Args:
            examples: (E, M, D), at least one: a picture, or pieces or turns of it.
            shown: (N, M, D).

        Returns:
            (N,), the best of the examples each; 0 is nothing, 1 the picture itself.
        """
        best = np.zeros(len(shown))
        for example in examples if len(shown) else ():
            np.maximum(best, agreement(example, shown).score, out=best)
        return best

    def looked_at(
        self, pictures: NDArray[np.uint8], shown: NDArray[np.float32], *, turned: bool = True
    ) -> NDArray[np.float64]:
        """:meth:`agreements` with pictures as they are and, where none is the same place, turned by quarters, too.

        Turned ones count where they show the same place: weaker agreement of one of four is no evidence.

        Args:
            pictures: (E, side, side, 3) uint8.
            shown: (N, M, D).
            turned: Whether to turn.
        """
        found = self.agreements(self.describe(pictures), shown)
        if turned and not (found >= self.same).any():
            other = self.agreements(self.describe(quarter_turns(pictures)), shown)
            found = np.where(other >= self.same, other, found)
        return found


def featureless(pixels: NDArray[np.uint8], positions: int) -> NDArray[np.bool_]:
    """Positions round which a picture is plain: what a network says of these comes from the picture's edge alone.

    Args:
        pixels: (N, S, S, 3) uint8.
        positions: M, a square number; S is a multiple of its root.

    Returns:
        (N, M) bool: in the 3 x 3 cells round the position, no cell has grey levels that span more than
        :data:`PLAIN_SPAN`.

    Example:
        >>> picture = np.full((1, 32, 32, 3), 80, np.uint8)
        >>> picture[0, 0, 0] = 255  # the cell in the corner is not plain, nor are its neighbours
        >>> featureless(picture, 16).reshape(4, 4).astype(int).tolist()
        [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    """
    grid = math.isqrt(positions)
    cell = pixels.shape[1] // grid
    cells = pixels.sum(axis=3, dtype=np.int16).reshape(len(pixels), grid, cell, grid, cell)
    span = np.pad(cells.max(axis=(2, 4)) - cells.min(axis=(2, 4)), ((0, 0), (1, 1), (1, 1)))
    widest = np.max([span[:, y : y + grid, x : x + grid] for y in range(3) for x in range(3)], axis=0)
    return np.asarray(widest.reshape(len(pixels), positions) <= 3 * PLAIN_SPAN)


def quarter_turns(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures turned by 90, 180 and 270 degrees. (E, S, S, 3) -> (3 E, S, S, 3).

    Example:
        >>> quarter_turns(np.zeros((2, 4, 4, 3), np.uint8)).shape
        (6, 4, 4, 3)
    """
    turns: Sequence[NDArray[np.uint8]] = [np.rot90(pictures, turns, axes=(1, 2)) for turns in (1, 2, 3)]
    return np.concatenate(turns)


def load_place(name_or_path: str | Path = SHIPPED_PLACE, *, threads: int = 0) -> PlaceBundle:
    """Open a place bundle, by the shipped name or its folder. The network is loaded on first use.

    Raises:
        BundleError: There is no such bundle, it is of a newer format, or of another kind.

    Example:
        >>> load_place("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a place bundle. Remedy: give 'place', or the folder that 'geoglot train place' wrote.
    """  # noqa: E501 (one message, one line)
    folder, manifest, sha256 = read_manifest(name_or_path)
    bundle = PlaceBundle(folder, manifest, sha256, threads)
    if bundle.kind != "place":
        remedy = "give 'place', or the folder that 'geoglot train place' wrote"
        raise BundleError(name_or_path, cause=f"is a {bundle.kind} bundle, not a place bundle", remedy=remedy)
    return bundle
