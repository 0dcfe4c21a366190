"""All benchmarks in turn: ``python -m benchmarks`` (``make bench``). Each writes its file under results/bench/."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "encoding",
    "cold_start",
    "rescan",
    "ingest",
    "search",
    "image_retrieval",
    "binary_codes",
    "duplicates",
    "reranking",
    "service",
    "first_results",
)


def main() -> int:
    """Run each in a process of its own; the exit code is the number of failures."""
    failures = 0
    for name in NAMES:
        print(f"== {name}", flush=True)
        failures += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return failures


if __name__ == "__main__":
    sys.exit(main())
