"""Rasters of our own as cloud-optimised GeoTIFFs, written block by block: memory does not grow with the raster."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from geoglot.core.errors import GeoglotError
from geoglot.geo.writing import write_whole

if TYPE_CHECKING:
    import rasterio

BLOCK = 512
"""Side of the tiles of what is written, pixels."""
_CACHE_BYTES = 64 << 20
Block = tuple[int, int, NDArray[Any]]
"""First row, first column, (bands, H, W)."""


def write_cog(
    path: Path,
    blocks: Iterable[Block],
    *,
    shape: tuple[int, int, int],
    dtype: str,
    nodata: float | None,
    crs: str | None,
    transform: Sequence[float] | None,
    names: Sequence[str] = (),
    colours: Mapping[int, tuple[int, int, int, int]] | None = None,
    smooth: bool = False,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a cloud-optimised GeoTIFF, replacing the file.

    Args:
        path: Destination.
        blocks: Parts of the raster in any order; what none covers is nodata (or 0).
        shape: Bands, height, width.
        dtype: NumPy name of the pixel type.
        nodata: Value of pixels without data.
        crs: Coordinate reference system; ``None`` for pixels that lie nowhere.
        transform: Affine (a, b, c, d, e, f); ``None`` likewise.
        names: Of the bands.
        colours: Red, green, blue and alpha of each value, for one band of 8 bits.
        smooth: Whether overviews are averages; else they hold values that are there.
        tags: Names and values to keep with the raster.

    Raises:
        GeoglotError: The file cannot be written.

    Example:
        >>> import tempfile, rasterio, numpy as np
        >>> target = Path(tempfile.mkdtemp()) / "ones.tif"
        >>> part = np.ones((1, 2, 2), np.uint8)
        >>> settings = {"dtype": "uint8", "nodata": 255, "crs": "EPSG:32631", "transform": (1, 0, 0, 0, -1, 0)}
        >>> write_cog(target, [(0, 0, part)], shape=(1, 2, 3), **settings)
        >>> with rasterio.open(target) as dataset:
        ...     dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"], dataset.read(1).tolist()
        ('COG', [[1, 1, 255], [1, 1, 255]])
    """
    bands, height, width = shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": bands,
        "height": height,
        "width": width,
        "dtype": dtype,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "zlevel": 1,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }

    def write(temporary: Path) -> None:
        import rasterio

        draft = temporary.with_name("draft.tif")
        if crs is not None and transform is not None:
            profile.update(crs=crs, transform=rasterio.Affine(*transform))
        with rasterio.open(draft, "w", **profile) as dataset:
            _fill(dataset, blocks, names, colours, tags)
        resampling = "average" if smooth else "nearest"
        rasterio.shutil.copy(
            draft,
            temporary,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            blocksize=BLOCK,
            overview_resampling=resampling,
            bigtiff="IF_SAFER",
        )
        draft.unlink()

    import rasterio
    import rasterio.shutil
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    settings = {"GDAL_CACHEMAX": _CACHE_BYTES, "GDAL_PAM_ENABLED": "NO", "GDAL_NUM_THREADS": "1"}
    with warnings.catch_warnings(), rasterio.Env(**settings):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            write_whole(path, write, suffix=".tif")
        except RasterioError as error:
            remedy = "check the space on the disk"
            raise GeoglotError(path, cause=f"cannot be written ({error})", remedy=remedy, stage="write") from error


def _fill(
    dataset: rasterio.io.DatasetWriter,
    blocks: Iterable[Block],
    names: Sequence[str],
    colours: Mapping[int, tuple[int, int, int, int]] | None,
    tags: Mapping[str, str] | None,
) -> None:
    from rasterio.windows import Window as RasterWindow

    for row, column, pixels in blocks:
        height, width = pixels.shape[1:]
        dataset.write(pixels, window=RasterWindow(column, row, width, height))
    for band, name in enumerate(names, 1):
        dataset.set_band_description(band, name)
    if colours is not None:
        dataset.write_colormap(1, dict(colours))
    if tags:
        dataset.update_tags(**tags)
