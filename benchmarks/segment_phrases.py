"""``geoglot segment`` as users have it, rules for position words included, on the phrases of the Dubai benchmark.

    python -m benchmarks.segment_phrases --data-root DIR --out results/bench/segment_phrases.json

The tables of results/segmentation measure the network alone, which has to make masks of "vegetation along the road" by
itself. The product asks the network for vegetation and for roads, and a rule decides. Pictures are written as GeoTIFF
with the ground sample distance that the benchmark was made with; nothing else is told. The rules' distances are those
of the product and were not fitted to this benchmark.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.api.segmenter import Segmenter
from geoglot.core.runs import environment, write_json
from geoglot.data.dubai_referring import GSD_M
from geoglot.data.referring import Referral, load_referring, read_pair
from geoglot.metrics.mask import mask_measures
from geoglot.models.segmenter import load_segmenter

SPLITS = ("val", "test")


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """A picture as a scene with a place."""
    import rasterio

    place = rasterio.Affine(GSD_M, 0.0, 330_000.0, 0.0, -GSD_M, 2_780_000.0)
    height, width = pixels.shape[:2]
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, crs="EPSG:32640", transform=place) as file:
        file.write(pixels.transpose(2, 0, 1))
    return path


def marked(segmenter: Segmenter, scene: Path, phrases: Sequence[str], *, positions: bool) -> NDArray[np.bool_]:
    """The masks of phrases: (P, H, W)."""
    import rasterio

    out = scene.with_name("mask.tif")
    segmenter.segment(scene, phrases, language="en", positions=positions, mask=out, work=scene.parent / "work")
    with rasterio.open(out) as file:
        found: NDArray[np.bool_] = file.read() == 1
    return found


def measured(records: Sequence[Referral], segmenter: Segmenter) -> dict[str, Any]:
    """Mean IoU by template, with rules and without."""
    by_picture: dict[str, list[Referral]] = defaultdict(list)
    for record in records:
        by_picture[record.scene].append(record)
    ious: dict[bool, dict[str, list[float]]] = {True: defaultdict(list), False: defaultdict(list)}
    for some in by_picture.values():
        with tempfile.TemporaryDirectory() as folder:
            pairs = [read_pair(record) for record in some]
            scene = write_picture(Path(folder) / "scene.tif", pairs[0][0])
            truth = np.stack([mask for _, mask in pairs])
            phrases = [record.phrases["en"] for record in some]
            for positions, found in ious.items():
                values = mask_measures(marked(segmenter, scene, phrases, positions=positions), truth).iou
                for record, value in zip(some, values.tolist(), strict=True):
                    found[record.template].append(value)
    return {
        "with rules" if positions else "network alone": {
            "miou": round(float(np.mean([value for values in found.values() for value in values])), 4),
            **{name: {"miou": round(float(np.mean(v)), 4), "phrases": len(v)} for name, v in sorted(found.items())},
        }
        for positions, found in ious.items()
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--splits", nargs="+", default=SPLITS, choices=SPLITS)
    parser.add_argument("--out", type=Path, default=Path("results/bench/segment_phrases.json"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    bundle = load_segmenter(threads=1)
    dataset = load_referring("dubai", options.data_root)
    found = {split: measured(list(dataset.records(split)), Segmenter(bundle)) for split in options.splits}
    write_json(
        options.out,
        {
            "format": 1,
            "what": "mean IoU of geoglot segment on the phrases of the Dubai benchmark in English, at full resolution",
            "model": {"id": bundle.id, "sha256": bundle.sha256},
            "shaping": {name: bundle.manifest[name] for name in ("blur", "threshold")},
            "splits": found,
            "environment": environment(),
        },
    )


if __name__ == "__main__":
    main()
