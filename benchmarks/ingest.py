"""Ingest: tiles per second of ``index`` on one large tiled GeoTIFF against the encoder alone, in the same run.

The scene is rendered by the generator (20,000 x 20,000 pixels by default) and reused when the file is there. The
encoder alone gets the same number of ready tiles. Writes results/bench/ingest.json.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import geoglot as gg
from geoglot.core.runs import environment, write_json
from geoglot.models.bundle import load_bundle


def scene_file(folder: Path, side: int) -> Path:
    """The rendered scene; made once."""
    from geoglot.data.scenes import SceneSpec, write_geotiff

    path = folder / f"scene-{side}.tif"
    if not path.exists():
        partial = path.with_suffix(".partial.tif")
        write_geotiff(SceneSpec(seed=7, width=side, height=side), partial)
        partial.rename(path)
    return path


def encoder_rate(seconds: float = 20.0) -> float:
    """Tiles per second of the encoder on ready tiles, batches as the archive sends them."""
    bundle = load_bundle("compact")
    pixels = np.random.default_rng(0).integers(0, 256, (64, bundle.side, bundle.side, 3), dtype=np.uint8)
    bundle.encode_images(pixels)
    start, tiles = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        bundle.encode_images(pixels)
        tiles += len(pixels)
    return tiles / (time.perf_counter() - start)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "geoglot-bench")
    parser.add_argument("--out", type=Path, default=Path("results/bench/ingest.json"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    scene = scene_file(options.folder, options.side)
    rounds = []
    for number in range(options.rounds):
        before = encoder_rate()
        archive = options.folder / f"archive-{number}"
        shutil.rmtree(archive, ignore_errors=True)
        start = time.perf_counter()
        report = gg.Archive.create(archive).index([scene])
        end_to_end = report.rows_added / (time.perf_counter() - start)
        shutil.rmtree(archive)
        pure = (before + encoder_rate()) / 2
        rounds.append({"end_to_end": round(end_to_end, 1), "encoder": round(pure, 1), "ratio": end_to_end / pure})
    ratios = sorted(entry["ratio"] for entry in rounds)
    result = {
        "what": "tiles per second, indexing one scene end to end against the encoder alone",
        "scene_pixels": [options.side, options.side],
        "scene_bytes": scene.stat().st_size,
        "tiles": report.rows_added,
        "rounds": rounds,
        "ratio_median": round(ratios[len(ratios) // 2], 3),
        "peak_memory_mb": {
            "program": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "largest_child": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        },
        "environment": environment(),
    }
    write_json(options.out, result)
    print(f"{options.out}: ratio {result['ratio_median']}, {rounds[0]['end_to_end']} tiles per second")


if __name__ == "__main__":
    main()
