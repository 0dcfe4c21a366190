"""Invented runs of matching: folders as training writes them, with scores that are drawn instead of learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from geoglot.data.labelled import split_rows
from geoglot.engine.matching.predictions import MatchingPredictions, save_predictions

NAMES = ("beach", "forest", "river")


def toy_predictions(
    *, per_class: int = 10, seed: int = 0, noise: float = 1.0, share: float = 0.8, fold: int | None = None
) -> MatchingPredictions:
    """Three classes; images of one class score 1 more than others, plus noise. The gallery is saved shuffled."""
    categories = np.repeat(np.arange(len(NAMES)), per_class)
    splits = split_rows(categories, share, 0, fold)
    generator = np.random.default_rng(seed)
    asked, gallery = np.flatnonzero(splits == "test"), generator.permutation(len(categories))
    same = categories[asked][:, None] == categories[gallery]
    scores = same + noise * generator.standard_normal(same.shape)
    return MatchingPredictions(
        scores=scores.astype(np.float32),
        query_rows=asked,
        gallery_rows=gallery,
        categories=categories,
        category_names=NAMES,
        splits=splits,
        items=np.array([f"{NAMES[c]}_{n}" for n, c in enumerate(categories)]),
    )


def recipe(**changes: Any) -> dict[str, Any]:
    """As ``recipe.json`` has it."""
    reconstruction = {"kind": "reconstruction", "data": ["rsicd"], "epochs": 2}
    tuning = {"kind": "reconstruction", "data": ["train"], "epochs": 2}
    return {
        "kind": "matcher",
        "method": "residual_dyad",
        "config": {},
        "dataset": "ucm",
        "share": 0.8,
        "fold": None,
        "side": 128,
        "stages": [reconstruction, tuning, {"kind": "pairs", "data": ["train"], "epochs": 2}],
        "descriptor": None,
        "descriptor_config": {},
        "metric": "learned",
        "initial": None,
        "seed": 0,
        "split_seed": 0,
        **changes,
    }


def write_run(folder: Path, predictions: MatchingPredictions | None = None, **changes: Any) -> Path:
    """A finished run."""
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps(recipe(**changes)))
    (folder / "env.json").write_text(json.dumps({"commit": "abc", "cpu": "toy", "cores": 2, "memory_gib": 1}))
    save_predictions(predictions or toy_predictions(), folder / "predictions.npz")
    return folder
