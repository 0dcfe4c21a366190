"""Tables of the hashing methods from ``results/hashing/*.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, str]
K = "20"
SHORT = {"image_to_text": "i2t", "text_to_image": "t2i", "image_to_image": "i2i", "text_to_text": "t2t"}


def hashing_rows(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row per record and setting: mAP@20 of the four directions.

    Over the first 20 right items, as published; in brackets over the right items among the first 20 places.

    Args:
        records: Records of the task ``hashing``.

    Example:
        >>> figures = {"map_answers": {"20": 0.8421}, "map_places": {"20": 0.8}}
        >>> setting = {"bits": 64, "noise": 0.1, "variant": "paper", "weighting": "", "hidden": 512, "epochs": 100,
        ...            "seed": 0, "figures": dict.fromkeys(SHORT, figures)}
        >>> record = {"model": {"id": "duch", "title": "DUCH"}, "dataset": "ucm",
        ...           "protocol": {"split": "published", "leak": None}, "settings": [setting]}
        >>> row = hashing_rows([record])[0]
        >>> row["method"], row["bits"], row["noise"], row["i2t"], row["clean split"]
        ('DUCH', '64', '0.10', '0.842 (0.800)', 'yes')
    """
    return [_row(record, setting) for record in records for setting in record["settings"]]


def _row(record: Mapping[str, Any], setting: Mapping[str, Any]) -> Row:
    reading = [setting["variant"], setting.get("weighting", "")]
    row = {
        "method": record["model"]["title"],
        "reading": ", ".join(part for part in reading if part),
        "dataset": record["dataset"],
        "split": record["protocol"]["split"],
        "clean split": "no" if record["protocol"]["leak"] else "yes",
        "bits": str(setting["bits"]),
        "noise": f"{setting['noise']:.2f}",
        "hidden": str(setting["hidden"]),
        "epochs": str(setting["epochs"]),
        "seed": str(setting["seed"]),
    }
    for name, short in SHORT.items():
        figures = setting["figures"][name]
        row[short] = f"{figures['map_answers'][K]:.3f} ({figures['map_places'][K]:.3f})"
    return row
