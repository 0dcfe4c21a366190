"""``geoglot duplicates`` on an archive of 100,000 tiles: time and memory of the whole command, and what it finds.

    python -m benchmarks.duplicates --tiles 100000

Fifty scenes of invented ground, stored as JPEG in GeoTIFF. One scene in ten is a copy of another: brighter, and
compressed again; each of its tiles is a duplicate to be found. Vectors are invented, too, clustered as those of real
tiles are: a copy's is near its original's (cosine 0.97), and many tiles that are no copies lie within 0.9 of each
other, whose pixels must be read to tell. Writes results/bench/duplicates.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geoglot.core.runs import environment, write_json

TILE = 64
SCENES = 50
COPY_EVERY = 10
QUALITY = 85
CLUSTER = 150
"""Tiles of a cluster, in the middle: about as many as a class of land has in a small archive."""


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of unit length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def scene(side: int, seed: int) -> NDArray[np.uint8]:
    """Ground with detail at three sizes. -> (side, side, 3)."""
    generator = np.random.default_rng(seed)
    ground = np.zeros((side, side, 3), np.float32)
    for cells, share in ((side // 48, 0.5), (side // 12, 0.3), (side // 4, 0.2)):
        coarse = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        ground += share * np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR))
    return np.clip(ground, 0, 255).astype(np.uint8)


def write_scene(path: Path, pixels: NDArray[np.uint8]) -> None:
    """A GeoTIFF of JPEG blocks."""
    import rasterio
    from rasterio.transform import from_origin

    place = from_origin(400_000, 5_000_000, 0.5, 0.5)
    settings = {"driver": "GTiff", "compress": "JPEG", "tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.open(
        path,
        "w",
        width=pixels.shape[1],
        height=pixels.shape[0],
        count=3,
        dtype="uint8",
        crs="EPSG:32632",
        transform=place,
        photometric="YCBCR",
        jpeg_quality=QUALITY,
        **settings,
    ) as file:
        file.write(np.moveaxis(pixels, 2, 0))


def build(folder: Path, count: int) -> tuple[Path, int]:
    """Scenes and their archive. -> archive, and how many tiles are copies."""
    from geoglot.archive.entries import Source
    from geoglot.archive.rows import rows_of
    from geoglot.archive.store import ArchiveStore
    from geoglot.core.records import Tile, Window
    from geoglot.models.bundle import load_bundle

    bundle = load_bundle("compact")
    generator = np.random.default_rng(0)
    across = round((count / SCENES) ** 0.5)
    each, side = across * across, across * TILE
    centres = unit(generator.standard_normal((max(1, count // CLUSTER), bundle.dimension)))
    windows = [Window(x * TILE, y * TILE, TILE, TILE) for y in range(across) for x in range(across)]
    copies, last = 0, (np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0), np.float32))
    store = ArchiveStore.create(
        folder / "archive", bundle_id=bundle.id, bundle_sha256=bundle.sha256, dimension=bundle.dimension
    )
    with store:
        for number in range(SCENES):
            path = folder / f"scene{number:02}.tif"
            if number % COPY_EVERY == COPY_EVERY - 1:
                pixels = np.clip(last[0] * 1.08 + 4, 0, 255).astype(np.uint8)
                vectors, copies = noisy(last[1], 0.25, generator), copies + each
            else:
                pixels = scene(side, number)
                spread = generator.uniform(0.25, 0.8, (each, 1)).astype(np.float32)
                vectors = noisy(centres[generator.integers(0, len(centres), each)], spread, generator)
            last = (pixels, vectors)
            write_scene(path, pixels)
            status = path.stat()
            content = sha256(path.read_bytes()).hexdigest()
            tiles = [Tile(window=window, footprint=None, bounds=None, gsd_m=0.5) for window in windows]
            rows = rows_of(
                content,
                str(path),
                tiles,
                vectors,
                bundle_sha256=bundle.sha256,
                preprocessing=int(bundle.manifest["preprocessing"]),
            )
            source = Source(
                path=str(path),
                size=status.st_size,
                modified_ns=status.st_mtime_ns,
                content=content,
                state="done",
                tiles=each,
            )
            store.commit(rows, [source])
    return folder / "archive", copies


def noisy(rows: NDArray[np.float32], spread: Any, generator: np.random.Generator) -> NDArray[np.float32]:
    """Unit rows at a distance: the noise is `spread` long."""
    return unit(rows + spread / np.sqrt(rows.shape[1]) * generator.standard_normal(rows.shape))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("results/bench/duplicates.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive, copies = build(folder, options.tiles)
        found = folder / "found.jsonl"
        command = [sys.executable, "-m", "geoglot.cli.main", "duplicates", str(archive), "-q", "-o", str(found)]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        groups = [json.loads(line) for line in found.read_text().splitlines()]
    sizes = Counter(group["size"] for group in groups)
    record = {
        "what": "the whole command 'geoglot duplicates': seconds, and memory of its largest process",
        "tiles": options.tiles,
        "copies": copies,
        "groups": len(groups),
        "groups_by_size": {str(size): count for size, count in sorted(sizes.items())},
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_mb": round(used.ru_maxrss / 1024),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "environment": environment(),
    }
    write_json(options.out, record)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
