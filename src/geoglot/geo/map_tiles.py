"""Map tiles cut from a scene on the fly: Web Mercator, 256 pixels, with transparency where the scene has no data.

The scene is the one that was indexed: the same driver, the same bands unless others are asked for, the same stretch
for all its tiles unless another is given. rio-tiler brings its pixels onto the grid of the map; it is given a file that
is open already, so that no driver reads a file but the one that its first bytes call for.
"""

from __future__ import annotations

import math
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Window
from geoglot.geo.mask import valid_by_value
from geoglot.geo.opening import identify, open_raster
from geoglot.geo.scene import Scene

if TYPE_CHECKING:
    import rasterio
    from rio_tiler.io import Reader
    from rio_tiler.models import ImageData

SIDE: Final = 256
DEEPEST: Final = 24
HALF_WORLD: Final = math.pi * 6378137.0
"""Half the side of the Web Mercator square, metres."""
_SMALL_SIDE = 2048
_WARPING: Final[dict[str, Any]] = {"warp_mem_limit": 64, "num_threads": 1}
"""Given for every tile: else a scene that is in Web Mercator already would be opened once more, by its name alone."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a scene is shown.

    Attributes:
        bands: One (grey) or three (red, green, blue), from 1 on; ``None`` for the usual ones.
        stretch: Value that becomes black and value that becomes white; ``None`` for the scene's own stretch.
    """

    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bands is not None and (len(self.bands) not in (1, 3) or min(self.bands) < 1):
            given, remedy = ",".join(map(str, self.bands)), "give one band number or three, counted from 1"
            raise UsageError(f"bands={given}", cause="is not a choice of bands", remedy=remedy)
        if self.stretch is not None and not (
            all(map(math.isfinite, self.stretch)) and self.stretch[0] < self.stretch[1]
        ):
            given, remedy = ",".join(f"{value:g}" for value in self.stretch), "give the darker value first"
            raise UsageError(f"stretch={given}", cause="is not a stretch", remedy=remedy)


