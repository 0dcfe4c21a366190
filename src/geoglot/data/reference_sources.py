"""Where images with class maps come from: users' rasters, SkyScapes, and generated scenes, all read by windows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.core.records import Window
from geoglot.data.captioned import SPLITS
from geoglot.data.class_table import ClassTable
from geoglot.data.scenes import CLASSES, Scene, SceneSpec

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".webp")
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_TRIES, _ENOUGH = 8, 5
Place = tuple[str, tuple[float, ...]]


class Piece(NamedTuple):
    """A window of a source.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        classes: (H, W) class values; a value without a name is spoken of by no phrase.
        instances: (H, W) object numbers, 0 for none; ``None`` where objects are not told apart.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.integer[Any]]
    instances: NDArray[np.integer[Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledSource:
    """An image with its class map, read window by window.

    Attributes:
        id: Of the image, letters that a file name can hold.
        areas: Which part of it belongs to which split; crops do not cross from one to another.
        names: Class names, as the rules know them, by value.
        gsd_m: Metres per pixel.
        read: Reads a window.
        place: CRS as WKT and affine coefficients (a, b, c, d, e, f), ``None`` where there is no place.
    """

    id: str
    areas: Sequence[tuple[str, Window]]
    names: Mapping[int, str]
    gsd_m: float
    read: Callable[[Window], Piece]
    place: Place | None = None


def whole(split: str, width: int, height: int) -> list[tuple[str, Window]]:
    """All of an image for one split."""
    return [(split, Window(0, 0, width, height))]


def in_bands(width: int, height: int, *, least: int) -> list[tuple[str, Window]]:
    """An image cut into three bands along its longer side: 70 % train, 15 % validation, 15 % test.

    Args:
        width: Pixels.
        height: Pixels.
        least: A band that is narrower than that is left to ``train``.

    Example:
        >>> in_bands(1000, 100, least=100)[1]
        ('val', Window(column=700, row=0, width=150, height=100))
        >>> [split for split, _ in in_bands(300, 200, least=100)]
        ['train']
    """
    length = max(width, height)
    held = round(SHARES["val"] * length)
    if held < least:
        return whole("train", width, height)
    found = []
    for split, start, size in (
        ("train", 0, length - 2 * held),
        ("val", length - 2 * held, held),
        ("test", length - held, held),
    ):
        window = Window(start, 0, size, height) if width >= height else Window(0, start, width, size)
        found.append((split, window))
    return found


def split_by_number(count: int) -> list[str]:
    """Splits of so many images in their order: the last 15 % to test, those before them to validate, at least one each.

    Example:
        >>> split_by_number(4)
        ['train', 'train', 'val', 'test']
    """
    held = max(1, round(SHARES["val"] * count)) if count > 2 else 0
    return ["train"] * (count - 2 * held) + ["val"] * held + ["test"] * held


def raster_sources(
    image: str | Path,
    labels: str | Path,
    table: ClassTable,
    *,
    gsd_m: float | None = None,
    split: str | None = None,
    crop: int = 512,
) -> list[LabelledSource]:
    """An image with its class raster, or two folders of them with the same stems.

    Args:
        image: A raster (any that geoglot indexes: 8 or 16 bits, one, three or more bands) or a folder.
        labels: A class raster of the same size, or a folder.
        table: What its values or colours stand for.
        gsd_m: Metres per pixel; ``None`` asks the image.
        split: For all of it. ``None`` cuts one image into bands, and splits a folder by file.
        crop: Side of the crops to come: narrower bands make no sense.

    Raises:
        DataError: An image has no class raster, or the two do not fit.
        SourceError: A file cannot be read.
        UsageError: There is no such split, or the image does not tell its ground sample distance.
    """
    image, labels = Path(image), Path(labels)
    if split is not None and split not in SPLITS:
        raise UsageError(split, cause="is no split", remedy=f"choose one of {', '.join(SPLITS)}")
    if not image.is_dir():
        return [_raster_source(image, labels, table, gsd_m=gsd_m, split=split, crop=crop)]
    pairs = paired_files(image, labels)
    splits = [split] * len(pairs) if split else split_by_number(len(pairs))
    return [
        _raster_source(picture, classes, table, gsd_m=gsd_m, split=each, crop=crop)
        for (picture, classes), each in zip(pairs, splits, strict=True)
    ]


def paired_files(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Files of two folders with the same stem, by name.

    Raises:
        DataError: There is no image, or one without a class raster.
    """
    found = {path.stem: path for path in sorted(labels.glob("*")) if path.suffix.lower() in SUFFIXES}
    pictures = [path for path in sorted(images.glob("*")) if path.suffix.lower() in SUFFIXES]
    if not pictures:
        raise DataError(images, cause="holds no image", remedy=f"put images there: {', '.join(SUFFIXES)}")
    for path in pictures:
        if path.stem not in found:
            raise DataError(
                path, cause=f"has no class raster of its name in {labels}", remedy="add it, or remove the image"
            )
    return [(path, found[path.stem]) for path in pictures]


def _raster_source(
    image: Path, labels: Path, table: ClassTable, *, gsd_m: float | None, split: str | None, crop: int
) -> LabelledSource:
    from geoglot.geo.footprint import ground_sample_distance

    with _open(image) as dataset, _open(labels) as classes:
        width, height = int(dataset.width), int(dataset.height)
        if (classes.width, classes.height) != (width, height):
            cause = f"is {classes.width} x {classes.height} pixels, its image {width} x {height}"
            raise DataError(labels, cause=cause, remedy="warp it to the image's grid, such as with gdalwarp")
        placed = dataset.crs is not None and not dataset.transform.is_identity
        if placed and classes.crs is not None:
            far = np.abs(np.subtract(tuple(dataset.transform)[:6], tuple(classes.transform)[:6])).max()
            if classes.crs != dataset.crs or far > 0.5 * abs(dataset.transform.a):
                raise DataError(labels, cause="lies elsewhere than its image", remedy="warp it to the image's grid")
        place = (dataset.crs.to_wkt(), tuple(float(v) for v in tuple(dataset.transform)[:6])) if placed else None
        if gsd_m is None:
            from geoglot.geo.scene import Scene as Raster

            locator = Raster(dataset, subject=image).locator()
            gsd_m = ground_sample_distance(locator, width, height) if locator else None
    if gsd_m is None or not gsd_m > 0:
        raise UsageError(
            image, cause="does not tell how large its pixels are", remedy="give metres per pixel with --gsd"
        )
    areas = in_bands(width, height, least=crop) if split is None else whole(split, width, height)

    def read(window: Window) -> Piece:
        return _read_window(image, labels, table, window)

    return LabelledSource(id=_safe(image.stem), areas=areas, names=table.names, gsd_m=gsd_m, read=read, place=place)


def _read_window(image: Path, labels: Path, table: ClassTable, window: Window) -> Piece:
    from rasterio.windows import Window as RasterWindow

    from geoglot.geo.scene import Scene as Raster

    with _open(image) as dataset, _open(labels) as stored:
        raster = Raster(dataset, subject=image)
        raster.prepare()
        pixels = np.empty((window.height, window.width, raster.channels), dtype=np.uint8)
        valid = raster.read_into(window, pixels)
        bands = list(range(1, 4)) if stored.count >= 3 else 1
        drawn = stored.read(bands, window=RasterWindow(*window))
    classes = table.values(np.moveaxis(drawn, 0, -1) if drawn.ndim == 3 else drawn)
    if valid is not None:
        classes = np.where(valid, classes, -1)
    return Piece(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels, classes)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """A raster, opened as safely as any user's file."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    from geoglot.geo.opening import GDAL_SETTINGS, identify, open_raster

    with warnings.catch_warnings(), rasterio.Env(**GDAL_SETTINGS):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with open_raster(identify(path)) as dataset:
                yield dataset
        except RasterioError as error:
            raise DataError(path, cause=f"cannot be read ({error})", remedy="copy the file again") from error


def scene_sources(
    *, train: int, val: int, test: int, side: int = 512, gsd_m: float = 0.5, seed: int = 0
) -> list[LabelledSource]:
    """Generated scenes; they know their objects. Of several neighbouring seeds, the first that shows enough is taken.

    Args:
        train: Scenes to train with.
        val: Scenes to validate with.
        test: Scenes to test with.
        side: Pixels.
        gsd_m: Metres per pixel, [0.2, 2].
        seed: Another one gives other scenes.
    """
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    return [_scene_source(seed * 10_000_019 + n * _TRIES, split, side, gsd_m) for n, split in enumerate(splits)]


def _scene_source(seed: int, split: str, side: int, gsd_m: float) -> LabelledSource:
    def read(window: Window) -> Piece:
        scene = _lively_scene(seed, side, gsd_m)
        return Piece(scene.render(window), scene.classes(window), scene.instances(window))

    return LabelledSource(
        id=f"scene_{seed:06d}",
        areas=whole(split, side, side),
        names=dict(enumerate(CLASSES)),
        gsd_m=gsd_m,
        read=read,
    )


@lru_cache(maxsize=1)  # its crops come one after the other
def _lively_scene(seed: int, side: int, gsd_m: float) -> Scene:
    """The first of some scenes in which ``_ENOUGH`` classes have at least a hundredth of the picture."""
    for each in range(seed, seed + _TRIES):
        scene = Scene(SceneSpec(each, side, side, gsd_m=gsd_m))
        shares = np.bincount(scene.classes(Window(0, 0, side, side)).ravel()) / side**2
        if np.count_nonzero(shares > 0.01) >= _ENOUGH:
            break
    return scene


def _safe(stem: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem) or "image"
