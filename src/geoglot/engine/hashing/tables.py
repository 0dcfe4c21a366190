"""Tables of the hashing methods from ``results/hashing/*.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

Row = dict[str, str]
K = "20"
OF_A_RUN = ("seed", "figures", "training_seconds", "trained_with")
"""What may differ between runs that are one setting."""
SHORT = {"image_to_text": "i2t", "text_to_image": "t2i", "image_to_image": "i2i", "text_to_text": "t2t"}


def hashing_rows(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row per record and setting: mAP@20 of the four directions, means over seeds, ± standard deviation (n - 1).

    Over the first 20 right items, as published; in brackets over the right items among the first 20 places.

    Args:
        records: Records of the task ``hashing``.

    Example:
        >>> figures = {"map_answers": {"20": 0.8421}, "map_places": {"20": 0.8}}
        >>> setting = {"bits": 64, "noise": 0.1, "variant": "paper", "weighting": "", "hidden": 512, "epochs": 100,
        ...            "learning_rate": 1e-4, "seed": 0, "figures": dict.fromkeys(SHORT, figures)}
        >>> record = {"model": {"id": "duch", "title": "DUCH"}, "dataset": "ucm",
        ...           "protocol": {"split": "published", "leak": None}, "settings": [setting]}
        >>> row = hashing_rows([record])[0]
        >>> row["method"], row["bits"], row["noise"], row["i2t"], row["clean split"]
        ('DUCH', '64', '0.10', '0.842 (0.800)', 'yes')
    """
    rows = []
    for record in records:
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for setting in record["settings"]:
            shared = {name: value for name, value in setting.items() if name not in OF_A_RUN}
            groups.setdefault(json.dumps(shared, sort_keys=True), []).append(setting)
        rows += [{**_conditions(record, seeds[0]), **_figures(seeds)} for seeds in groups.values()]
    return rows


def _conditions(record: Mapping[str, Any], setting: Mapping[str, Any]) -> Row:
    reading = [setting["variant"], setting.get("weighting", "")]
    return {
        "method": record["model"]["title"],
        "reading": ", ".join(part for part in reading if part),
        "dataset": record["dataset"],
        "split": record["protocol"]["split"],
        "clean split": "no" if record["protocol"]["leak"] else "yes",
        "bits": str(setting["bits"]),
        "noise": f"{setting['noise']:.2f}",
        "hidden": str(setting["hidden"]),
        "epochs": str(setting["epochs"]),
        "rate": f"{setting['learning_rate']:g}",
    }


def _figures(seeds: Sequence[Mapping[str, Any]]) -> Row:
    row = {"seeds": str(len({setting["seed"] for setting in seeds}))}
    for name, short in SHORT.items():
        answers, places = (
            [setting["figures"][name][reading][K] for setting in seeds] for reading in ("map_answers", "map_places")
        )
        spread = f" ± {stdev(answers):.3f}" if len(answers) > 1 else ""
        row[short] = f"{fmean(answers):.3f}{spread} ({fmean(places):.3f})"
    return row