def tile_bounds(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """West, south, east, north of a map tile in Web Mercator metres; row 0 is in the north.

    Raises:
        UsageError: There is no such tile.

    Example:
        >>> [round(edge) for edge in tile_bounds(1, 0, 0)]
        [-20037508, 0, 0, 20037508]
    """
    count = 1 << z if 0 <= z <= DEEPEST else 0
    if not (0 <= x < count and 0 <= y < count):
        cause, remedy = "is no tile of the map", f"0 <= z <= {DEEPEST}, 0 <= x, y < 2**z"
        raise UsageError(f"{z}/{x}/{y}", cause=cause, remedy=remedy)
    side = 2 * HALF_WORLD / count
    west, north = x * side - HALF_WORLD, HALF_WORLD - y * side
    return west, north - side, west + side, north


class MapSource:
    """An open scene from which map tiles are cut. Inside ``rasterio.Env(**WARPING_SETTINGS)``.

    Args:
        path: The file.
        look: How it is shown.

    Raises:
        SourceError: It is refused, cannot be opened, or is unlocated.
    """

    def __init__(self, path: Path, look: Look) -> None:
        source = identify(path)
        if source.driver not in ("GTiff", "JP2OpenJPEG"):
            raise SourceError(path, cause="is a photo, which has no place on a map", remedy="show its picture instead")
        self._dataset = open_raster(source)
        self._scene = Scene(self._dataset, subject=path, bands=look.bands, file_bytes=source.size)
        if self._scene.locator() is None:
            self._dataset.close()
            raise SourceError(path, cause="has no place on a map", remedy="show its picture instead")
        if look.stretch is None:
            self._scene.prepare()
        else:
            self._scene.fix_stretch(*look.stretch)
        self._open = ExitStack()
        self._open.callback(self._dataset.close)
        self._reader = self._reader_of(self._dataset)
        self._small: Reader | None = None

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def draw(self, z: int, x: int, y: int) -> NDArray[np.uint8]:
        """One tile, (256, 256, 4) uint8 red, green, blue, alpha; wholly transparent where the scene is not.

        Raises:
            UsageError: There is no such tile.
        """
        _, south, _, north = tile_bounds(z, x, y)
        if self._coarse((north - south) / SIDE, max(abs(south), abs(north))):
            return self._from_small_copy(z, x, y)
        choice = self._scene.choice
        extra = () if choice.alpha is None else (choice.alpha,)
        image = _tile(self._reader, (z, x, y), (*choice.colours, *extra), blend=not choice.is_palette)
        if image is None:
            return np.zeros((SIDE, SIDE, 4), np.uint8)
        read = np.ascontiguousarray(image.array.data.transpose(1, 2, 0))
        raw = read[..., : len(choice.colours)]
        nodata = self._dataset.nodata
        valid = valid_by_value(raw, [nodata] * len(choice.colours))
        if extra:
            seen = read[..., -1] > 0
        elif nodata is None:
            seen = ~np.ma.getmaskarray(image.array)[0]
        else:
            seen = np.ones((SIDE, SIDE), bool)
        out = np.zeros((SIDE, SIDE, self._scene.channels), np.uint8)
        shown = self._scene.paint(raw, seen if valid is None else valid & seen, out)
        return _as_picture(out, seen if shown is None else shown)

    @cached_property
    def _metres_per_pixel(self) -> float:
        from geoglot.geo.footprint import ground_sample_distance

        locator = self._scene.locator()
        found = ground_sample_distance(locator, self._scene.width, self._scene.height) if locator else None
        return float(found or 0.0)

    def _coarse(self, map_metres: float, farthest: float) -> bool:
        """Whether a small copy of the whole scene is fine enough for a tile. Not for scenes placed by points.

        Args:
            map_metres: Side of the tile's pixels on the map.
            farthest: How far from the equator the tile reaches on the map, where a true metre is longest on it.
        """
        if self._dataset.gcps[0] or self._dataset.crs is None:
            return False
        factor = max(1.0, max(self._scene.width, self._scene.height) / _SMALL_SIDE)
        return self._metres_per_pixel * factor <= map_metres / math.cosh(farthest / 6378137.0)

    def _from_small_copy(self, z: int, x: int, y: int) -> NDArray[np.uint8]:
        if self._small is None:
            self._small = self._copy_small()
        image = _tile(self._small, (z, x, y), (1, 2, 3, 4))
        if image is None:
            return np.zeros((SIDE, SIDE, 4), np.uint8)
        pixels = image.array.data.transpose(1, 2, 0)
        return _as_picture(pixels[..., :3], pixels[..., 3] > 127)

    def _copy_small(self) -> Reader:
        """The whole scene as red, green, blue, alpha in memory, its longer side at most 2,048 pixels."""
        import rasterio

        scene = self._scene
        factor = max(1.0, max(scene.width, scene.height) / _SMALL_SIDE)
        width, height = max(1, round(scene.width / factor)), max(1, round(scene.height / factor))
        out = np.zeros((height, width, scene.channels), np.uint8)
        valid = scene.read_into(Window(0, 0, scene.width, scene.height), out)
        rgba = _as_picture(out, np.ones((height, width), bool) if valid is None else valid)
        own = self._dataset.transform
        own = own @ type(own).scale(scene.width / width, scene.height / height)
        profile = {"width": width, "height": height, "count": 4, "dtype": "uint8", "photometric": "RGB", "tiled": True}
        file = self._open.enter_context(rasterio.MemoryFile())
        with file.open(driver="GTiff", crs=self._dataset.crs, transform=own, alpha="yes", **profile) as copy:
            copy.write(rgba.transpose(2, 0, 1))
        return self._reader_of(self._open.enter_context(file.open(driver="GTiff")))

    def _reader_of(self, dataset: rasterio.DatasetReader) -> Reader:
        """rio-tiler over a file that is open already."""
        from rio_tiler.errors import NoOverviewWarning
        from rio_tiler.io import Reader

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoOverviewWarning)
            reader = Reader(None, dataset=dataset)
        self._open.callback(reader.close)
        return reader


def _tile(
    reader: Reader, place: tuple[int, int, int], bands: tuple[int, ...], *, blend: bool = True
) -> ImageData | None:
    """Bands of a tile in the file's own type, ``None`` where the file does not reach."""
    from rio_tiler.errors import TileOutsideBounds

    z, x, y = place
    how: Literal["nearest", "bilinear"] = "bilinear" if blend else "nearest"
    try:
        return reader.tile(
            x, y, z, tilesize=SIDE, indexes=bands, resampling_method=how, reproject_method=how, vrt_options=_WARPING
        )
    except TileOutsideBounds:
        return None


def _as_picture(colours: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W, 1 or 3) and (H, W) -> (H, W, 4)."""
    out = np.zeros((*valid.shape, 4), np.uint8)
    out[..., :3] = colours
    out[..., 3] = valid * np.uint8(255)
    out[~valid] = 0
    return out
