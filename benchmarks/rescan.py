"""A second run of ``index`` over 10,000 unchanged files, and its peer: reading the name, size and time of every file.

Writes results/bench/rescan.json.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import geoglot as gg
from geoglot.core.runs import environment, write_json


def stat_everything(folder: Path) -> float:
    """Seconds to list a tree and stat its files."""
    start = time.perf_counter()
    for parent, _, names in os.walk(folder):
        for name in names:
            (Path(parent) / name).stat()
    return time.perf_counter() - start


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("results/bench/rescan.json"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    random = np.random.default_rng(0)
    (folder / "in").mkdir()
    for number in range(options.files):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / "in" / f"{number:05}.png")
    start = time.perf_counter()
    with gg.Archive.create(folder / "archive") as archive:
        first = archive.index([folder / "in"])
    first_seconds = time.perf_counter() - start
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with gg.Archive.open(folder / "archive", read_only=False) as archive:
            again = archive.index([folder / "in"])
        seconds.append(time.perf_counter() - start)
    result = {
        "what": "seconds of a run of index over unchanged files",
        "files": options.files,
        "tiles": first.rows_added,
        "tiles_again": again.rows_added,
        "first_run_seconds": round(first_seconds, 2),
        "second_run_seconds_median": round(sorted(seconds)[1], 3),
        "stat_of_every_file_seconds": round(stat_everything(folder / "in"), 3),
        "environment": environment(),
    }
    write_json(options.out, result)
    shutil.rmtree(folder)
    print(f"{options.out}: {result['second_run_seconds_median']} s for {options.files} unchanged files")


if __name__ == "__main__":
    main()
