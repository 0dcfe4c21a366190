"""Cold start: seconds of whole processes, the import and one search on an archive of 100,000 rows.

Named peers in the same run: ``python -c pass`` (the floor) and ``import faiss, onnxruntime`` (what any program pays
that searches vectors and runs a network). Writes results/bench/cold_start.json.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.search import build_archive, make_rows
from geoglot.core.runs import environment, write_json
from geoglot.models.bundle import load_bundle


def archive_of(rows: int, folder: Path) -> Path:
    """An archive of clustered rows that says it was made by the shipped model."""
    make_rows(folder, rows)
    bundle = load_bundle("compact")
    build_archive(folder, bundle_id=bundle.id, bundle_sha256=bundle.sha256)
    return folder / "archive"


def process_seconds(command: Sequence[str], runs: int) -> dict[str, float]:
    """Median, minimum and maximum of whole-process wall-clock seconds, after one warm-up."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    counted = times[1:]
    return {
        "median": round(statistics.median(counted), 3),
        "min": round(min(counted), 3),
        "max": round(max(counted), 3),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("results/bench/cold_start.json"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    archive = archive_of(options.rows, folder)
    python, cli = sys.executable, str(Path(sys.executable).with_name("geoglot"))
    search = [cli, "search", "a harbour with boats", "--archive", str(archive), "--format", "jsonl"]
    commands = {
        "python_floor": [python, "-c", "pass"],
        "import_geoglot": [python, "-c", "import geoglot"],
        "import_faiss_and_onnxruntime": [python, "-c", "import faiss, onnxruntime"],
        "geoglot_help": [cli, "--help"],
        "geoglot_search": search,
    }
    result = {name: process_seconds(command, options.runs) for name, command in commands.items()}
    write_json(
        options.out,
        {"seconds": result, "archive_rows": options.rows, "runs": options.runs, "environment": environment()},
    )
    shutil.rmtree(folder)
    for name, figures in result.items():
        print(f"{name}: {figures['median']} s")


if __name__ == "__main__":
    main()
