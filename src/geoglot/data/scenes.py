"""Synthetic aerial scenes of any size: pictures, class maps, object numbers and captions, window by window.

A scene is a pure function of its :class:`SceneSpec`. Any window costs the same wherever it lies and needs memory for that
window only; neighbouring windows agree to the pixel. Pixel coordinates are (column, row) of a pixel's top-left corner.

Example:
    >>> scene = Scene(SceneSpec(seed=4, width=100_000, height=100_000))
    >>> scene.render(Window(90_000, 70_000, 64, 48)).shape
    (48, 64, 3)
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.core.records import Window
from geoglot.data.scenery.block import Block, draw_block, draw_things
from geoglot.data.scenery.build import THINGS_PER_FEATURE, build
from geoglot.data.scenery.captions import LANGUAGES, write_captions
from geoglot.data.scenery.classes import CLASS_INDEX, CLASSES
from geoglot.data.scenery.plan import CELL, DemoPlan, Feature, Plan, WorldPlan
from geoglot.data.scenery.relations import View
from geoglot.data.scenery.shading import Place
from geoglot.data.scenery.sketch import SMALLEST_TREE_M, SUBPIXELS, Drawing, circle

__all__ = ["CLASSES", "CLASS_INDEX", "LANGUAGES", "Scene", "SceneObject", "SceneSpec", "demo_spec", "write_geotiff"]

Key = TypeVar("Key")
Value = TypeVar("Value")

_BLOCK = 512
_BLOCKS_KEPT = 24
_DRAWINGS_KEPT = 160


@dataclass(frozen=True)
class SceneSpec:
    """All that a scene depends on.

    Attributes:
        seed: Any integer.
        width: Pixels.
        height: Pixels.
        gsd_m: Ground sample distance, metres per pixel, in [0.2, 2].
        crs: Any projected system in metres that PROJ knows.
        origin: Coordinates (x, y) of the top-left corner in that system.
        acquired: When the picture pretends to have been taken; it goes into the file's tags.
        layout: ``world`` for endless country and towns, ``demo`` for the fixed map of :func:`demo_spec`.

    Raises:
        UsageError: A value is out of its range.

    Example:
        >>> spec = SceneSpec(1, 2000, 1000, gsd_m=0.5, origin=(500_000.0, 5_000_000.0))
        >>> spec.transform
        (0.5, 0.0, 500000.0, 0.0, -0.5, 5000000.0)
    """

    seed: int
    width: int
    height: int
    gsd_m: float = 0.5
    crs: str = "EPSG:32633"
    origin: tuple[float, float] = (390_000.0, 5_820_000.0)
    acquired: datetime = field(default=datetime(2024, 6, 15, 9, 40, tzinfo=UTC), kw_only=True)
    layout: Literal["world", "demo"] = field(default="world", kw_only=True)

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise UsageError(f"{self.width} x {self.height}", cause="is not a size in pixels", remedy="use positive ones")
        if not 0.2 <= self.gsd_m <= 2.0:
            raise UsageError(self.gsd_m, cause="is not a ground sample distance in [0.2, 2] m", remedy="try 0.5")
        if self.layout not in ("world", "demo"):
            raise UsageError(self.layout, cause="is not a layout", remedy="choose world or demo")

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Coefficients a, b, c, d, e, f of x = a*column + b*row + c, y = d*column + e*row + f."""
        return self.gsd_m, 0.0, self.origin[0], 0.0, -self.gsd_m, self.origin[1]


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """A countable object of a scene.

    Attributes:
        id: Its value in instance maps, the same in every window.
        class_name: Entry of ``CLASSES``.
        polygon: (N, 2) outline, column and row in pixels of the scene; it may reach out of the window.
        centre: Mean of the outline, column and row in pixels of the scene.
        visible: Share of the object's own area that shows in the window, [0, 1]; what trees or the window's edge hide
            is missing.
    """

    id: int
    class_name: str
    polygon: NDArray[np.float64]
    centre: tuple[float, float]
    visible: float


