"""Users' images with class rasters as sources of referring triplets, read window by window."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.core.records import Window
from geoglot.data.captioned import SPLITS
from geoglot.data.class_table import ClassTable
from geoglot.data.reference_sources import LabelledSource, Piece, Place, in_bands, split_by_number, whole

if TYPE_CHECKING:
    from geoglot.geo.scene import Scene

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".webp")
_WARP = "warp it to the image's grid, such as with gdalwarp"


class Rasters(NamedTuple):
    """An image, its class raster, and its raster of object numbers, if there is one."""

    image: Path
    labels: Path
    instances: Path | None = None


def raster_sources(
    image: str | Path,
    labels: str | Path,
    table: ClassTable,
    *,
    instances: str | Path | None = None,
    gsd_m: float | None = None,
    split: str | None = None,
    crop: int = 512,
) -> list[LabelledSource]:
    """An image with its class raster, or two folders of them with the same stems.

    Args:
        image: A raster (any that geoglot indexes: 8 or 16 bits, one, three or more bands) or a folder.
        labels: A class raster of the same size, or a folder.
        table: What its values or colours stand for.
        instances: Raster of object numbers (0 for none), or a folder; ``None`` takes connected regions.
        gsd_m: Metres per pixel; ``None`` asks the image.
        split: For all of it. ``None`` cuts one image into bands, and splits a folder by file.
        crop: Side of the crops to come: bands narrower than half of it make no sense.

    Raises:
        DataError: An image has no class raster, or the two do not fit.
        SourceError: A file cannot be read.
        UsageError: There is no such split, or the image does not tell its ground sample distance.
    """
    if split is not None and split not in SPLITS:
        raise UsageError(split, cause="is no split", remedy=f"choose one of {', '.join(SPLITS)}")
    objects = None if instances is None else Path(instances)
    if Path(image).is_dir():
        files = paired_files(Path(image), Path(labels), objects)
        splits: Sequence[str | None] = [split] * len(files) if split else split_by_number(len(files))
    else:
        files, splits = [Rasters(Path(image), Path(labels), objects)], [split]
    return [_source(each, table, gsd_m, part, crop) for each, part in zip(files, splits, strict=True)]


def paired_files(images: Path, labels: Path, instances: Path | None = None) -> list[Rasters]:
    """Files of two or three folders with the same stem, by name.

    Raises:
        DataError: There is no image, or one without a class raster.
    """
    others = [folder for folder in (labels, instances) if folder is not None]
    found = [{p.stem: p for p in sorted(f.glob("*")) if p.suffix.lower() in SUFFIXES} for f in others]
    pictures = [path for path in sorted(images.glob("*")) if path.suffix.lower() in SUFFIXES]
    if not pictures:
        raise DataError(images, cause="holds no image", remedy=f"put images there: {', '.join(SUFFIXES)}")
    for path in pictures:
        for folder, files in zip(others, found, strict=True):
            if path.stem not in files:
                cause = f"has no class raster of its name in {folder}"
                raise DataError(path, cause=cause, remedy="add it, or remove the image")
    return [Rasters(path, *(files[path.stem] for files in found)) for path in pictures]


def _source(files: Rasters, table: ClassTable, gsd_m: float | None, split: str | None, crop: int) -> LabelledSource:
    from geoglot.geo.footprint import ground_sample_distance
    from geoglot.geo.scene import Scene

    with _settings(), ExitStack() as opened:
        dataset = _opened(opened, files.image)
        width, height = int(dataset.width), int(dataset.height)
        for path in files[1:]:
            if path is not None:
                _check_grid(path, _opened(opened, path), dataset)
        placed = dataset.crs is not None and not dataset.transform.is_identity
        place: Place | None = (dataset.crs.to_wkt(), _coefficients(dataset)) if placed else None
        if gsd_m is None:
            locator = Scene(dataset, subject=files.image).locator()
            gsd_m = ground_sample_distance(locator, width, height) if locator else None
    if gsd_m is None or not gsd_m > 0:
        remedy = "give metres per pixel with --gsd"
        raise UsageError(files.image, cause="does not tell how large its pixels are", remedy=remedy)
    areas = in_bands(width, height, least=crop // 2) if split is None else whole(split, width, height)
    stamps = tuple(path.stat().st_mtime_ns for path in files if path is not None)

    def read(window: Window) -> Piece:
        return _held(files, stamps).read(window, table)

    return LabelledSource(
        id=_safe(files.image.stem), areas=areas, names=table.names, gsd_m=gsd_m, read=read, place=place
    )


def _check_grid(path: Path, dataset: Any, image: Any) -> None:
    if (dataset.width, dataset.height) != (image.width, image.height):
        cause = f"is {dataset.width} x {dataset.height} pixels, its image {image.width} x {image.height}"
        raise DataError(path, cause=cause, remedy=_WARP)
    if image.crs is not None and dataset.crs is not None:
        apart = np.abs(np.subtract(_coefficients(image), _coefficients(dataset)))
        pixel = max(abs(value) for value in _coefficients(image)[:2])
        if dataset.crs != image.crs or apart[[2, 5]].max() > 0.5 * pixel or apart[[0, 1, 3, 4]].max() > 1e-3 * pixel:
            raise DataError(path, cause="lies elsewhere than its image", remedy=_WARP)


def _coefficients(dataset: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in tuple(dataset.transform)[:6])


class _Reader:
    """Open rasters; the image's stretch is fitted once."""

    def __init__(self, files: Rasters) -> None:
        from geoglot.geo.scene import Scene

        self._files = files
        self._stack = ExitStack()
        with _settings():
            self._scene: Scene = Scene(_opened(self._stack, files.image), subject=files.image)
            self._labels = _opened(self._stack, files.labels)
            self._instances = None if files.instances is None else _opened(self._stack, files.instances)
            with _damage(files.image):
                self._scene.prepare()

    def read(self, window: Window, table: ClassTable) -> Piece:
        from rasterio.windows import Window as RasterWindow

        place = RasterWindow(*window)
        pixels = np.empty((window.height, window.width, self._scene.channels), dtype=np.uint8)
        with _settings():
            with _damage(self._files.image):
                valid = self._scene.read_into(window, pixels)
            with _damage(self._files.labels):
                drawn = self._labels.read([1, 2, 3] if self._labels.count >= 3 else 1, window=place)
            objects: NDArray[np.integer[Any]] | None = None
            if self._instances is not None:
                with _damage(self._files.instances):
                    objects = self._instances.read(1, window=place)
        classes = table.values(np.moveaxis(drawn, 0, -1) if drawn.ndim == 3 else drawn)
        if valid is not None:
            classes = np.where(valid, classes, -1)
        return Piece(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels, classes, objects)


@lru_cache(maxsize=1)  # the crops of an image come one after the other
def _held(files: Rasters, stamps: tuple[int, ...]) -> _Reader:
    """The rasters, open; of a file that has changed since (``stamps``) anew."""
    return _Reader(files)


@contextmanager
def _settings() -> Iterator[None]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    from geoglot.geo.opening import GDAL_SETTINGS

    with warnings.catch_warnings(), rasterio.Env(**GDAL_SETTINGS):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _opened(stack: ExitStack, path: Path) -> Any:
    """A raster, opened as safely as any user's file."""
    from geoglot.geo.opening import identify, open_raster

    return stack.enter_context(open_raster(identify(path)))


@contextmanager
def _damage(path: Path | None) -> Iterator[None]:
    from rasterio.errors import RasterioError

    try:
        yield
    except RasterioError as error:
        raise DataError(str(path), cause=f"cannot be read ({error})", remedy="copy the file again") from error


def _safe(stem: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem) or "image"
