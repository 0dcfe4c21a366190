"""Whole photos: JPEG, PNG and WebP by Pillow, one tile each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import SourceError
from geoglot.core.records import Bounds, Tile, Window
from geoglot.geo.acquisition import acquisition_time, exif_time
from geoglot.geo.mask import fill_invalid
from geoglot.geo.opening import Identified
from geoglot.geo.resample import image_to_square, to_square
from geoglot.geo.ring import polygon_bytes
from geoglot.geo.source import ReadOptions, SourceInfo, TileBatch
from geoglot.geo.stretch import fit_stretch

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

T = TypeVar("T")
_GPS_IFD, _EXIF_IFD, _ORIENTATION = 0x8825, 0x8769, 0x0112
_DRAFT = 4  # a JPEG is decoded at no less than so many times the side that is wanted
_GPS_HALF_SIDE_DEGREES = 1e-5
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_photo(
    source: Identified, asked_for: Path, root: Path | None, options: ReadOptions
) -> list[SourceInfo | TileBatch]:
    """Read a photo: what it is, and its one tile.

    The declared size is checked before a pixel is read. EXIF orientation is applied, so width, height and window
    are those of the upright picture. An EXIF position becomes a square of about two metres round the point (smaller
    than such positions are right), with no ground sample distance: where the picture reaches is unknown.

    Args:
        source: The identified file.
        asked_for: Its path as the user knows it.
        root: Folder outside which no file is read.
        options: How to read.

    Returns:
        A :class:`SourceInfo` and a :class:`TileBatch` (left out where the picture is fully transparent).

    Raises:
        SourceError: Too many pixels, or no such picture. What Pillow raises on damaged files comes through as it is.
    """
    info, bounds, square = _photo(
        source, asked_for, root, options, lambda image, turn: _square_pixels(image, turn, options.side), draft=True
    )
    if square is None:
        return [info]
    window = Window(0, 0, info.width, info.height)
    tile = Tile(window=window, footprint=_square(bounds), bounds=bounds, time=info.time)
    return [info, TileBatch(pixels=square[None], tiles=[tile])]


def whole_photo(
    source: Identified, asked_for: Path, root: Path | None, options: ReadOptions
) -> tuple[SourceInfo, NDArray[np.uint8], NDArray[np.bool_] | None]:
    """A photo with all of its pixels, upright.

    Returns:
        What it is; (H, W, 3) uint8; (H, W) where it is opaque, or ``None`` where it is everywhere.

    Raises:
        SourceError: Too many pixels, or no such picture. What Pillow raises on damaged files comes through as it is.
    """
    info, _, (pixels, valid) = _photo(source, asked_for, root, options, _all_pixels, draft=False)
    return info, pixels, valid


def _photo(
    source: Identified,
    asked_for: Path,
    root: Path | None,
    options: ReadOptions,
    convert: Callable[[Image.Image, int], T],
    *,
    draft: bool,
) -> tuple[SourceInfo, Bounds | None, T]:
    """What a photo is, where it was taken, and what `convert` makes of it and its EXIF orientation."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours, below: Pillow's would only warn
    with source.path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Corrupt EXIF data")  # costs the position and the time, not the photo
        try:
            image = Image.open(file, formats=[source.driver])
        except UnidentifiedImageError as error:
            cause = f"begins like a {source.driver} but is none"
            raise SourceError(asked_for, cause=cause, remedy="copy the file again", stage="open") from error
        width, height = image.size
        if width * height > options.max_pixels_photo:
            cause = f"declares {width} x {height} pixels, more than {options.max_pixels_photo:,}"
            remedy = "convert it to a tiled GeoTIFF, which is read in windows"
            raise SourceError(asked_for, cause=cause, remedy=remedy, stage="describe")
        band_count, dtype = len(image.getbands()), "uint16" if image.mode.startswith("I") else "uint8"
        if draft:
            image.draft("RGB", (_DRAFT * options.side, _DRAFT * options.side))
        image.load()
        exif = read_exif(image)
        made = convert(image, _orientation(exif))
    if 5 <= _orientation(exif) <= 8:
        width, height = height, width
    bounds = gps_bounds(exif.get("gps", {}))
    time = acquisition_time(
        asked_for, root=root, expression=options.time_from, embedded=lambda: exif_time(exif.get("exif", {}))
    )
    info = SourceInfo(
        path=str(asked_for),
        driver=source.driver,
        width=width,
        height=height,
        band_count=band_count,
        dtype=dtype,
        crs="EPSG:4326" if bounds else None,
        gsd_m=None,
        time=time,
        kind="photo",
        tile_count=1,
    )
    return info, bounds, made


