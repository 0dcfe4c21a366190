"""Writers of small images for the tests of this room. Only tests import rasterio in this process."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

UTM_31_NORTH = {"crs": "EPSG:32631", "transform": rasterio.Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)}


def picture(height: int, width: int, bands: int = 3, *, seed: int = 0) -> np.ndarray:
    """(bands, H, W) uint8: slow waves and some noise, so that it compresses like a photograph."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:height, 0:width]
    waves = [np.sin(row / (17 + 5 * band)) + np.cos(column / (23 + 3 * band)) for band in range(bands)]
    noise = rng.normal(0, 0.08, (bands, height, width))
    return np.clip(np.stack(waves) * 60 + 128 + noise * 60, 0, 255).astype(np.uint8)


def write_raster(path: Path, pixels: np.ndarray, **profile: Any) -> Path:
    """Write (bands, H, W) pixels, GeoTIFF unless told otherwise; ``colorinterp``, ``tags`` and ``mask`` are set too."""
    interpretation = profile.pop("colorinterp", None)
    tags = profile.pop("tags", {})
    mask = profile.pop("mask", None)
    gcps = profile.pop("gcps", None)
    colormap = profile.pop("colormap", None)
    profile = {"driver": "GTiff", **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(
                path,
                "w",
                width=pixels.shape[2],
                height=pixels.shape[1],
                count=pixels.shape[0],
                dtype=pixels.dtype,
                **profile,
            ) as dataset,
        ):
            if interpretation:
                dataset.colorinterp = interpretation
            if colormap:
                dataset.write_colormap(1, colormap)
            dataset.write(pixels)
            if mask is not None:
                dataset.write_mask(mask)
            if gcps:
                dataset.gcps = gcps
            if tags:
                dataset.update_tags(**tags)
    return path
