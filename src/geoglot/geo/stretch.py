"""From any pixel type to 8-bit colours, the same for a whole scene.

Plain 8-bit pixels are left as they are, unless the scene is stored at the very bottom of the range (98 % of its
pixels under 32 in every band: 1-bit masks, unscaled counts). Every other type is stretched band by band so that
the 2nd percentile becomes 0 and the 98th 255. The percentiles come from a sample of the whole scene, so that all
its tiles share one scale; pixels without data do not count, nor do pixels that are 0 in every band of an integer
scene (the undeclared black collar of many satellite products).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LOW_PERCENT, _HIGH_PERCENT = 2.0, 98.0
_DARK_8_BIT = 32
_SAMPLE_PIXELS = 200_000


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One linear scale for each band: ``low`` becomes 0, ``high`` becomes 255.

    Attributes:
        low: (C,) in the pixels' own units.
        high: (C,) above ``low``.

    Example:
        >>> stretch = Stretch(low=np.array([100.0]), high=np.array([355.0]))
        >>> stretch(np.array([[[90]], [[101]], [[999]]], np.uint16)).ravel()
        array([  0,   1, 255], dtype=uint8)
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Stretch (H, W, C) pixels to uint8; NaN becomes 0."""
        if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2:
            return self._by_table(pixels)
        scaled = np.empty(pixels.shape, np.uint8)
        gain = 255.0 / (self.high - self.low)
        for row in range(0, len(pixels), 64):  # blocks of rows: the working copy stays small
            with np.errstate(over="ignore"):  # infinity is clipped below
                block = (pixels[row : row + 64].astype(np.float64) - self.low) * gain
            np.nan_to_num(block, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
            scaled[row : row + 64] = np.clip(np.rint(block), 0, 255)
        return scaled

    def _by_table(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """One look-up for each pixel: integer types of up to 16 bits have few values."""
        values = np.arange(np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max + 1)
        as_index = pixels.astype(np.int64) - values[0] if pixels.dtype.kind == "i" else pixels
        scaled = np.empty(pixels.shape, np.uint8)
        for band in range(pixels.shape[-1]):
            level = np.rint((values - self.low[band]) * (255.0 / (self.high[band] - self.low[band])))
            np.take(np.clip(level, 0, 255).astype(np.uint8), as_index[..., band], out=scaled[..., band], mode="clip")
        return scaled


def fit_stretch(sample: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Stretch | None:
    """The stretch for a scene, from a sample of its pixels (thinned out to 200,000).

    Args:
        sample: (N, C) pixels in the scene's own type.
        valid: (N,) where there is data; ``None`` for everywhere.

    Returns:
        The stretch, or ``None`` where 8-bit pixels are to be left as they are.

    Example:
        >>> ramp = np.arange(1, 1002, dtype=np.uint16)[:, None]  # percentiles 2 and 98 of 1..1001: 21 and 981
        >>> fit_stretch(ramp)
        Stretch(low=array([21.]), high=array([981.]))
        >>> fit_stretch(np.arange(256, dtype=np.uint8)[:, None]) is None
        True
    """
    bands = sample.shape[1]
    step = -(-len(sample) // _SAMPLE_PIXELS)
    sample = sample[::step]
    if valid is not None:
        sample = sample[valid[::step]]
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample).all(axis=1)]
    elif len(sample):
        lit = sample.any(axis=1)
        sample = sample[lit] if lit.any() else sample
    if not len(sample):
        if sample.dtype == np.uint8:
            return None
        top = 1.0 if sample.dtype.kind == "f" else float(np.iinfo(sample.dtype).max)
        return Stretch(low=np.zeros(bands), high=np.full(bands, top))
    if sample.dtype == np.uint8 and (sample >= _DARK_8_BIT).mean(axis=0).max() > 1 - _HIGH_PERCENT / 100:
        return None
    low, high = np.percentile(sample.astype(np.float64), [_LOW_PERCENT, _HIGH_PERCENT], axis=0)
    if sample.dtype == np.uint8:
        low = np.minimum(low, 0.0)
    return Stretch(low=low, high=np.where(high > low, high, low + 1))
