"""Invented runs of matching in the fixed format of a run folder, and the images they were measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from geoglot.core.runs import environment, write_json
from geoglot.data.labelled import load_labelled
from geoglot.engine.matching.predictions import FILE, MatchingPredictions, save_predictions
from geoglot.engine.matching.recipe import MatchingRecipe, Stage

STAGES = (
    Stage(kind="reconstruction", data=("rsicd",), epochs=4),
    Stage(kind="pairs", epochs=3),
)


def write_run(
    folder: Path,
    items: Sequence[str],
    categories: Sequence[str],
    *,
    seed: int = 0,
    noise: float = 1.0,
    test: float = 0.5,
    epochs: Sequence[Mapping[str, Any]] | None = None,
    **recipe: Any,
) -> Path:
    """A finished run: scores are noise plus one for the same class, so a small ``noise`` makes a good run."""
    names = sorted(set(categories))
    rows = np.array([names.index(category) for category in categories], dtype=np.int64)
    splits = np.full(len(items), "train", dtype="<U5")
    for category in range(len(names)):
        members = np.flatnonzero(rows == category)
        splits[members[: max(2, round(test * len(members)))]] = "test"
    asked = np.flatnonzero(splits == "test")
    generator = np.random.default_rng(seed)
    scores = (rows[asked][:, None] == rows[None, :]) + noise * generator.normal(size=(len(asked), len(items)))
    save_predictions(
        MatchingPredictions(
            scores=scores.astype(np.float32),
            query_rows=asked,
            gallery_rows=np.arange(len(items)),
            categories=rows,
            category_names=tuple(names),
            splits=splits,
            items=np.array(items),
        ),
        folder / FILE,
    )
    values = {"method": "residual_dyad", "stages": STAGES, "seed": seed, "side": 64, **recipe}
    write_json(folder / "recipe.json", {"kind": "matcher", **json.loads(json.dumps(asdict(MatchingRecipe(**values))))})
    write_json(folder / "env.json", environment())
    lines = list(epochs) if epochs is not None else epochs_of(seed)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def epochs_of(seed: int = 0, *, validation: bool = True) -> list[dict[str, Any]]:
    """What a training of both stages reports."""
    found = []
    for stage, kind, count in ((1, "reconstruction", 4), (2, "pairs", 3)):
        for epoch in range(1, count + 1):
            line = {"stage": stage, "kind": kind, "epoch": epoch, "loss_total": (1 + seed / 10) / epoch}
            found.append(line | ({"validation_loss": 1.5 / epoch} if validation else {}))
    return found


def images_of(root: Path, dataset: str = "ucm") -> tuple[list[str], list[str]]:
    """Identifiers and classes of a dataset."""
    found = load_labelled(dataset, root)
    return [image.id for image in found], [image.category for image in found]
