"""Map tiles cut from a scene on the fly: Web Mercator, 256 pixels, with transparency where the scene has no data.

The scene is the one that was indexed: the same driver, the same bands unless others are asked for, the same stretch
for all its tiles unless another is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import SourceError, UsageError
from geoglot.core.records import Window
from geoglot.geo.opening import identify, open_raster
from geoglot.geo.scene import Scene

if TYPE_CHECKING:
    pass

SIDE: Final = 256
DEEPEST: Final = 24
HALF_WORLD: Final = math.pi * 6378137.0
"""Half the side of the Web Mercator square, metres."""
_WHOLE_SIDE = 2048


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
    """An open scene from which map tiles are cut. Inside ``rasterio.Env(**GDAL_SETTINGS)``.

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
        self.path = path
        self._dataset = open_raster(source)
        self._scene = Scene(self._dataset, subject=path, bands=look.bands, file_bytes=source.size)
        if self._scene.locator() is None:
            self._dataset.close()
            raise SourceError(path, cause="has no place on a map", remedy="show its picture instead")
        if look.stretch is None:
            self._scene.prepare()
        else:
            self._scene.fix_stretch(*look.stretch)
        self._look = look
        self._whole: tuple[NDArray[np.uint8], Any] | None = None

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def draw(self, z: int, x: int, y: int) -> NDArray[np.uint8]:
        """One tile, (256, 256, 4) uint8 red, green, blue, alpha; wholly transparent where the scene is not.

        Raises:
            UsageError: There is no such tile.
        """
        west, south, east, north = tile_bounds(z, x, y)
        from rasterio.transform import from_bounds

        transform = from_bounds(west, south, east, north, SIDE, SIDE)
        if self._coarse(transform):
            return self._from_whole(transform)
        return self._warped(transform)

    def _metres_per_pixel(self) -> float:
        from geoglot.geo.footprint import ground_sample_distance

        locator = self._scene.locator()
        found = ground_sample_distance(locator, self._scene.width, self._scene.height) if locator else None
        return float(found or 0.0)

    def _coarse(self, transform: Any) -> bool:
        """Whether a small copy of the whole scene is fine enough for a tile. Not for scenes placed by points."""
        if self._dataset.gcps[0] or self._dataset.crs is None:
            return False
        longest = max(self._scene.width, self._scene.height)
        factor = max(1.0, longest / _WHOLE_SIDE)
        return factor > 1 and self._metres_per_pixel() * factor <= transform.a * _least_scale(transform)

    def _from_whole(self, transform: Any) -> NDArray[np.uint8]:
        from rasterio.enums import Resampling
        from rasterio.warp import reproject

        if self._whole is None:
            self._whole = self._read_whole()
        pixels, own = self._whole
        out = np.zeros((4, SIDE, SIDE), np.uint8)
        reproject(
            pixels,
            out,
            src_transform=own,
            src_crs=self._dataset.crs,
            dst_transform=transform,
            dst_crs="EPSG:3857",
            resampling=Resampling.bilinear,
            num_threads=1,
        )
        return _as_picture(out[:3].transpose(1, 2, 0), out[3] > 127)

    def _read_whole(self) -> tuple[NDArray[np.uint8], Any]:
        scene = self._scene
        factor = max(scene.width, scene.height) / _WHOLE_SIDE
        width, height = max(1, round(scene.width / factor)), max(1, round(scene.height / factor))
        out = np.zeros((height, width, scene.channels), np.uint8)
        valid = scene.read_into(Window(0, 0, scene.width, scene.height), out)
        colours = np.repeat(out, 3, axis=2) if scene.channels == 1 else out
        alpha = np.full((height, width, 1), 255, np.uint8) if valid is None else valid[..., None] * np.uint8(255)
        rgba = np.ascontiguousarray(np.concatenate([colours, alpha], axis=2).transpose(2, 0, 1))
        a, b, c, d, e, f = tuple(self._dataset.transform)[:6]
        across, down = scene.width / width, scene.height / height
        own = type(self._dataset.transform)(a * across, b * down, c, d * across, e * down, f)
        return rgba, own

    def _warped(self, transform: Any) -> NDArray[np.uint8]:
        from rasterio.enums import ColorInterp, Resampling
        from rasterio.vrt import WarpedVRT

        has_alpha = ColorInterp.alpha in self._dataset.colorinterp
        how: dict[str, Any] = {"crs": "EPSG:3857", "transform": transform, "width": SIDE, "height": SIDE}
        how |= {"resampling": Resampling.bilinear, "add_alpha": not has_alpha, "warp_mem_limit": 64, "num_threads": 1}
        if self._scene.choice.is_palette:
            how["resampling"] = Resampling.nearest
        points, system = self._dataset.gcps
        if points and self._dataset.crs is None:
            # GDAL would bend the scene along its points, but not onto a given grid: the plane nearest to them does
            how |= {"src_crs": system, "src_transform": type(transform)(*(self._scene.transform() or ()))}
        with WarpedVRT(self._dataset, **how) as warped:
            shown = Scene(warped, subject=self.path, bands=self._look.bands)
            shown.share_stretch(self._scene)
            out = np.zeros((SIDE, SIDE, shown.channels), np.uint8)
            valid = shown.read_into(Window(0, 0, SIDE, SIDE), out)
        return _as_picture(out, np.ones((SIDE, SIDE), bool) if valid is None else valid)


def _least_scale(transform: Any) -> float:
    """True metres in a Web Mercator metre where a tile lies farthest from the equator."""
    farthest = max(abs(transform.f), abs(transform.f + SIDE * transform.e))
    return 1.0 / math.cosh(farthest / 6378137.0)


def _as_picture(colours: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W, 1 or 3) and (H, W) -> (H, W, 4)."""
    out = np.zeros((*valid.shape, 4), np.uint8)
    out[..., :3] = colours
    out[..., 3] = valid * np.uint8(255)
    out[~valid] = 0
    return out
