"""``geoglot segment`` with the shipped network on rendered scenes, from the file to the polygons.

    python -m benchmarks.segment_scenes --out results/bench/segment_scenes.json

What is asked: whether the side of the working blocks, or that of the network's windows, changes the result (IoU of the
masks); what ten phrases cost beside one, up to the polygons' file; and how much memory a large scene takes. The large
scene is one rendered patch, laid again and again, every second one mirrored, since rendering is not what is measured.
The machine may have other work: one phrase and ten take turns, the best time of each is kept, and the processor's
stands beside the wall's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.api.segmenter import Segmenter
from geoglot.core.records import Window
from geoglot.core.runs import environment, write_json
from geoglot.data.scenes import Scene, SceneSpec, write_geotiff
from geoglot.models.segmenter import SegmenterBundle, load_segmenter

THREADS = 2
NAMES = ("water", "buildings", "road", "trees", "grass")
TEN = (*NAMES, "car park", "bare land", "cars", "swimming pool", "houses")
PATCH = 2000


def mask_of(scene: Path, out: Path, bundle: SegmenterBundle, tile: int) -> tuple[NDArray[np.bool_], int]:
    """The masks of :data:`NAMES`, and how many regions there are."""
    import rasterio

    with tempfile.TemporaryDirectory() as work:
        found = Segmenter(bundle).segment(scene, NAMES, tile=tile, mask=out, work=work)
    with rasterio.open(out) as file:
        return file.read() == 1, len(found.regions)


def spent(scene: Path, out: Path, bundle: SegmenterBundle, phrases: Sequence[str]) -> dict[str, float]:
    """Wall and processor seconds from the file to the polygons."""
    wall, processor = time.perf_counter(), processor_seconds()
    with tempfile.TemporaryDirectory() as work:
        Segmenter(bundle).segment(scene, phrases, out=out, work=work)
    return {"wall": time.perf_counter() - wall, "processor": processor_seconds() - processor}


def processor_seconds() -> float:
    """Of this process and of its children that have ended: pixels are decoded in one."""
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in every)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> dict[str, float | None]:
    """IoU of the masks by phrase; None where both are empty."""
    found: dict[str, float | None] = {}
    for name, first, second in zip(NAMES, one, other, strict=True):
        union = np.logical_or(first, second).sum()
        found[name] = round(float(np.logical_and(first, second).sum() / union), 5) if union else None
    return found


def sides(folder: Path, width: int, height: int, seed: int, rounds: int) -> dict[str, Any]:
    """Blocks and windows of two sides, and ten phrases against one, on one rendered scene."""
    scene = write_geotiff(SceneSpec(seed, width, height), folder / "scene.tif")
    bundle = load_segmenter(threads=THREADS)
    larger = replace(bundle, manifest={**bundle.manifest, "side": 2 * bundle.side})
    plain, regions = mask_of(scene, folder / "a.tif", bundle, 1024)
    blocks, _ = mask_of(scene, folder / "b.tif", bundle, 512)
    windows, _ = mask_of(scene, folder / "c.tif", larger, 1024)
    runs: dict[str, list[dict[str, float]]] = {"1 phrase": [], "10 phrases": []}
    for _ in range(rounds):
        for name, some in runs.items():
            some.append(spent(scene, folder / "found.gpkg", bundle, TEN[:1] if name == "1 phrase" else TEN))
    best = {
        name: {clock: min(run[clock] for run in some) for clock in ("wall", "processor")} for name, some in runs.items()
    }
    megapixels = width * height / 1e6
    return {
        "scene": {"width": width, "height": height, "seed": seed, "gsd_m": 0.5},
        "regions": regions,
        "iou_blocks_of_512_and_1024": overlap(plain, blocks),
        f"iou_windows_of_{bundle.side}_and_{2 * bundle.side}": overlap(plain, windows),
        "rounds": rounds,
        "megapixels_per_second": {name: round(megapixels / one["wall"], 2) for name, one in best.items()},
        "processor_seconds_per_megapixel": {
            name: round(one["processor"] / megapixels, 3) for name, one in best.items()
        },
        "ten_phrases_cost_times_one": {
            clock: round(best["10 phrases"][clock] / best["1 phrase"][clock], 2) for clock in ("wall", "processor")
        },
    }


def large_scene(path: Path, side: int, seed: int) -> Path:
    """A square scene of patches."""
    import rasterio

    patch = Scene(SceneSpec(seed, PATCH, PATCH)).render(Window(0, 0, PATCH, PATCH)).transpose(2, 0, 1)
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": 3,
        "dtype": "uint8",
        "crs": "EPSG:32633",
        "transform": rasterio.Affine(0.5, 0.0, 390_000.0, 0.0, -0.5, 5_820_000.0),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "jpeg",
        "photometric": "ycbcr",
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as file:
        line = np.concatenate([patch, patch[:, :, ::-1]] * -(-side // (2 * PATCH)), axis=2)[:, :, :side]
        for row in range(0, side, 512):
            rows = np.arange(row, min(side, row + 512))
            turned = (rows // PATCH) % 2 == 1
            within = np.where(turned, PATCH - 1 - rows % PATCH, rows % PATCH)
            file.write(line[:, within], window=((row, row + len(rows)), (0, side)))
    return path


def measured(path: Path, phrase: str, out: Path) -> dict[str, Any]:
    """What segmenting takes, told by a process that does nothing else."""
    code = "import benchmarks.segment_scenes as one; one.child()"
    wall = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, str(path), phrase, str(out)], capture_output=True, check=True)
    return {**json.loads(done.stdout), "wall_seconds": round(time.perf_counter() - wall, 1)}


def child() -> None:
    """Segment, and print the peak of the memory of this process and of its decoder."""
    path, phrase, out = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as work:
        found = Segmenter(load_segmenter(threads=THREADS)).segment(path, phrase, work=work, out=out)
    decoder = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    peaks = {"process": own_peak_mib(), "decoder": decoder}
    facts = {
        "regions": len(found.regions),
        "peak_mib": {**peaks, "both": sum(peaks.values())},
        "processor_seconds": round(processor_seconds(), 1),
    }
    sys.stdout.write(json.dumps(facts))


def own_peak_mib() -> int:
    """Peak of this process since it was started. ``ru_maxrss`` begins with the peak of whoever started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return round(int(line.split()[1]) / 1024)


def main() -> None:
    """Measure and write the result; a part that is not asked for stays as the file has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("sides", "large", "both"), default="both")
    parser.add_argument("--width", type=int, default=2600)
    parser.add_argument("--height", type=int, default=2200)
    parser.add_argument("--side", type=int, default=20_000, help="of the large scene, pixels")
    parser.add_argument("--phrase", default="buildings", help="asked of the large scene")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/bench/segment_scenes.json"))
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.part in ("sides", "both"):
            found["one_scene"] = sides(folder, options.width, options.height, options.seed, options.rounds)
        if options.part in ("large", "both"):
            scene = large_scene(folder / "large.tif", options.side, options.seed)
            facts = measured(scene, options.phrase, folder / "large.gpkg")
            found["large_scene"] = {"side": options.side, "phrase": options.phrase, **facts}
    bundle = load_segmenter()
    what = "geoglot segment, from file to polygons, with the shipped network on two threads"
    head = {"format": 1, "what": what, "model": {"id": bundle.id, "sha256": bundle.sha256}}
    write_json(options.out, {**found, **head, "environment": environment()})


if __name__ == "__main__":
    main()
