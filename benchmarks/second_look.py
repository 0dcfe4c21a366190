"""What ``search --rerank SCORER`` brings and costs: trained scorers look again at the shipped model's candidates.

    GEOGLOT_DATA=... python -m benchmarks.second_look runs/amfmn-ucm runs/scan-ucm

Every distinct English caption of a test split is asked for in an archive of that split's images, by the shipped model
alone and with each scorer. Writes results/bench/second_look.json.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoglot.api.archive import Archive
from geoglot.core.runs import environment, write_json
from geoglot.data.captioned import load_dataset
from geoglot.engine.bundling import export_run
from geoglot.engine.trained import load_trained

CUTOFFS = (1, 5, 10)


def asked(archive: Archive, carriers: Mapping[str, set[str]], **options: Any) -> dict[str, Any]:
    """Recall of every caption's pictures, and the median time of a search.

    Args:
        archive: Holds the split's images.
        carriers: Caption -> names of the files that carry it.
        options: Of the search.
    """
    found = dict.fromkeys(CUTOFFS, 0)
    spent = []
    for caption, names in carriers.items():
        begun = time.perf_counter(), time.process_time()
        answer = archive.search(caption, k=max(CUTOFFS), **options)
        spent.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
        ranked = [Path(hit.source).name for hit in answer]
        for cutoff in CUTOFFS:
            found[cutoff] += bool(names & set(ranked[:cutoff]))
    wall, processor = (statistics.median(column) for column in zip(*spent, strict=True))
    recall = {f"R@{cutoff}": round(100 * count / len(carriers), 2) for cutoff, count in found.items()}
    return {**recall, "ms_wall_p50": round(1e3 * wall, 1), "ms_processor_p50": round(1e3 * processor, 1)}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="runs of scorers")
    parser.add_argument("--data", default="ucm", metavar="NAME")
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("results/bench/second_look.json"))
    options = parser.parse_args()
    records = load_dataset(options.data).records("test")
    carriers: dict[str, set[str]] = {}
    for record in records:
        for caption in record.captions:
            carriers.setdefault(caption, set()).add(record.path.name)
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        with Archive.create(Path(folder) / "a") as archive:
            archive.index([record.path for record in records])
            table["compact alone"] = asked(archive, carriers)
            for run in options.runs:
                bundle = export_run(run, out=Path(folder) / run.name)
                method = load_trained(run).recipe.method
                table[method] = asked(archive, carriers, rerank=str(bundle), candidates=options.candidates)
                print(method, table[method], flush=True)
        result = {
            "what": "text to image recall (percent) of distinct English captions, each asked once, and time",
            "dataset": options.data,
            "images": len(records),
            "captions": len(carriers),
            "candidates": options.candidates,
            "searches": table,
            "environment": environment(),
        }
        write_json(options.out, result)


if __name__ == "__main__":
    main()
