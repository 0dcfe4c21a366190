"""From the saved codes of runs to a record: mAP in both readings, precision, Hamming radii, four directions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import environment, write_json
from geoglot.metrics.hashing import RADII, HashingFigures, hashing_figures

CODES = "codes.npz"
CUTOFFS = (5, 10, 20, 50, 100)
DIRECTIONS = {
    "image_to_text": ("images", "texts"),
    "text_to_image": ("texts", "images"),
    "image_to_image": ("images", "images"),
    "text_to_text": ("texts", "texts"),
}
DECIMALS = 4
SETTINGS = ("bits", "noise", "variant", "weighting", "split", "scale", "text_view", "hidden", "epochs", "seed")


def direction_figures(codes: Mapping[str, NDArray[Any]]) -> dict[str, HashingFigures]:
    """Figures of the four directions.

    A text side has as many rows as captions, in the order of the images: its classes are the images' repeated.

    Args:
        codes: ``query_images``, ``query_texts``, ``query_categories`` and the same of ``database``.
    """
    labels = {
        (part, side): np.repeat(
            codes[f"{part}_categories"], len(codes[f"{part}_{side}"]) // len(codes[f"{part}_categories"])
        )
        for part in ("query", "database")
        for side in ("images", "texts")
    }
    return {
        name: hashing_figures(
            codes[f"query_{asked}"],
            codes[f"database_{searched}"],
            labels["query", asked],
            labels["database", searched],
            cutoffs=CUTOFFS,
            radii=RADII,
        )
        for name, (asked, searched) in DIRECTIONS.items()
    }


def evaluate_runs(runs: Sequence[Path]) -> dict[str, Any]:
    """The record of runs of one method on one dataset with one split: bits, noise and variants differ.

    Args:
        runs: Folders written by training.

    Returns:
        A JSON-ready record of the task ``hashing``.

    Raises:
        UsageError: No run, or runs of several methods, datasets, splits or features.
        DataError: A folder is no finished run of a hashing method.
    """
    if not runs:
        raise UsageError("runs", cause="are none", remedy="give the folder of at least one run")
    found = sorted((_run_record(run) for run in runs), key=lambda record: [record[name] for name in SETTINGS])
    first = found[0]
    for record in found:
        for name in ("method", "dataset", "split", "features"):
            if record[name] != first[name]:
                cause = f"differ in {name}: {first[name]} and {record[name]}"
                raise UsageError("the runs", cause=cause, remedy="evaluate them apart")
    method = registry.load("geoglot.methods.hashing", first["method"]).METHOD
    return {
        "format": 1,
        "task": "hashing",
        "model": {"id": first["method"], "title": method.title},
        "dataset": first["dataset"],
        "protocol": {
            "split": first["split"],
            "leak": leak(first["dataset"], first["split"], first["features"]),
            "features": first["features"],
            **first["sizes"],
            "captions_per_image": 5,
            "relevance": "same scene class",
            "ties": "stable",
            "cutoffs": list(CUTOFFS),
            "map_answers": "AP over the first min(k, R) right items wherever they stand",
            "map_places": "AP over the right items among the first k places, divided by min(k, R)",
            "map_radius": "AP over the right items within the Hamming radius; 0 where none is",
            "checkpoint": "last epoch",
        },
        "settings": [{n: v for n, v in r.items() if n not in _COMMON} for r in found],
        "environment": environment(),
        "dates": {"evaluated": datetime.now(UTC).strftime("%Y-%m-%d")},
    }


_COMMON = ("method", "dataset", "split", "features", "sizes")


def leak(dataset: str, split: str, features: Mapping[str, str]) -> str | None:
    """What the features' network saw of the images that are asked or searched; ``None`` where nothing.

    Example:
        >>> leak("rsicd", "published", {"trained on": "rsicd train"})
        'the features were trained on the rsicd train split, parts of which are queries and database here'
        >>> leak("ucm", "published", {"trained on": "rsicd train"}) is None
        True
    """
    trained_on = features.get("trained on", "unknown")
    if trained_on == "unknown":
        return "what the features were trained on is not known"
    if split != "held-out" and f"{dataset} train" in trained_on.split(", "):
        return f"the features were trained on the {dataset} train split, parts of which are queries and database here"
    return None


def write_hashing_result(record: Mapping[str, Any], results: Path) -> Path:
    """Write ``<results>/hashing/<method>-<dataset>.json``; a split other than the published one is added to the name.

    Example:
        >>> import tempfile
        >>> record = {"model": {"id": "duch"}, "dataset": "ucm", "protocol": {"split": "held-out"}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_hashing_result(record, Path(folder)).relative_to(folder).as_posix()
        'hashing/duch-ucm-held-out.json'
    """
    split = record["protocol"]["split"]
    parts = [record["model"]["id"], record["dataset"], *([split] if split != "published" else [])]
    path = results / "hashing" / f"{'-'.join(parts)}.json"
    write_json(path, record)
    return path


def _run_record(run: Path) -> dict[str, Any]:
    try:
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        with (run / CODES).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            codes = {name: arrays[name] for name in arrays}
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        machine = json.loads((run / "env.json").read_text(encoding="utf-8"))
        module = registry.load("geoglot.methods.hashing", recipe["method"])
        config = asdict(module.Config(**recipe["config"]))
        seconds = float(json.loads(lines[-1])["seconds"])
        figures = {name: _rounded(found) for name, found in direction_figures(codes).items()}
    except (OSError, ValueError, KeyError, IndexError, TypeError, BadZipFile) as error:
        cause = f"is no finished run of a hashing method ({type(error).__name__}: {error})"
        raise DataError(run, cause=cause, remedy="give the folder that training wrote") from error
    return {
        "method": recipe["method"],
        "dataset": recipe["dataset"],
        "split": recipe["split"],
        "features": recipe["features"],
        "sizes": {
            "training_pairs": int(codes["training_pairs"]),
            "query_images": len(codes["query_images"]),
            "database_images": len(codes["database_images"]),
        },
        "bits": int(codes["bits"]),
        "noise": recipe["noise"],
        "wrong_captions": int(codes["wrong_captions"]),
        "clean_pairs": int(codes["clean_pairs"]),
        "variant": config["variant"],
        "weighting": config.get("weighting", ""),
        "hidden": config["hidden"],
        **{name: recipe[name] for name in ("epochs", "batch", "learning_rate", "scale", "text_view", "seed")},
        "data_seed": recipe["data_seed"],
        "training_seconds": seconds,
        "trained_with": {"commit": machine.get("commit"), "cpu": machine.get("cpu"), "cores": machine.get("cores")},
        "figures": figures,
    }


def _rounded(figures: HashingFigures) -> dict[str, Any]:
    return {
        name: {str(k): round(v, DECIMALS) for k, v in value.items()} if isinstance(value, dict) else value
        for name, value in asdict(figures).items()
    }
