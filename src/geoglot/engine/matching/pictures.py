"""What an encoder keeps of pictures: restored pictures with their errors, feature maps, and maps that stay dark.

A feature map (a channel of the encoder's output) is *dark* if its largest absolute value, over all pictures looked at
and all its places, is below one hundredth of the largest of any map: it adds next to nothing to what the decoder or
the comparison reads, whatever the picture. It is *flat* if its standard deviation over the same values is below one
hundredth of the largest of any map: it says the same of every picture, bright or not. A map of one constant value may
be bright and flat; a dark map need not be flat where all maps hardly vary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.engine.matching.features import as_images
from geoglot.engine.matching.running import load_matcher, load_recipe
from geoglot.engine.prediction import read_square
from geoglot.nn.matcher import Autoencoding, Matcher

SHARE: Final = 0.01
"""Below this share of the strongest map a map is dark, and of the most varied one flat."""
_TOGETHER = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class EncoderPictures:
    """An encoder's view of some pictures, and its feature maps counted over many.

    Attributes:
        restored: (n, side, side, 3) uint8 of the shown pictures; ``None`` where the method has no decoder.
        errors: (n,) mean squared errors of those in [0, 1] units; empty without a decoder.
        latents: (n, C, H, W) float32 of the shown pictures.
        counted: How many pictures the next four are over.
        strongest: (C,) largest absolute value of each map.
        deviation: (C,) standard deviation of each map.
        mean_error: Mean squared error over the counted pictures; ``None`` without a decoder.
        side: Side of the pictures in pixels.
    """

    restored: NDArray[np.uint8] | None
    errors: NDArray[np.float64]
    latents: NDArray[np.float32]
    counted: int
    strongest: NDArray[np.float64]
    deviation: NDArray[np.float64]
    mean_error: float | None
    side: int

    @property
    def dark(self) -> NDArray[np.bool_]:
        """(C,) which maps are dark; all of them where the encoder answers zero to everything."""
        return below_share(self.strongest)

    @property
    def flat(self) -> NDArray[np.bool_]:
        """(C,) which maps are flat; all of them where the encoder answers the same to everything."""
        return below_share(self.deviation)


def below_share(values: NDArray[np.float64], share: float = SHARE) -> NDArray[np.bool_]:
    """Which values lie below a share of the largest; all, where the largest is 0.

    Example:
        >>> below_share(np.array([100.0, 1.0, 0.999, 0.0])).tolist(), below_share(np.zeros(2)).tolist()
        ([False, False, True, True], [True, True])
    """
    top = values.max(initial=0.0)
    return values < share * top if top > 0 else np.ones(len(values), dtype=bool)


def encoder_pictures(
    run: Path,
    shown: Sequence[Path],
    counted: Sequence[Path],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> EncoderPictures:
    """What the encoder of a run makes of pictures.

    Args:
        run: Folder of a finished run of a matching method with an encoder.
        shown: Pictures whose restored versions and feature maps are wanted.
        counted: Pictures over which feature maps and errors are counted.
        progress: Called with (pictures done, pictures in all).

    Raises:
        DataError: The folder is no finished run, or a picture cannot be read.
        UsageError: The run's features come from a descriptor: it has no encoder.
    """
    recipe = load_recipe(run)
    if recipe.descriptor is not None:
        cause = f"has no encoder: its features come from {recipe.descriptor}"
        raise UsageError(run, cause=cause, remedy="give the run of a method with an encoder")
    model = load_matcher(run).model
    if model is None:
        raise DataError(run, cause="has no checkpoint", remedy="train again")
    return pictures_of(model.eval(), recipe.side, shown, counted, progress=progress)


@torch.no_grad()
def pictures_of(
    model: Matcher,
    side: int,
    shown: Sequence[Path],
    counted: Sequence[Path],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> EncoderPictures:
    """The same of a model that is loaded already; it is used as it is, in its mode and on the CPU."""
    total = len(shown) + len(counted)
    latents, restored, errors = [], [], []
    for start in range(0, len(shown), _TOGETHER):
        features, images, error = _seen(model, side, shown[start : start + _TOGETHER])
        latents.append(features)
        restored += [images] if images is not None else []
        errors.append(error)
        progress(min(start + _TOGETHER, len(shown)), total)
    tally = _Tally()
    for start in range(0, len(counted), _TOGETHER):
        some = counted[start : start + _TOGETHER]
        features, _, error = _seen(model, side, some)
        tally.add(features, error)
        progress(len(shown) + start + len(some), total)
    return EncoderPictures(
        restored=np.concatenate(restored) if restored else None,
        errors=np.concatenate(errors) if errors else np.zeros(0),
        latents=np.concatenate(latents) if latents else np.zeros((0, 0, 0, 0), np.float32),
        counted=tally.pictures,
        strongest=tally.strongest,
        deviation=tally.deviation(),
        mean_error=tally.errors / tally.pictures if isinstance(model, Autoencoding) and tally.pictures else None,
        side=side,
    )


class _Tally:
    """Largest absolute value, sum and sum of squares of every map, picture by picture."""

    def __init__(self) -> None:
        self.pictures = self.values = 0
        self.errors = 0.0
        self.strongest = np.zeros(0)
        self._sum = self._squares = np.zeros(0)

    def add(self, features: NDArray[np.float32], errors: NDArray[np.float64]) -> None:
        """(B, C, H, W) and (B,) or (0,)."""
        flat = features.astype(np.float64).transpose(1, 0, 2, 3).reshape(features.shape[1], -1)
        if not self.pictures:
            self.strongest, self._sum, self._squares = (np.zeros(len(flat)) for _ in range(3))
        self.pictures += len(features)
        self.values += flat.shape[1]
        self.errors += float(errors.sum())
        self.strongest = np.maximum(self.strongest, np.abs(flat).max(axis=1))
        self._sum = self._sum + flat.sum(axis=1)
        self._squares = self._squares + np.square(flat).sum(axis=1)

    def deviation(self) -> NDArray[np.float64]:
        """(C,) standard deviation of every map."""
        if not self.values:
            return np.zeros(0)
        mean = self._sum / self.values
        spread: NDArray[np.float64] = np.sqrt(np.maximum(self._squares / self.values - mean * mean, 0.0))
        return spread


def _seen(
    model: Matcher, side: int, paths: Sequence[Path]
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None, NDArray[np.float64]]:
    """Features of pictures, the pictures restored, and their errors."""
    images = as_images(np.stack([read_square(path, side) for path in paths]))
    features = model.encode(images)
    latents = features.float().numpy()
    if not isinstance(model, Autoencoding):
        return latents, None, np.zeros(0)
    back = model.decode(features).float()
    errors = (back - images).square().flatten(1).mean(1).double().numpy()
    pixels = (back.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return latents, pixels, errors
