"""Small things that the tests of the archive share: rows, an encoder, a decoder, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image

from geoglot.archive.entries import Source
from geoglot.archive.rows import Rows, rows_of
from geoglot.archive.store import ArchiveStore
from geoglot.core.errors import SourceError
from geoglot.core.records import Bounds, Tile, Window

BUNDLE = "cd" * 32
DIMENSION = 16


def new_store(path: Path, dimension: int = DIMENSION, **more: Any) -> ArchiveStore:
    return ArchiveStore.create(path, bundle_id="test-1", bundle_sha256=BUNDLE, dimension=dimension, **more)


def content(name: object) -> str:
    return sha256(str(name).encode()).hexdigest()


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    wide = np.asarray(vectors, np.float32)
    return wide / np.linalg.norm(wide, axis=-1, keepdims=True)


def clustered(generator: np.random.Generator, count: int, dimension: int, clusters: int = 50) -> NDArray[np.float32]:
    """Unit vectors in clusters of very different sizes, as embeddings of real tiles are."""
    centres = unit(generator.standard_normal((clusters, dimension)))
    sizes = 1 / np.arange(1, clusters + 1)
    chosen = generator.choice(clusters, count, p=sizes / sizes.sum())
    spread = generator.uniform(0.1, 0.6, (count, 1)) / np.sqrt(dimension)
    return unit(centres[chosen] + spread * generator.standard_normal((count, dimension)))


def square(west: float, south: float, size: float) -> bytes:
    """A footprint; one that runs over 180 degrees is cut there."""
    if west + size <= 180:
        return bytes(shapely.to_wkb(shapely.box(west, south, west + size, south + size)))
    parts = [
        shapely.box(west, south, 180, south + size),
        shapely.box(-180, south, west + size - 360, south + size),
    ]
    return bytes(shapely.to_wkb(shapely.MultiPolygon(parts)))


def located(west: float, south: float, size: float, **more: Any) -> Tile:
    east = west + size if west + size <= 180 else west + size - 360
    return Tile(footprint=square(west, south, size), bounds=Bounds(west, south, east, south + size), gsd_m=0.5, **more)


def grid(count: int, *, start: datetime | None = None) -> list[Tile]:
    """Tiles side by side without overlap, every third unlocated, every fifth without a time."""
    begin = start or datetime(2024, 1, 1, tzinfo=UTC)
    tiles = []
    for number in range(count):
        window = Window(256 * number, 0, 256, 256)
        time = None if number % 5 == 4 else begin + timedelta(days=number)
        if number % 3 == 2:
            tiles.append(Tile(window=window, time=time))
        else:
            tiles.append(located(-170 + 0.3 * number, 10, 0.2, window=window, time=time))
    return tiles


def sample_rows(
    name: str, count: int, *, dimension: int = DIMENSION, seed: int | None = None, tiles: Sequence[Tile] | None = None
) -> Rows:
    generator = np.random.default_rng(seed if seed is not None else int(content(name)[:8], 16))
    vectors = unit(generator.standard_normal((count, dimension)))
    return rows_of(
        content(name), f"/images/{name}", tiles or grid(count), vectors, bundle_sha256=BUNDLE, preprocessing=1
    )


def source(name: str, *, state: str = "done", **more: Any) -> Source:
    return Source(path=f"/images/{name}", size=1, modified_ns=1, content=content(name), state=state, **more)


class FakeEncoder:
    """A fixed random projection of an 8 x 8 picture: fast, deterministic, different for different pictures."""

    id = "test-1"
    sha256 = BUNDLE
    dimension = DIMENSION
    side = 8

    def __init__(self) -> None:
        self.projection = np.random.default_rng(7).standard_normal((8 * 8 * 3, DIMENSION)).astype(np.float32)
        self.images = 0

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert pixels.shape[1:] == (8, 8, 3)
        assert pixels.dtype == np.uint8
        self.images += len(pixels)
        # one row at a time, so that a row does not depend on its neighbours in the batch
        flat = pixels.reshape(len(pixels), -1).astype(np.float32) / 255 + 0.01
        return unit(np.stack([(row[:, None] * self.projection).sum(axis=0) for row in flat]))


@dataclass(frozen=True, kw_only=True)
class Options:
    """Stands for geo's ReadOptions."""

    tile: int = 16
    batch: int = 8


@dataclass(frozen=True, kw_only=True)
class Description:
    path: str
    kind: str = "scene"
    time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PixelBatch:
    pixels: NDArray[np.uint8]
    tiles: list[Tile]


@dataclass(frozen=True, kw_only=True)
class Found:
    path: Path
    root: Path
    size: int
    modified_ns: int


class PngDecoder:
    """A real decoder of PNG files by Pillow: tiles of `options.tile` pixels, in rows, shrunk to 8 x 8."""

    reads = 0

    def __init__(self, options: Options) -> None:
        self.options = options
        self.closed = False

    def read(self, path: Path, *, root: Path | None = None) -> Iterator[Description | PixelBatch]:
        type(self).reads += 1
        try:
            with Image.open(path) as image:
                image.load()
                picture = image.convert("RGB")
        except Exception as error:
            raise SourceError(
                path, cause=f"cannot be decoded ({error})", remedy="copy it again", stage="decode"
            ) from error
        yield Description(path=str(path))
        side = self.options.tile
        corners = [(x, y) for y in range(0, picture.height, side) for x in range(0, picture.width, side)]
        for start in range(0, len(corners), self.options.batch):
            some = corners[start : start + self.options.batch]
            tiles = [
                located(x / 100, y / 100, side / 100, window=Window(x, y, side, side), time=datetime(2024, 5, 1))
                for x, y in some
            ]
            boxes = [(x, y, x + side, y + side) for x, y in some]
            pixels = np.stack([np.asarray(picture.crop(box).resize((8, 8), Image.Resampling.BOX)) for box in boxes])
            yield PixelBatch(pixels=pixels, tiles=tiles)

    def close(self) -> None:
        self.closed = True


def discover_png(paths: Sequence[Path]) -> Iterator[Found | SourceError]:
    for root in paths:
        files = sorted(root.rglob("*.png")) if root.is_dir() else [root]
        for path in files:
            stat = path.stat()
            yield Found(path=path, root=root, size=stat.st_size, modified_ns=stat.st_mtime_ns)


def write_png(path: Path, *, width: int = 16, height: int = 16, seed: int | None = None) -> Path:
    generator = np.random.default_rng(seed if seed is not None else int(content(path.name)[:8], 16))
    pixels = generator.integers(0, 255, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_pngs(folder: Path, count: int, **size: int) -> list[Path]:
    return [write_png(folder / f"{number:05d}.png", **size) for number in range(count)]


def everything(store: ArchiveStore) -> dict[str, tuple[str, bytes]]:
    """Every live row by id: its path and the bytes of its vector. Fails if an id is there twice."""
    searcher = store.searcher
    rows: dict[str, tuple[str, bytes]] = {}
    for segment, live in zip(searcher.segments, searcher.live, strict=True):
        names = searcher.names(segment)
        for row in range(len(segment)):
            if live is None or live[row]:
                key = segment.ids[row].tobytes().hex()
                assert key not in rows, f"row {key} is there twice"
                rows[key] = (names.first(int(segment.source[row])), segment.vectors[row].tobytes())
    return rows