class _Store(Generic[Key, Value]):
    """The last few values made, by key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._kept[key] = make()
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value


class Scene:
    """Renders windows of a scene.

    Args:
        spec: What the scene depends on.

    Raises:
        UsageError: The scene is too large for object numbers of 31 bits (about 120 km square).

    Example:
        >>> scene = Scene(demo_spec())
        >>> window = Window(column=1000, row=2000, width=80, height=60)
        >>> scene.classes(window).shape, scene.instances(window).dtype
        ((60, 80), dtype('int32'))
    """

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self._plan: Plan = DemoPlan(spec.seed) if spec.layout == "demo" else WorldPlan(spec.seed)
        edge = np.linspace(0.0, 1.0, 65)
        x = np.concatenate([edge, edge, edge * 0, edge * 0 + 1]) * spec.width * spec.gsd_m
        y = np.concatenate([edge * 0, edge * 0 + 1, edge, edge]) * spec.height * spec.gsd_m
        u, v = self._plan.warp.to_plan(x, y)
        # An airport's first cell may lie up to seven cells outside.
        self._first_column, self._first_row = math.floor(u.min() / CELL) - 9, math.floor(v.min() / CELL) - 9
        self._columns = math.ceil(u.max() / CELL) + 10 - self._first_column
        rows = math.ceil(v.max() / CELL) + 10 - self._first_row
        if self._columns * rows * THINGS_PER_FEATURE >= 2**31:
            raise UsageError(f"{spec.width} x {spec.height}", cause="is too large a scene", remedy="split it in two")
        self._blocks: _Store[tuple[int, int], Block] = _Store(_BLOCKS_KEPT)
        self._things: _Store[tuple[int, int], NDArray[np.int32]] = _Store(_BLOCKS_KEPT)
        self._drawings: _Store[Feature, Drawing] = _Store(_DRAWINGS_KEPT)

    def render(self, window: Window) -> NDArray[np.uint8]:
        """The picture of a window: (H, W, 3) uint8 RGB.

        Raises:
            UsageError: The window is empty or not inside the scene.
        """
        picture = np.empty((window.height, window.width, 3), dtype=np.uint8)
        for target, source, place in self._pieces(window):
            picture[target] = self._block(place).picture[source]
        return picture

    def classes(self, window: Window) -> NDArray[np.uint8]:
        """The class map of a window: (H, W) uint8 indices into ``CLASSES``."""
        values = np.empty((window.height, window.width), dtype=np.uint8)
        for target, source, place in self._pieces(window):
            values[target] = self._block(place).classes[source]
        return values

    def instances(self, window: Window) -> NDArray[np.int32]:
        """Which object each pixel shows: (H, W) int32, 0 for none."""
        numbers = np.empty((window.height, window.width), dtype=np.int32)
        for target, source, place in self._pieces(window):
            numbers[target] = self._numbers(place)[source]
        return numbers

    def objects(self, window: Window) -> list[SceneObject]:
        """Objects of which at least one pixel shows in a window, by ascending number."""
        ids, pixels = np.unique(self.instances(window), return_counts=True)
        shown = dict(zip(ids.tolist(), pixels.tolist(), strict=True))
        shown.pop(0, None)
        found: dict[int, SceneObject] = {}
        x0, y0 = window.column, window.row
        for drawing in self._drawings_near(x0, y0, window.width, window.height):
            for number, name, outline in _countable(drawing, self.spec.gsd_m):
                if number in shown:
                    polygon = outline / SUBPIXELS
                    visible = min(1.0, shown[number] / max(_area(polygon), 1.0))
                    column, row = polygon.mean(axis=0).tolist()
                    found[number] = SceneObject(
                        id=number, class_name=name, polygon=polygon, centre=(column, row), visible=visible
                    )
        return [found[number] for number in sorted(found)]

    def view(self, window: Window) -> View:
        """What a caption may speak of: the class map and the objects of which more than half shows."""
        objects = [thing for thing in self.objects(window) if thing.visible > 0.5]
        return View(
            classes=self.classes(window),
            instances=self.instances(window),
            objects=[(thing.id, thing.class_name) for thing in objects],
            gsd_m=self.spec.gsd_m,
        )

    def captions(
        self, window: Window, languages: Sequence[str] = LANGUAGES, count: int = 5, seed: int = 0
    ) -> dict[str, list[str]]:
        """Sentences that are true of a window; the n-th of each language says the same.

        Args:
            window: The window.
            languages: Some of ``en``, ``ar``, ``fr``, ``it``.
            count: Sentences per language.
            seed: Chooses among what could be said, and among wordings.

        Raises:
            UsageError: A language is not one of the four.

        Example:
            >>> scene = Scene(demo_spec())
            >>> captions = scene.captions(Window(2200, 2050, 384, 384), count=2)
            >>> sorted(captions), len(captions["ar"])
            (['ar', 'en', 'fr', 'it'], 2)
        """
        return write_captions(self.view(window), languages=languages, count=count, seed=seed)

    def _pieces(self, window: Window) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice], Place]]:
        """Blocks that a window touches, with the target part of the window and the source part of the block."""
        x0, y0, width, height = window
        inside = 0 <= x0 and 0 <= y0 and x0 + width <= self.spec.width and y0 + height <= self.spec.height
        if width < 1 or height < 1 or not inside:
            size = f"{self.spec.width} x {self.spec.height}"
            raise UsageError(tuple(window), cause=f"is not inside the scene of {size} pixels", remedy="move or shrink it")
        for row in range(y0 // _BLOCK, (y0 + height - 1) // _BLOCK + 1):
            for column in range(x0 // _BLOCK, (x0 + width - 1) // _BLOCK + 1):
                left, top = column * _BLOCK, row * _BLOCK
                ends_x, ends_y = min(x0 + width, left + _BLOCK), min(y0 + height, top + _BLOCK)
                from_x, from_y = max(x0, left), max(y0, top)
                target = (slice(from_y - y0, ends_y - y0), slice(from_x - x0, ends_x - x0))
                source = (slice(from_y - top, ends_y - top), slice(from_x - left, ends_x - left))
                yield target, source, Place(left, top, _BLOCK, self.spec.gsd_m, self.spec.seed)

    def _block(self, place: Place) -> Block:
        def make() -> Block:
            return draw_block(self._plan, self._drawings_near(place.column, place.row, place.side, place.side), place)

        return self._blocks.get((place.column, place.row), make)

    def _numbers(self, place: Place) -> NDArray[np.int32]:
        def make() -> NDArray[np.int32]:
            return draw_things(self._drawings_near(place.column, place.row, place.side, place.side), place)

        return self._things.get((place.column, place.row), make)

    def _drawings_near(self, column: int, row: int, width: int, height: int) -> list[Drawing]:
        """Drawings of all features that lie at most one cell away from a rectangle of pixels."""
        steps = np.linspace(0.0, 1.0, 2 + max(width, height) // 500)
        x, y = np.meshgrid((column + steps * width) * self.spec.gsd_m, (row + steps * height) * self.spec.gsd_m)
        u, v = self._plan.warp.to_plan(x, y)
        columns = range(math.floor(u.min() / CELL) - 1, math.floor(u.max() / CELL) + 2)
        rows = range(math.floor(v.min() / CELL) - 1, math.floor(v.max() / CELL) + 2)
        features = sorted({self._plan.feature(c, r) for r in rows for c in columns}, key=lambda f: (f.row, f.column))
        return [self._drawings.get(feature, partial(self._build, feature)) for feature in features]

    def _build(self, feature: Feature) -> Drawing:
        cell = (feature.row - self._first_row) * self._columns + feature.column - self._first_column
        return build(self._plan, feature, first_id=1 + cell * THINGS_PER_FEATURE, gsd_m=self.spec.gsd_m)


def _countable(drawing: Drawing, gsd_m: float) -> Iterator[tuple[int, str, NDArray[np.float64]]]:
    for thing in drawing.things:
        yield thing.id, thing.class_name, thing.outline.astype(np.float64)
    round_ = np.array(circle((0.0, 0.0), 1.0, 12))
    smallest = round(SMALLEST_TREE_M * SUBPIXELS / gsd_m)
    for x, y, radius, _, number in drawing.trees.tolist():
        if number and radius >= smallest - 1:
            # Crowns are ragged: about nine tenths of the circle is leaf.
            yield number, "tree", np.array((x, y)) + round_ * radius * 0.9


def _area(polygon: NDArray[np.float64]) -> float:
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def demo_spec(seed: int = 7) -> SceneSpec:
    """A scene of 6,000 x 4,500 pixels (3 km x 2.25 km) on a fixed map that holds every class at least once.

    Example:
        >>> demo_spec().width, demo_spec().layout
        (6000, 'demo')
    """
    return SceneSpec(seed, 6000, 4500, layout="demo")


def write_geotiff(
    spec: SceneSpec,
    path: str | Path,
    *,
    compress: str = "deflate",
    tile: int = 512,
    overviews: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a scene as a tiled GeoTIFF; memory does not grow with the scene.

    The file appears under its name only when it is whole.

    Args:
        spec: The scene.
        path: File to write; its folder must exist.
        compress: GDAL compression: ``deflate``, ``lzw``, ``zstd``, ``jpeg`` or ``none``.
        tile: Side of the file's tiles, pixels, a multiple of 16.
        overviews: Add reduced pictures down to about 512 pixels.
        progress: Called with pixels done and pixels in all.

    Returns:
        The path.

    Raises:
        UsageError: The coordinate system is not projected in metres, or an option makes no sense.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = write_geotiff(SceneSpec(1, 300, 200), Path(folder.name) / "scene.tif", tile=128)
        >>> path.stat().st_size > 10_000
        True
        >>> folder.cleanup()
    """
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.errors import CRSError
    from rasterio.transform import Affine

    path = Path(path)
    if tile < 16 or tile % 16:
        raise UsageError(tile, cause="is not a multiple of 16", remedy="use 256 or 512")
    if compress.lower() not in ("deflate", "lzw", "zstd", "jpeg", "none"):
        raise UsageError(compress, cause="is not a compression we write", remedy="use deflate")
    try:
        crs = rasterio.CRS.from_user_input(spec.crs)
    except CRSError as error:
        raise UsageError(spec.crs, cause="is not a known coordinate system", remedy="use an EPSG code") from error
    if not crs.is_projected or crs.linear_units_factor[1] != 1.0:
        raise UsageError(spec.crs, cause="is not projected in metres", remedy="use a UTM zone such as EPSG:32633")
    options: dict[str, Any] = {"compress": compress, "tiled": True, "blockxsize": tile, "blockysize": tile}
    if compress.lower() in ("deflate", "lzw", "zstd"):
        options["predictor"] = 2
    if compress.lower() == "deflate":
        options["zlevel"] = 3
    if compress.lower() == "jpeg":
        options["photometric"] = "ycbcr"
    partial = path.with_name(f".{path.name}.part")
    try:
        with rasterio.Env(GDAL_CACHEMAX=64):
            with rasterio.open(
                partial,
                "w",
                driver="GTiff",
                width=spec.width,
                height=spec.height,
                count=3,
                dtype="uint8",
                crs=crs,
                transform=Affine(*spec.transform),
                interleave="pixel",
                bigtiff="if_safer",
                **options,
            ) as file:
                file.update_tags(TIFFTAG_DATETIME=spec.acquired.strftime("%Y:%m:%d %H:%M:%S"))
                file.update_tags(TIFFTAG_SOFTWARE="geoglot scene generator", SEED=str(spec.seed))
                file.update_tags(ns="IMAGERY", ACQUISITIONDATETIME=spec.acquired.astimezone(UTC).isoformat())
                _fill(file, spec, progress)
            factors = [2**k for k in range(1, 12) if max(spec.width, spec.height) / 2**k >= 256]
            if overviews and factors:
                with rasterio.open(partial, "r+") as file:
                    file.build_overviews(factors, Resampling.AVERAGE)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _fill(file: Any, spec: SceneSpec, progress: Callable[[int, int], None] | None) -> None:
    from rasterio.windows import Window as RasterWindow

    scene = Scene(spec)
    side, done = 4 * _BLOCK, 0
    for row in range(0, spec.height, side):
        for column in range(0, spec.width, side):
            window = Window(column, row, min(side, spec.width - column), min(side, spec.height - row))
            picture = scene.render(window)
            file.write(np.moveaxis(picture, -1, 0), window=RasterWindow(*window))
            done += window.area
            if progress is not None:
                progress(done, spec.width * spec.height)
