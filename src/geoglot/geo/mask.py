"""Pixels without data: which they are, and what a model sees in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_VALID_SHARE = 0.1


def fill_invalid(pixels: NDArray[np.uint8], valid: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
    """Give pixels without data the mean colour of the tile's valid ones.

    The mean adds no edge and no colour of its own, where black would look like water or shadow. A tile of which less
    than a tenth is valid says nothing about its place: it is left out.

    Args:
        pixels: (H, W, C) uint8.
        valid: (H, W); ``None`` where all pixels are valid.

    Returns:
        The pixels, filled where needed, or ``None`` where the tile is to be left out.

    Example:
        >>> tile = np.array([[[10], [30]], [[0], [0]]], np.uint8)
        >>> fill_invalid(tile, np.array([[True, True], [False, False]]))[1, 0]
        array([20], dtype=uint8)
    """
    if valid is None:
        return pixels
    share = np.count_nonzero(valid) / valid.size
    if share == 1.0:
        return pixels
    if share < LEAST_VALID_SHARE:
        return None
    filled = pixels.copy()
    filled[~valid] = np.rint(pixels[valid].mean(axis=0)).astype(np.uint8)
    return filled


def valid_by_value(pixels: NDArray[Any], nodata: Sequence[float | None]) -> NDArray[np.bool_] | None:
    """Where pixels hold data, by their values alone.

    Floating-point pixels are invalid where any band is NaN, infinite or nodata. Integer pixels are invalid where all
    bands are nodata: a single band may well hold that value in truth.

    Args:
        pixels: (H, W, C).
        nodata: The nodata value of each of the C bands, where there is one.

    Returns:
        (H, W), or ``None`` where every value counts.

    Example:
        >>> valid_by_value(np.array([[[0, 0], [0, 5]]], np.uint8), [0, 0]).tolist()
        [[False, True]]
        >>> valid_by_value(np.array([[[np.nan], [1.0]]]), [None]).tolist()
        [[False, True]]
    """
    floating = pixels.dtype.kind == "f"
    empty: NDArray[np.bool_] | None = None
    for band, value in enumerate(nodata):
        plane = pixels[..., band]
        hit = ~np.isfinite(plane) if floating else None
        stored = _as_stored(value, pixels.dtype)
        if stored is not None:
            equal = plane == stored
            hit = equal if hit is None else hit | equal
        if floating:
            empty = hit if empty is None or hit is None else empty | hit
        elif hit is None:
            return None
        else:
            empty = hit if empty is None else empty & hit
    return None if empty is None else ~empty


def _as_stored(value: float | None, dtype: np.dtype[Any]) -> Any:
    """A nodata value in the pixels' own type, or ``None`` where that type cannot hold it."""
    if value is None or (dtype.kind != "f" and not np.isfinite(value)):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(value)
    limits = np.iinfo(dtype)
    return dtype.type(int(value)) if float(value).is_integer() and limits.min <= value <= limits.max else None
