"""Megapixels per second of the shipped segmenter, beside the run that it was exported from in torch; what phrases cost.

    python -m benchmarks.segmenter --run runs/segmenter --out results/bench/segmenter.json

Both get windows that are in memory, on two threads, in turn, several times; the best time of each is kept, since the
machine has other work. The processor's time stands beside the wall's.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.records import Window
from geoglot.core.runs import environment, write_json
from geoglot.data.ground_words import GROUND_WORDS
from geoglot.data.scenes import Scene, demo_spec
from geoglot.engine.phrase_map.export import PixelGraph, load_run
from geoglot.models.segmenter import load_segmenter

THREADS = 2


def windows(side: int, count: int) -> NDArray[np.uint8]:
    """Windows of the rendered scene of the demo."""
    scene = Scene(demo_spec())
    return np.stack([scene.render(Window(500 + side * n, 800, side, side)) for n in range(count)])


def best_of(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Least wall and processor time of each way, seconds."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter(), time.process_time()
            way()
            spent[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    return {
        name: {"wall": min(wall for wall, _ in times), "processor": min(both for _, both in times)}
        for name, times in spent.items()
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run of 'geoglot train segmenter'")
    parser.add_argument("--bundle", default="segmenter", help="its bundle, by name or folder")
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("results/bench/segmenter.json"))
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    bundle = load_segmenter(options.bundle, threads=THREADS)
    model, _, _ = load_run(options.run)
    graph = PixelGraph(model).to(memory_format=torch.channels_last)
    pixels = windows(bundle.side, options.windows)
    megapixels = pixels[..., 0].size / 1e6
    texts = [word.wordings["en"][0] for word in GROUND_WORDS]
    vectors = {count: bundle.phrases(texts[:count]) for count in (1, 10)}

    @torch.no_grad()
    def in_torch() -> None:
        for start in range(0, len(pixels), 4):
            graph(torch.from_numpy(pixels[start : start + 4]))

    def asked(count: int) -> Callable[[], Any]:
        def run() -> None:
            for start in range(0, len(pixels), 4):
                bundle.scores(bundle.features(pixels[start : start + 4]), vectors[count])

        return run

    ways: dict[str, Callable[[], Any]] = {
        "bundle, features": lambda: bundle.features(pixels),
        "bundle, 1 phrase": asked(1),
        "bundle, 10 phrases": asked(10),
        "the same run, torch float32, features": in_torch,
    }
    found = best_of(ways, options.rounds)
    write_json(
        options.out,
        {
            "format": 1,
            "what": "segmenter: megapixels per second on two threads, and what ten phrases cost",
            "model": {"id": bundle.id, "megabytes": round(bundle.size_bytes / 1e6, 1)},
            "windows": {"count": len(pixels), "side": bundle.side, "megapixels": round(megapixels, 3)},
            "megapixels_per_second": {name: round(megapixels / one["wall"], 2) for name, one in found.items()},
            "processor_seconds_per_megapixel": {
                name: round(one["processor"] / megapixels, 3) for name, one in found.items()
            },
            "times_torch": round(
                found["the same run, torch float32, features"]["wall"] / found["bundle, features"]["wall"], 2
            ),
            "ten_phrases_cost_times_one": round(
                found["bundle, 10 phrases"]["wall"] / found["bundle, 1 phrase"]["wall"], 2
            ),
            "rounds": options.rounds,
            "environment": environment(),
        },
    )


if __name__ == "__main__":
    main()
