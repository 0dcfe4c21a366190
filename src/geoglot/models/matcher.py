"""A matcher bundle: whether two pictures show the same kind of place, and how sure that is.

Two networks: pixels to the two parts of a comparison that need one picture alone (what a comparison takes of its
first picture, ``left``, and of its second one, ``right``), and such parts to a logit per pair. A picture is read once,
however many it is compared with.

A pair (a, b) has the probability

    p = mean over both orders of  1 / (1 + exp(-(scale x logit + offset)))

where scale and offset were fitted on pairs that the networks never saw, as many of the same kind as of different
kinds: of the pairs with p near 0.8, four in five show the same kind of place, when both are equally frequent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.models.bundle import IMAGE, SIMILARITY, BundleFolder, open_network, read_manifest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LOGITS: Final = "logits"
PICTURES_TOGETHER: Final = 32
PAIRS_TOGETHER: Final = 64
_REMEDY: Final = "give 'dyad', or the folder of a matcher that 'geoglot export' wrote"


class Verdict(StrEnum):
    """What a matcher says of two pictures."""

    SAME = "same kind"
    DIFFERENT = "different kind"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Sides:
    """What comparisons take of N pictures.

    Attributes:
        left: (N, ...) float32, of the first picture of a pair.
        right: (N, ...) float32, of the second picture of a pair.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)

    def only(self, number: int) -> Sides:
        """One of the pictures."""
        return Sides(self.left[number : number + 1], self.right[number : number + 1])


@dataclass(frozen=True)
class Calibration:
    """From logits to a probability that means what it says, and from that to a verdict.

    Attributes:
        scale: Factor of a logit; positive.
        offset: Added to the scaled logit.
        same: From this probability on the verdict is "same kind".
        different: Up to this probability the verdict is "different kind".
        symmetric: Whether both orders of a pair are averaged.
    """

    scale: float = 1.0
    offset: float = 0.0
    same: float = 0.5
    different: float = 0.5
    symmetric: bool = True

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits of pairs, in one order, to probabilities in [0, 1]; any shape.

        Example:
            >>> Calibration(scale=2.0).probabilities(np.array([0.0, 0.5, -800.0])).round(3).tolist()
            [0.5, 0.731, 0.0]
        """
        scaled = self.scale * np.asarray(logits, np.float64) + self.offset
        # exp(-|x|) never overflows
        small = np.exp(-np.abs(scaled))
        return np.asarray(np.where(scaled >= 0, 1.0, small) / (1.0 + small))

    def verdict(self, probability: float) -> Verdict:
        """What a probability amounts to.

        Example:
            >>> sure = Calibration(same=0.8, different=0.3)
            >>> [sure.verdict(p).value for p in (0.2, 0.5, 0.8)]
            ['different kind', 'unsure', 'same kind']
        """
        if probability >= self.same:
            return Verdict.SAME
        return Verdict.DIFFERENT if probability <= self.different else Verdict.UNSURE


@dataclass(frozen=True)
class MatcherBundle(BundleFolder):
    """A matching method, run by ONNX Runtime."""

    @cached_property
    def calibration(self) -> Calibration:
        """How logits become probabilities and verdicts.

        Raises:
            BundleError: The manifest's numbers make no sense.
        """
        given = self.manifest["calibration"]
        try:
            found = Calibration(
                scale=float(given["scale"]),
                offset=float(given["offset"]),
                same=float(given["same"]),
                different=float(given["different"]),
                symmetric=bool(self.manifest.get("symmetric", True)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(self.id, cause=f"has no sound calibration ({error})", remedy="export it again") from error
        numbers = (found.scale, found.offset, found.same, found.different)
        if not (all(map(math.isfinite, numbers)) and found.scale > 0 and 0 <= found.different <= found.same <= 1):
            raise BundleError(self.id, cause="has no sound calibration", remedy="export it again")
        return found

    @cached_property
    def _image_session(self) -> InferenceSession:
        return open_network(self.read(IMAGE), self.threads)

    @cached_property
    def _similarity_session(self) -> InferenceSession:
        return open_network(self.read(SIMILARITY), self.threads)

    def sides(self, pixels: NDArray[np.uint8]) -> Sides:
        """What comparisons take of pictures: computed once per picture.

        Args:
            pixels: (N, side, side, 3) uint8 RGB.

        Raises:
            BundleError: The array has another shape or type.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.side, self.side, 3):
            cause = f"wants uint8 (N, {self.side}, {self.side}, 3), got {pixels.dtype} {pixels.shape}"
            raise BundleError(self.id, cause=cause, remedy="prepare them with geoglot.geo.resample.to_square")
        parts = [
            self._image_session.run(["left", "right"], {"pixels": pixels[start : start + PICTURES_TOGETHER]})
            for start in range(0, max(1, len(pixels)), PICTURES_TOGETHER)
        ]
        return Sides(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))

    def logits(self, left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of P pairs in one order; a single row on one side is compared with all of the other.

        Args:
            left: (P, ...) or (1, ...).
            right: (P, ...) or (1, ...).

        Returns:
            (P,) float32.

        Raises:
            BundleError: A logit is not finite.
        """
        pairs = len(right) if len(left) == 1 else len(left)
        found = np.empty(pairs, np.float32)
        for start in range(0, pairs, PAIRS_TOGETHER):
            some = slice(start, min(start + PAIRS_TOGETHER, pairs))
            fed = {"left": _rows(left, some), "right": _rows(right, some)}
            found[some] = self._similarity_session.run([LOGITS], fed)[0]
        if not np.isfinite(found).all():
            raise BundleError(self.id, cause="gave a logit that is not finite", remedy="export the model again")
        return found

    def probabilities(self, first: Sides, second: Sides) -> NDArray[np.float64]:
        """How sure it is that pairs show the same kind of place: (P,) in [0, 1].

        Args:
            first: P pictures, or one that is compared with all of the others.
            second: P pictures, or one.
        """
        forward = self.calibration.probabilities(self.logits(first.left, second.right))
        if not self.calibration.symmetric:
            return forward
        return (forward + self.calibration.probabilities(self.logits(second.left, first.right))) / 2

    def verdict(self, probability: float) -> Verdict:
        """What a probability amounts to by the bundle's thresholds."""
        return self.calibration.verdict(probability)


def _rows(side: NDArray[np.float32], some: slice) -> NDArray[np.float32]:
    if len(side) != 1:
        return side[some]
    return np.ascontiguousarray(np.broadcast_to(side, (some.stop - some.start, *side.shape[1:])))


def load_matcher(name_or_folder: str | Path = "dyad", *, threads: int = 0) -> MatcherBundle:
    """Open a matcher bundle. Networks are loaded on first use.

    Raises:
        BundleError: There is no such bundle, it is of a newer format, or it is no matcher.

    Example:
        >>> load_matcher("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a matcher. Remedy: give 'dyad', or the folder of a matcher that 'geoglot export' wrote.
    """  # noqa: E501 (one message, one line)
    folder, manifest, sha256 = read_manifest(name_or_folder)
    bundle = MatcherBundle(folder, manifest, sha256, threads)
    if bundle.kind != "matcher":
        raise BundleError(name_or_folder, cause=f"is a {bundle.kind} bundle, not a matcher", remedy=_REMEDY)
    return bundle
