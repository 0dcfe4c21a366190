"""What a raster says of itself: bands, place, time; and its pixels in windows, at any level."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import SourceError
from geoglot.core.records import Window
from geoglot.geo.acquisition import tag_time
from geoglot.geo.bands import BandChoice, choose_bands
from geoglot.geo.footprint import ControlPoint, Locator
from geoglot.geo.mask import valid_by_value
from geoglot.geo.stretch import Stretch, fit_stretch

if TYPE_CHECKING:
    import rasterio

_SAMPLE_PIXELS = 1 << 20
_SAMPLE_GRID = 5
_SAMPLE_SIDE = 256
_MOST_SAMPLES = 400
_ENOUGH_VALID_PIXELS = 20_000
_LARGEST_BLOCK_BYTES = 1 << 30
_TALLEST_STRIP = 1024
_TALLEST_TILE = 4096
_SPARSE_FROM = 100


class Scene:
    """An open raster with its band choice and stretch.

    Args:
        dataset: Open rasterio dataset.
        subject: The file, for errors.
        bands: Band numbers given by the user.
        file_bytes: Size of the file: one much smaller than its pixels may leave out blocks, which hold no data then.

    Raises:
        SourceError: A pixel type or block that cannot be read, or bands that the file does not have.
    """

    def __init__(
        self,
        dataset: rasterio.DatasetReader,
        *,
        subject: object,
        bands: tuple[int, ...] | None = None,
        file_bytes: int = 1 << 62,
    ) -> None:
        self._dataset = dataset
        self.subject = subject
        self.width, self.height = int(dataset.width), int(dataset.height)
        interpretations = [band.name for band in dataset.colorinterp]
        self.choice: BandChoice = choose_bands(interpretations, dataset.descriptions, wanted=bands, subject=subject)
        self.dtype = self._pixel_type()
        self._nodata = [dataset.nodatavals[band - 1] for band in self.choice.colours]
        self._palette = self._read_palette() if self.choice.is_palette else None
        flags = dataset.mask_flag_enums[self.choice.colours[0] - 1]
        self._has_mask = "per_dataset" in [flag.name for flag in flags] and self.choice.alpha is None
        self._white_is_zero = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
        self._stretch: Stretch | None = None
        self.block_height, self.block_width = (int(side) for side in dataset.block_shapes[0])
        self._check_block()
        raw_bytes = self.width * self.height * dataset.count * self.dtype.itemsize
        self._may_be_sparse = dataset.driver == "GTiff" and raw_bytes > _SPARSE_FROM * file_bytes

    def _pixel_type(self) -> np.dtype[Any]:
        names = {self._dataset.dtypes[band - 1] for band in self.choice.colours}
        name = names.pop()
        if names or name.startswith("complex"):
            cause = f"has pixels of type {', '.join(sorted({name, *names}))}"
            remedy = "convert it to one real pixel type"
            raise SourceError(self.subject, cause=cause, remedy=remedy, stage="describe")
        dtype: np.dtype[Any] = np.dtype(name)
        return dtype

    def _check_block(self) -> None:
        """A block is decoded as a whole: refuse one that no machine wants to hold."""
        together = self._dataset.count if str(self._dataset.profile.get("interleave")) == "pixel" else 1
        size = self.block_height * self.block_width * self.dtype.itemsize * together
        if size > _LARGEST_BLOCK_BYTES:
            cause = f"has blocks of {self.block_width} x {self.block_height} pixels ({size / 2**30:.1f} GiB each)"
            remedy = "tile it, for example with gdal_translate -co TILED=YES"
            raise SourceError(self.subject, cause=cause, remedy=remedy, stage="describe")

    def _read_palette(self) -> NDArray[np.uint8]:
        """(2**bits, 4) red, green, blue, alpha."""
        table = np.zeros((1 << (8 * self.dtype.itemsize), 4), np.uint8)
        for entry, colour in self._dataset.colormap(self.choice.colours[0]).items():
            if 0 <= entry < len(table):
                table[entry] = colour
        return table

    @property
    def band_count(self) -> int:
        """Bands in the file, alpha included."""
        return int(self._dataset.count)

    @property
    def channels(self) -> int:
        """Channels of the pixels that :meth:`read` gives: 1 (grey) or 3."""
        return 3 if self.choice.is_palette else len(self.choice.colours)

    @property
    def aligned_rows(self) -> int:
        """Rows that are decoded together, 1 where aligning to them would need too much memory.

        Tiles may be taller than strips, for they can be read in chunks of columns.
        """
        tallest = _TALLEST_TILE if self.block_width < self.width else _TALLEST_STRIP
        return self.block_height if self.block_height <= tallest else 1

    @property
    def bytes_per_pixel(self) -> int:
        """Rough working memory for a pixel on its way to 8 bits."""
        copies = 0 if self.dtype == np.uint8 and self._palette is None else 4
        return self.channels * (1 + copies * self.dtype.itemsize) + 2

    def locator(self) -> Locator | None:
        """From pixels to places; ``None`` where the file does not say, or says something unusable."""
        points, points_crs = self._dataset.gcps
        transform = self._dataset.transform
        try:
            if self._dataset.crs is not None and not transform.is_identity:
                return Locator(self._dataset.crs.to_wkt(), tuple(transform)[:6])
            if points and points_crs is not None:
                controls = [ControlPoint(column=p.col, row=p.row, x=p.x, y=p.y) for p in points]
                return Locator(points_crs.to_wkt(), control_points=controls)
        except ValueError:
            return None
        return None

    def transform(self) -> tuple[float, ...] | None:
        """From pixels to the source's own system, (a, b, c, d, e, f); ``None`` where there is nothing to go by.

        Of ground control points it is the plane nearest to them, so an approximation where :meth:`locator` bends.
        """
        points, _ = self._dataset.gcps
        if self._dataset.crs is not None and not self._dataset.transform.is_identity:
            return tuple(float(number) for number in tuple(self._dataset.transform)[:6])
        if len(points) < 3:
            return None
        design = np.array([(point.col, point.row, 1.0) for point in points])
        plane = np.array([(point.x, point.y) for point in points])
        solution = np.linalg.lstsq(design, plane, rcond=None)[0]
        return tuple(float(number) for number in solution.T.reshape(-1))

    def embedded_time(self) -> datetime | None:
        """The acquisition time in the file's own tags."""
        tags = {**self._dataset.tags(), **self._dataset.tags(ns="EXIF"), **self._dataset.tags(ns="IMAGERY")}
        return tag_time(tags)

    def prepare(self) -> None:
        """Fit the stretch to a sample of the scene. Call once, before :meth:`read_into`."""
        if self._palette is not None:
            return
        samples, masks, valid_pixels = [], [], 0
        for number, (window, shape) in enumerate(self._sample_windows()):
            if number >= _SAMPLE_GRID**2 and valid_pixels >= _ENOUGH_VALID_PIXELS:
                break
            raw, valid = self._raw(window, shape, nearest=True)
            samples.append(raw.reshape(-1, raw.shape[-1]))
            masks.append(np.ones(len(samples[-1]), bool) if valid is None else valid.reshape(-1))
            valid_pixels += int(np.count_nonzero(masks[-1]))
        if samples:
            self._stretch = fit_stretch(np.concatenate(samples), np.concatenate(masks))

    def fix_stretch(self, low: float, high: float) -> None:
        """Take this stretch for all bands: `low` becomes black, `high` white. Instead of :meth:`prepare`."""
        bands = len(self.choice.colours)
        self._stretch = Stretch(low=np.full(bands, low), high=np.full(bands, high))

    def _sample_windows(self) -> Iterator[tuple[Window, tuple[int, int]]]:
        """Windows that stand for the scene, with the shape to read each in.

        An overview, or all of a small scene. Else a grid of cells, and then more cells in an order without pattern:
        they are needed only where the first ones hold hardly any data.
        """
        overviews = self._dataset.overviews(self.choice.colours[0])
        for factor in (1, *sorted(f for f in overviews if max(self.width, self.height) // f >= _SAMPLE_SIDE)):
            width, height = -(-self.width // factor), -(-self.height // factor)
            if width * height <= _SAMPLE_PIXELS:
                yield Window(0, 0, self.width, self.height), (height, width)
                return
        across, down = -(-self.width // _SAMPLE_SIDE), -(-self.height // _SAMPLE_SIDE)
        columns = np.unique(np.linspace(0, across - 1, _SAMPLE_GRID).astype(int))
        rows = np.unique(np.linspace(0, down - 1, _SAMPLE_GRID).astype(int))
        grid = [int(row * across + column) for row in rows for column in columns]
        others = np.random.default_rng(0).permutation(across * down)
        given = 0
        for cell in (*grid, *others.tolist()):
            window = self._cell(cell % across, cell // across)
            if self._may_be_sparse and not self._stored(window).any():
                continue
            yield window, (window.height, window.width)
            given += 1
            if given >= _MOST_SAMPLES:
                return

    def _cell(self, column: int, row: int) -> Window:
        left, top = column * _SAMPLE_SIDE, row * _SAMPLE_SIDE
        return Window(left, top, min(_SAMPLE_SIDE, self.width - left), min(_SAMPLE_SIDE, self.height - top))

    def read_into(self, window: Window, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """Read a window as 8-bit colours.

        Args:
            window: Full-resolution pixels.
            out: (H, W, channels) to fill; a smaller shape than the window's reads it reduced (from overviews).

        Returns:
            (H, W) where there is data, or ``None`` where there is everywhere.

        Raises:
            rasterio.errors.RasterioIOError: The file is damaged there.
        """
        shape = (out.shape[0], out.shape[1])
        stored = self._stored(window) if self._may_be_sparse else None
        if stored is not None and not stored.any():
            out[...] = 0
            return np.zeros(shape, bool)
        direct = out if self.dtype == np.uint8 and self._stretch is None and self._palette is None else None
        raw, valid = self._raw(window, shape, nearest=self._palette is not None, out=direct)
        valid = self.paint(raw, valid, out)
        if stored is not None and not stored.all() and shape == (window.height, window.width):
            present = self._per_pixel(stored, window)
            return present if valid is None else valid & present
        return valid

    def paint(
        self, raw: NDArray[Any], valid: NDArray[np.bool_] | None, out: NDArray[np.uint8]
    ) -> NDArray[np.bool_] | None:
        """Turn pixels of the file's own type into 8-bit colours, as its palette or its stretch says.

        Args:
            raw: (H, W, bands) of the chosen bands; may be `out` itself where nothing is to be done but to turn them.
            valid: (H, W) where there is data, or ``None`` where there is everywhere.
            out: (H, W, channels) to fill.

        Returns:
            (H, W) where there is data to be seen, or ``None``.
        """
        if self._palette is not None:
            entries = self._palette[np.minimum(raw[..., 0], len(self._palette) - 1)]
            out[...] = entries[..., :3]
            opaque: NDArray[np.bool_] = entries[..., 3] > 0
            return opaque if valid is None else valid & opaque
        if raw is not out:
            out[...] = self._stretch(raw) if self._stretch else raw
        if self._white_is_zero:
            np.subtract(255, out, out=out)
        return valid

    def _stored(self, window: Window) -> NDArray[np.bool_]:
        """Which of a window's blocks a sparse file really has, (block rows, block columns)."""
        rows = range(window.row // self.block_height, -(-(window.row + window.height) // self.block_height))
        columns = range(window.column // self.block_width, -(-(window.column + window.width) // self.block_width))
        band = self.choice.colours[0]
        ask = self._dataset.get_tag_item
        return np.array(
            [[ask(f"BLOCK_OFFSET_{c}_{r}", "TIFF", bidx=band) is not None for c in columns] for r in rows], bool
        )

    def _per_pixel(self, stored: NDArray[np.bool_], window: Window) -> NDArray[np.bool_]:
        top, left = window.row % self.block_height, window.column % self.block_width
        whole = stored.repeat(self.block_height, axis=0).repeat(self.block_width, axis=1)
        return whole[top : top + window.height, left : left + window.width]

    def _raw(
        self, window: Window, shape: tuple[int, int], *, nearest: bool, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Pixels in the file's own type, (H, W, C), and where they are valid."""
        from rasterio.enums import Resampling
        from rasterio.windows import Window as RasterWindow

        bands = list(self.choice.colours)
        how = {
            "window": RasterWindow(*window),
            "resampling": Resampling.nearest if nearest else Resampling.average,
        }
        raw = np.empty((*shape, len(bands)), self.dtype) if out is None else out
        self._dataset.read(bands, out=raw.transpose(2, 0, 1), **how)
        valid = valid_by_value(raw, self._nodata)
        extra = None
        if self.choice.alpha is not None:
            extra = self._dataset.read(self.choice.alpha, out_shape=shape, **how) > 0
        elif self._has_mask:
            extra = self._dataset.read_masks(bands[0], out_shape=shape, window=how["window"]) > 0
        if extra is not None:
            valid = extra if valid is None else valid & extra
        return raw, valid
