"""Scenes painted with the colours that the colour segmenter knows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from colour_segmenter import COLOURS
from rasterio.errors import NotGeoreferencedWarning

UTM_32_NORTH = {"crs": "EPSG:32632", "transform": rasterio.Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0)}
Rectangle = tuple[str, int, int, int, int]
"""What it shows, then column, row, width, height."""


def painted(width: int, height: int, things: list[Rectangle], *, seed: int = 0) -> np.ndarray:
    """(3, H, W) uint8: grass with rectangles on it, a little noise over all."""
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:] = COLOURS["grass"]
    for name, column, row, wide, high in things:
        pixels[row : row + high, column : column + wide] = COLOURS[name]
    noise = np.random.default_rng(seed).normal(0, 3, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8).transpose(2, 0, 1)


def write_scene(path: Path, pixels: np.ndarray, **profile: Any) -> Path:
    """Write (bands, H, W) as GeoTIFF, located unless told otherwise (``located=False``)."""
    located = profile.pop("located", True)
    interpretation = profile.pop("colorinterp", None)
    profile = {"driver": "GTiff", **(UTM_32_NORTH if located else {}), **profile}
    bands, height, width = pixels.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", width=width, height=height, count=bands, dtype=pixels.dtype, **profile) as file:
            if interpretation:
                file.colorinterp = interpretation
            file.write(pixels)
    return path
