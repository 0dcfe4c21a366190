"""A scorer bundle: a method whose score needs image and text together, so that it can re-rank but not be indexed.

Three networks: pixels to image features, tokens to text features, and features of both sides to the score of every
pair. A text is read once per query and every picture once per search; the third network is all that runs per pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.models.bundle import IMAGE, SIMILARITY, TEXT, BundleFolder, open_network, read_manifest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SCORES: Final = "scores"
PICTURES_TOGETHER: Final = 32


@dataclass(frozen=True)
class ScorerBundle(BundleFolder):
    """A cross-attention method, or any other whose score is no inner product, run by ONNX Runtime."""

    @cached_property
    def _image_session(self) -> InferenceSession:
        return open_network(self.read(IMAGE), self.threads)

    @cached_property
    def _text_session(self) -> InferenceSession:
        return open_network(self.read(TEXT), 1)

    @cached_property
    def _similarity_session(self) -> InferenceSession:
        return open_network(self.read(SIMILARITY), self.threads)

    def text_features(self, text: str) -> dict[str, NDArray[np.generic]]:
        """Features of one text, by the names of the similarity network's inputs."""
        tokens = self.tokenizer.encode([text])
        return _named(self._text_session, {"tokens": tokens})

    def scores(self, pixels: NDArray[np.uint8], text: str) -> NDArray[np.float32]:
        """How well each picture fits a text; the scale is the method's own.

        Args:
            pixels: (N, side, side, 3) uint8 RGB.
            text: In a language that the method was trained on.

        Returns:
            (N,) float32, finite.

        Raises:
            BundleError: The array has another shape or type, or a score is not finite.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.side, self.side, 3):
            cause = f"wants uint8 (N, {self.side}, {self.side}, 3), got {pixels.dtype} {pixels.shape}"
            raise BundleError(self.id, cause=cause, remedy="prepare them with geoglot.geo.resample.to_square")
        words = self.text_features(text)
        wanted = {given.name for given in self._similarity_session.get_inputs()}
        found = np.empty(len(pixels), np.float32)
        for start in range(0, len(pixels), PICTURES_TOGETHER):
            features = _named(self._image_session, {"pixels": pixels[start : start + PICTURES_TOGETHER]})
            inputs = {name: value for name, value in {**features, **words}.items() if name in wanted}
            found[start : start + PICTURES_TOGETHER] = self._similarity_session.run([SCORES], inputs)[0][:, 0]
        if not np.isfinite(found).all():
            raise BundleError(self.id, cause="gave a score that is not finite", remedy="export the model again")
        return found


def _named(session: InferenceSession, inputs: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def load_scorer(folder: str | Path, *, threads: int = 0) -> ScorerBundle:
    """Open a scorer bundle. Networks are loaded on first use.

    Raises:
        BundleError: There is no such bundle, it is of a newer format, or it is no scorer.

    Example:
        >>> load_scorer("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a scorer. Remedy: give the folder of a scorer that 'geoglot export' wrote, e.g. of a run of scan.
    """  # noqa: E501 (one message, one line)
    found, manifest, sha256 = read_manifest(folder)
    bundle = ScorerBundle(found, manifest, sha256, threads)
    if bundle.kind != "scorer":
        remedy = "give the folder of a scorer that 'geoglot export' wrote, e.g. of a run of scan"
        raise BundleError(folder, cause=f"is a {bundle.kind} bundle, not a scorer", remedy=remedy)
    return bundle
