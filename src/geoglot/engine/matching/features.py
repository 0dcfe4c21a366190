"""Features of matching, computed once: an encoder's latent or a descriptor's vector of every image.

They are kept as float16 arrays (M, C, H, W) that are memory-mapped. The file's name holds a fingerprint of what made
them: what it makes of two fixed pictures of noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoglot.core.errors import GeoglotError
from geoglot.core.runs import whole_file
from geoglot.engine.matching.images import Pixels, Progress, no_progress, opened
from geoglot.nn.matcher import Matcher

VIEWS: Final = 8
"""A picture, its three quarter turns, and the mirror images of all four."""

TOGETHER: Final = 64

Extract = Callable[[Pixels], NDArray[np.float32]]
"""(B, side, side, 3) uint8 -> (B, C, H, W) float32."""


def as_images(pictures: Pixels, device: str = "cpu") -> Tensor:
    """(B, side, side, 3) uint8 -> (B, 3, side, side) float32 in [0, 1]."""
    return torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float() / 255


def view_of(pictures: Pixels, view: int) -> Pixels:
    """One of the eight views of pictures. (B, side, side, 3) -> the same shape; view 0 is the picture itself.

    Example:
        >>> picture = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
        >>> [view_of(picture, view).ravel().tolist() for view in (0, 1, 4)]
        [[0, 1, 2, 3], [1, 3, 0, 2], [1, 0, 3, 2]]
    """
    mirrored = pictures[:, :, ::-1] if view >= VIEWS // 2 else pictures
    return np.rot90(mirrored, view % (VIEWS // 2), axes=(1, 2))


def random_views(pictures: Pixels, generator: np.random.Generator) -> Pixels:
    """Every picture in a view of its own. (B, side, side, 3) -> the same shape."""
    views = generator.integers(0, VIEWS, len(pictures))
    return np.concatenate([view_of(pictures[i : i + 1], int(view)) for i, view in enumerate(views)])


def encoder_of(model: Matcher, device: str = "cpu") -> Extract:
    """The encoder of a method, as it is now and in evaluation mode."""

    @torch.no_grad()
    def extract(pictures: Pixels) -> NDArray[np.float32]:
        training = model.training
        model.eval()
        features = model.encode(as_images(pictures, device)).float().cpu().numpy()
        model.train(training)
        return features

    return extract


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureStore:
    """Features of the images of one dataset, computed when first asked for.

    Attributes:
        extract: What makes them.
        pictures: (M, side, side, 3) uint8.
        cache: Folder that keeps them.
        name: The dataset's, for the file's name.
        progress: Called with (images done, images in all) while they are computed.
    """

    extract: Extract
    pictures: Pixels
    cache: Path
    name: str
    progress: Progress = no_progress

    def features(self, view: int = 0) -> NDArray[np.float16]:
        """Of all images in one of their eight views. -> (M, C, H, W), memory-mapped.

        Raises:
            GeoglotError: A feature is not finite.
        """
        side = self.pictures.shape[1]
        noise = np.random.default_rng(0).integers(0, 256, (2, *self.pictures.shape[1:]), dtype=np.uint8)
        digest = hashlib.sha256(self.extract(noise).tobytes())
        digest.update(np.ascontiguousarray(self.pictures[:: max(1, len(self.pictures) // 8)]).tobytes())
        words = [
            self.name,
            str(side),
            str(len(self.pictures)),
            digest.hexdigest()[:12],
            *([f"view{view}"] if view else []),
        ]
        file = self.cache / f"matching-{'-'.join(words)}.npy"
        if not file.is_file():
            self._compute(file, view)
        found: NDArray[Any] = opened(file)
        return found

    def _compute(self, file: Path, view: int) -> None:
        count = len(self.pictures)
        with whole_file(file) as temporary:
            array: NDArray[np.float16] | None = None
            for start in range(0, count, TOGETHER):
                with np.errstate(over="ignore"):
                    found = self.extract(view_of(self.pictures[start : start + TOGETHER], view)).astype(np.float16)
                if not np.isfinite(found).all():
                    raise GeoglotError(self.name, cause="has a feature that is not finite", remedy="check the weights")
                if array is None:
                    shape = (count, *found.shape[1:])
                    array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
                array[start : start + len(found)] = found
                self.progress(start + len(found), count)
            if array is not None:
                array.flush()  # type: ignore[attr-defined]
