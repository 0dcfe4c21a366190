"""Bad image files, made on purpose: seeds of every format that is read, and five ways to damage them.

``write_mutants(folder, count, seed=0)`` is the whole interface; the same seed gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from raster_files import UTM_31_NORTH, picture, write_raster

KINDS = ("truncate", "header", "random", "all-ones", "insert")


@dataclass(frozen=True)
class Mutant:
    """A damaged file: where it lies, what it was, how it was damaged."""

    path: Path
    seed_name: str
    kind: str


def write_seeds(folder: Path) -> list[Path]:
    """One sound file of each format and compression."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = picture(300, 320)
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 128, **UTM_31_NORTH}
    made = [
        write_raster(folder / f"{compression}.tif", pixels, compress=compression, **tiled)
        for compression in ("lzw", "deflate", "zstd")
    ]
    made.append(write_raster(folder / "jpeg.tif", pixels, compress="jpeg", photometric="YCBCR", **tiled))
    made.append(write_raster(folder / "big.tif", pixels, BIGTIFF="YES", **UTM_31_NORTH))
    made.append(write_raster(folder / "deep.tif", pixels.astype(np.uint16) * 40, compress="deflate", **tiled))
    made.append(write_raster(folder / "scene.jp2", pixels, driver="JP2OpenJPEG", **UTM_31_NORTH))
    image = Image.fromarray(np.moveaxis(pixels, 0, -1))
    for name, options in (
        ("photo.jpg", {"quality": 85}),
        ("progressive.jpg", {"quality": 85, "progressive": True}),
        ("photo.png", {}),
        ("photo.webp", {"quality": 80}),
    ):
        image.save(folder / name, **options)
        made.append(folder / name)
    return made


def mutate(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Damage a file's bytes in one of the ways of :data:`KINDS`."""
    damaged = bytearray(data)
    size = len(damaged)
    if kind == "truncate":
        return bytes(damaged[: int(rng.integers(0, size))])
    if kind == "header":
        for _ in range(int(rng.integers(1, 9))):
            damaged[int(rng.integers(0, min(size, 512)))] = int(rng.integers(0, 256))
    elif kind == "random":
        start = int(rng.integers(0, size))
        length = int(rng.integers(1, 257))
        damaged[start : start + length] = rng.bytes(min(length, size - start))
    elif kind == "all-ones":
        start = int(rng.integers(0, min(size, 2048)))
        damaged[start : start + 4] = b"\xff" * 4
    elif kind == "insert":
        start = int(rng.integers(0, size))
        damaged[start:start] = rng.bytes(int(rng.integers(1, 65)))
    else:
        raise ValueError(kind)
    return bytes(damaged)


def write_mutants(folder: Path, count: int, *, seed: int = 0) -> list[Mutant]:
    """Write ``count`` damaged files, all formats and kinds in turn."""
    seeds = write_seeds(folder.parent / f"{folder.name}-seeds")
    folder.mkdir(parents=True, exist_ok=True)
    mutants = []
    for number in range(count):
        original = seeds[number % len(seeds)]
        kind = KINDS[number // len(seeds) % len(KINDS)]
        rng = np.random.default_rng([seed, number])
        path = folder / f"{number:05d}-{kind}-{original.stem}{original.suffix}"
        path.write_bytes(mutate(original.read_bytes(), kind, rng))
        mutants.append(Mutant(path, original.name, kind))
    return mutants