def _all_pixels(image: Image.Image, orientation: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """(H, W, 3) upright pixels, and which of them are opaque."""
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image)[..., None]
        scale = fit_stretch(deep.reshape(-1, 1))
        grey = scale(deep) if scale else deep.astype(np.uint8)
        return upright(np.repeat(grey, 3, axis=2), orientation), None
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = upright(np.asarray(image.convert("RGBA")), orientation)
        opaque = rgba[..., 3] > 0
        return rgba[..., :3], None if opaque.all() else opaque
    return upright(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), orientation), None


def read_exif(image: Image.Image) -> dict[str, Mapping[int, Any]]:
    """The EXIF directories that matter: ``main``, ``exif``, ``gps``; empty where they are absent or damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif = image.getexif()
            return {"main": dict(exif), "exif": exif.get_ifd(_EXIF_IFD), "gps": exif.get_ifd(_GPS_IFD)}
        except Exception:  # noqa: BLE001 - a damaged EXIF block must not cost the photo
            return {}


def _orientation(exif: Mapping[str, Mapping[int, Any]]) -> int:
    value = exif.get("main", {}).get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _square_pixels(image: Image.Image, orientation: int, side: int) -> NDArray[np.uint8] | None:
    """(side, side, 3) upright pixels, or ``None`` where hardly any pixel is opaque."""
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image)[..., None]
        scale = fit_stretch(deep.reshape(-1, 1))
        grey = scale(deep) if scale else deep.astype(np.uint8)
        return to_square(upright(np.repeat(grey, 3, axis=2), orientation), side)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        filled = fill_invalid(rgba[..., :3], rgba[..., 3] > 0)
        return None if filled is None else to_square(upright(filled, orientation), side)
    image = image if image.mode == "RGB" else image.convert("RGB")
    if orientation == 1:
        return image_to_square(image, side)
    return to_square(upright(np.asarray(image), orientation), side)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the turn or flip that an EXIF orientation (1 to 8) describes.

    Example:
        >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()  # stored lying on its left side
        [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def gps_bounds(gps: Mapping[int, Any]) -> Bounds | None:
    """A square of about two metres round an EXIF position, or ``None`` where there is no sound one.

    Example:
        >>> gps_bounds({1: "N", 2: (0.0, 30.0, 0.0), 3: "W", 4: (179.0, 15.0, 36.0)})
        Bounds(west=-179.26001, south=0.49999, east=-179.25999, north=0.50001)
    """
    latitude = _degrees(gps.get(2), gps.get(1), "N", "S")
    longitude = _degrees(gps.get(4), gps.get(3), "E", "W")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    if latitude == 0 and longitude == 0:  # what cameras without a fix write
        return None
    half = _GPS_HALF_SIDE_DEGREES
    wide = min(half / max(math.cos(math.radians(latitude)), 1e-3), 0.01)
    edges = (longitude - wide, latitude - half, longitude + wide, latitude + half)
    west, south, east, north = (round(edge, 9) for edge in edges)
    return Bounds(max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))


def _degrees(parts: Any, reference: Any, positive: str, negative: str) -> float | None:
    if isinstance(reference, bytes):
        reference = reference.decode("ascii", "replace")
    reference = str(reference or "").strip("\0 ").upper()
    if reference not in (positive, negative):
        return None
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    return (value if reference == positive else -value) if math.isfinite(value) else None


def _square(bounds: Bounds | None) -> bytes | None:
    if bounds is None:
        return None
    west, south, east, north = bounds
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return polygon_bytes(np.array([ring]))[0]
