"""What ``--rerank reciprocal`` brings in mean recall and costs in time, with the shipped model.

    GEOGLOT_DATA=... python -m benchmarks.reranking --out results/bench/reranking.json

The constants are chosen on the validation splits of RSICD and UC Merced; the test splits are then computed once.
Time is that of a search of the API in an archive of the 1,093 RSICD test images' vectors, second look included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

from benchmarks.binary_codes import build
from geoglot.api.archive import Archive
from geoglot.core.runs import environment, write_json
from geoglot.engine.prediction import predict
from geoglot.engine.reranking import NeutralReranking, best_weights, gallery_recall
from geoglot.engine.saved_predictions import Predictions, load_predictions, save_predictions
from geoglot.metrics.reranking import Weights
from geoglot.models.bundle import load_bundle

DATASETS = ("rsicd", "ucm")
LANGUAGES = ("en", "ar", "fr", "it")
CANDIDATES = 100
GALLERY_K = 30
QUESTIONS = ("many planes beside a terminal", "ملاعب تنس بجانب منزل", "un port avec des bateaux", "un fiume e un bosco")


def predictions(folder: Path | None, dataset: str, split: str) -> Predictions:
    """Saved predictions of the shipped model; made where there are none."""
    path = None if folder is None else folder / f"{dataset}-{split}.npz"
    if path is not None and path.is_file():
        return load_predictions(path)
    made = predict(load_bundle("compact"), dataset, split=split, languages=LANGUAGES)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_predictions(made, path)
    return made


def figures(made: Predictions, prepared: dict[str, NeutralReranking], chosen: Weights) -> dict[str, Any]:
    """Per language: mean recall without, with neutral captions, and with the gallery's own queries."""
    table: dict[str, Any] = {}
    for language, reranking in prepared.items():
        plain, neutral = reranking.recall(None), reranking.recall(chosen)
        published = reranking.recall(Weights())
        gallery = gallery_recall(made, language, k=GALLERY_K, weights=Weights())
        table[language] = {
            "mR": round(plain.mean_recall, 4),
            "mR_neutral": round(neutral.mean_recall, 4),
            "mR_neutral_published_constants": round(published.mean_recall, 4),
            "mR_gallery": round(gallery.mean_recall, 4),
            "text_to_image_recall_1_5_10": [round(v, 2) for v in recalls(plain.text_to_image)],
            "text_to_image_recall_1_5_10_neutral": [round(v, 2) for v in recalls(neutral.text_to_image)],
        }
    return table


def recalls(direction: Any) -> list[float]:
    """R@1, R@5, R@10 of a direction."""
    return list(direction.recall.values())


def milliseconds(test: Predictions) -> dict[str, dict[str, float]]:
    """Median time of one search by words, encoding included; on a busy machine the processor's tells more."""
    bundle = load_bundle("compact")
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "a", bundle, test.image_vectors, "float16").close()
        with Archive.open(Path(folder) / "a", model=bundle) as archive:
            for name, options in {
                "without": {},
                "reciprocal, 50 candidates": {"rerank": "reciprocal", "candidates": 50},
                "reciprocal, 100 candidates": {"rerank": "reciprocal", "candidates": 100},
            }.items():
                spent = []
                for number in range(45):
                    begun = time.process_time(), time.perf_counter()
                    archive.search(QUESTIONS[number % len(QUESTIONS)], **options)  # type: ignore[arg-type]
                    spent.append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
                processor, wall = (statistics.median(column) for column in zip(*spent[5:], strict=True))
                table[name] = {"processor": round(1e3 * processor, 2), "wall": round(1e3 * wall, 2)}
    return table


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, help="folder where predictions are kept")
    parser.add_argument("--out", type=Path, default=Path("results/bench/reranking.json"))
    options = parser.parse_args()
    bundle = load_bundle("compact")

    def prepare(made: Predictions) -> dict[str, NeutralReranking]:
        return {name: NeutralReranking(made, name, bundle.neutral, k=CANDIDATES) for name in made.texts}

    validation = {name: predictions(options.predictions, name, "val") for name in DATASETS}
    prepared = {name: prepare(made) for name, made in validation.items()}
    chosen, reached = best_weights([one for by_language in prepared.values() for one in by_language.values()])
    print(chosen, reached, flush=True)
    table = {name: {"val": figures(validation[name], prepared[name], chosen)} for name in DATASETS}
    for name in DATASETS:
        test = predictions(options.predictions, name, "test")
        table[name]["test"] = figures(test, prepare(test), chosen)
        if name == "rsicd":
            spent = milliseconds(test)
    result = {
        "what": "mean recall (mR, percent, plain protocol) without and with re-ranking of the first candidates",
        "protocols": {
            "mR_neutral": f"a search: text to image only, {CANDIDATES} candidates, the bundle's neutral captions",
            "mR_gallery": f"as published: both directions, K = {GALLERY_K}, the split's own queries, known constants",
        },
        "constants_chosen_on_validation": asdict(chosen),
        "mean_validation_mR_reached": round(reached, 4),
        "datasets": table,
        "ms_per_query_p50": spent,
        "bundle": {"id": bundle.id, "sha256": bundle.sha256},
        "threads": os.environ["OMP_NUM_THREADS"],
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "environment": environment(),
    }
    write_json(options.out, result)


if __name__ == "__main__":
    main()
