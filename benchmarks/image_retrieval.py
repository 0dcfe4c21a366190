"""All measures of image-to-image retrieval at the size of NWPU-RESISC45: 31,500 queries against 31,500 images.

    python -m benchmarks.image_retrieval --out results/bench/image_retrieval.json

45 classes of 700 images, invented vectors of 512 numbers. The naive oracle is plain Python over lists; it is timed on a
few queries, once with the scores given and once with the scores made by it, too, and multiplied up. NumPy's way, a
stable order of every whole row, is timed beside it, because it is what one would write first.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # blocks run in threads of their own

import numpy as np
from numpy.typing import NDArray

from geoglot.core.runs import environment, write_json
from geoglot.metrics.image_retrieval import CUTOFFS, score_retrieval, vector_retrieval

CLASSES, OF_A_CLASS, WIDTH = 45, 700, 512
LIMIT_SECONDS, LIMIT_BYTES, LIMIT_TIMES = 180.0, 2 << 30, 20.0


def invented(classes: int, of_a_class: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors around the middle of their class, far enough spread for a mAP that is neither 0 nor 1."""
    generator = np.random.default_rng(0)
    categories = np.repeat(np.arange(classes), of_a_class)
    middles = generator.standard_normal((classes, WIDTH))[categories] * 0.25
    return (middles + generator.standard_normal(middles.shape)).astype(np.float32), categories


def naive_scores(query: list[float], gallery: list[list[float]]) -> list[float]:
    """Minus the squared distances."""
    return [-sum((a - b) * (a - b) for a, b in zip(query, other, strict=True)) for other in gallery]


def naive_measures(scores: list[float], category: int, categories: list[int], own: int) -> dict[str, float]:
    """AP, ANMRR with K = 2 G, P@k and the first G classes of one query, by sorting and walking down."""
    listed = sorted((j for j in range(len(scores)) if j != own), key=lambda j: -scores[j])
    total = sum(1 for c in categories if c == category) - 1
    hits, precision, penalised, counted = 0, 0.0, 0.0, dict.fromkeys(CUTOFFS, 0)
    confusion: dict[int, int] = {}
    for place, column in enumerate(listed, start=1):
        if place <= total:
            confusion[categories[column]] = confusion.get(categories[column], 0) + 1
        if categories[column] != category:
            continue
        hits += 1
        precision += hits / place
        penalised += place if place <= 2 * total else 2.5 * total
        for k in CUTOFFS:
            counted[k] += place <= k
    nmrr = (penalised / total - 0.5 * (1 + total)) / (2.5 * total - 0.5 * (1 + total))
    return {"ap": precision / total, "nmrr": nmrr, **{f"p{k}": counted[k] / k for k in CUTOFFS}}


def plain_numpy(scores: NDArray[np.float32], category: int, categories: NDArray[np.int64], own: int) -> float:
    """AP of one query from the order of its whole row."""
    order = np.argsort(-scores, kind="stable")
    right = np.flatnonzero((categories[order] == category)[order != own])
    return float((np.arange(1, len(right) + 1) / (right + 1)).mean())


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of-a-class", type=int, default=OF_A_CLASS, help="fewer for a trial")
    parser.add_argument("--naive", type=int, default=3, help="queries that the oracle answers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/bench/image_retrieval.json"))
    options = parser.parse_args()
    vectors, categories = invented(CLASSES, options.of_a_class)
    rows = np.arange(len(vectors))

    def timed(work: Any) -> tuple[Any, float]:
        begun = time.perf_counter()
        return work(), time.perf_counter() - begun

    cpu = time.process_time()
    found, seconds = timed(
        lambda: vector_retrieval(vectors, vectors, categories, categories, own=rows, threads=options.threads)
    )
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    chosen = np.random.default_rng(1).choice(len(vectors), options.naive, replace=False)
    listed, classes = vectors.astype(float).tolist(), categories.tolist()
    spent = {"scores": 0.0, "measures": 0.0, "numpy": 0.0, "ours": 0.0}
    for query in chosen.tolist():
        scores, took = timed(lambda: naive_scores(listed[query], listed))  # noqa: B023
        spent["scores"] += took
        one, took = timed(lambda: naive_measures(scores, classes[query], classes, query))  # noqa: B023
        spent["measures"] += took
        if abs(one["ap"] - found.average_precision[query]) > 1e-4 or abs(one["nmrr"] - found.nmrr[query]) > 1e-4:
            raise SystemExit(f"the oracle disagrees about query {query}")
    some = np.random.default_rng(2).choice(len(vectors), 300, replace=False)
    table = -np.square(vectors[some, None, :4] - vectors[None, :, :4]).sum(-1)
    for number, query in enumerate(some.tolist()):
        _, took = timed(lambda: plain_numpy(table[number], classes[query], categories, query))  # noqa: B023
        spent["numpy"] += took
    # The confusion takes 20 queries of a class, whatever their number: at full size 1 in 35, here it is left out.
    _, spent["ours"] = timed(
        lambda: score_retrieval(table, categories[some], categories, own=some, confusion_queries=0)
    )
    count = len(vectors)
    naive_from_scores, naive_from_vectors = (
        spent["measures"] / options.naive * count,
        (spent["measures"] + spent["scores"]) / options.naive * count,
    )
    ours_from_scores = spent["ours"] / len(some) * count
    result = {
        "what": "all measures of every image as a query against all others, from vectors; seconds and bytes",
        "images": count,
        "classes": CLASSES,
        "width": WIDTH,
        "threads": options.threads,
        "seconds": round(seconds, 1),
        "processor_seconds": round(cpu, 1),
        "peak_memory_bytes": peak,
        "limits": {"seconds": LIMIT_SECONDS, "bytes": LIMIT_BYTES, "times_faster": LIMIT_TIMES},
        "naive": {
            "timed_queries": options.naive,
            "scaled_seconds_from_vectors": round(naive_from_vectors),
            "scaled_seconds_from_scores": round(naive_from_scores),
            "times_faster_from_vectors": round(naive_from_vectors / seconds),
            "times_faster_from_scores_one_thread": round(naive_from_scores / ours_from_scores, 1),
        },
        "plain_numpy_from_scores": {
            "timed_queries": len(some),
            "scaled_seconds": round(spent["numpy"] / len(some) * count, 1),
            "ours_scaled_seconds_one_thread": round(ours_from_scores, 1),
        },
        "figures": {"mAP": round(found.mean_average_precision, 4), "ANMRR": round(found.anmrr, 4)},
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "environment": environment(),
    }
    write_json(options.out, result)
    print(result["seconds"], "s,", round(peak / 2**30, 2), "GiB,", result["naive"], flush=True)


if __name__ == "__main__":
    main()
