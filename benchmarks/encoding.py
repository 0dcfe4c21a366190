"""Images and texts per second: geoglot-compact against open_clip ViT-B/32 on the same processor, in the same run.

open_clip runs as its users start it: PyTorch eager, float32, random weights (speed does not depend on them), at its
own 224 pixels. Both get ready pixels in batches. The two take turns, and the ratio is formed pair by pair, so that a
machine whose speed drifts does not favour one of them. Writes results/bench/encoding.json.

Run: ``make bench`` or ``python benchmarks/encoding.py``
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from geoglot.core.runs import environment, write_json
from geoglot.models.bundle import load_bundle

QUERIES = (
    "many planes beside the terminal",
    "طائرات كثيرة متوقفة بجانب المبنى",
    "plusieurs réservoirs de stockage près d'une rivière",
    "un porto con molte barche",
)


def open_clip_encoder() -> Callable[[int], None]:
    """A function that embeds a batch of the given size with ViT-B/32."""
    import torch

    # The torchvision wheel of the registry expects CUDA kernels beside it; open_clip never calls these two.
    library = torch.library.Library("torchvision", "DEF")
    for signature in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        try:
            library.define(signature)
        except RuntimeError:
            break
    import open_clip

    model = open_clip.create_model("ViT-B-32", pretrained=None).eval()
    open_clip_encoder.library = library  # type: ignore[attr-defined]

    def encode(batch: int) -> None:
        with torch.inference_mode():
            model.encode_image(torch.zeros(batch, 3, 224, 224))

    return encode


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("results/bench/encoding.json"))
    options = parser.parse_args()
    bundle = load_bundle("compact")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (options.batch, bundle.side, bundle.side, 3), dtype=np.uint8)
    peer = open_clip_encoder()
    ours_per_round = 16
    bundle.encode_images(pixels)
    peer(options.batch)
    rounds = []
    for _ in range(options.rounds):
        ours = seconds(lambda: [bundle.encode_images(pixels) for _ in range(ours_per_round)]) / ours_per_round
        theirs = seconds(lambda: peer(options.batch))
        rounds.append((options.batch / ours, options.batch / theirs))
    bundle.encode_queries(QUERIES)
    text_ms = [1000 * seconds(lambda q=q: bundle.encode_queries([q])) for q in QUERIES * 50]  # type: ignore[misc]
    ratios = [ours / theirs for ours, theirs in rounds]
    result = {
        "what": "images per second, wall clock, all cores",
        "geoglot_compact_images_per_second": round(statistics.median(o for o, _ in rounds), 1),
        "open_clip_vit_b_32_images_per_second": round(statistics.median(t for _, t in rounds), 2),
        "ratio_median": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "rounds": options.rounds,
        "batch": options.batch,
        "side": bundle.side,
        "text_query_ms_median": round(statistics.median(text_ms), 3),
        "text_query_ms_p95": round(sorted(text_ms)[int(0.95 * len(text_ms))], 3),
        "bundle": {"id": bundle.id, "sha256": bundle.sha256, "bytes": bundle.size_bytes},
        "environment": environment(),
    }
    write_json(options.out, result)
    print(f"{options.out}: {result['ratio_median']} times open_clip ViT-B/32, text {result['text_query_ms_median']} ms")


if __name__ == "__main__":
    main()
