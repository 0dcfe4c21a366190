"""Counts of a dataset: Table I, words, shares of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoglot.core.errors import UsageError
from geoglot.data.referring import Referral, ReferringDataset
from geoglot.data.referring_statistics import share_histogram, statistics


def small(folder: Path) -> ReferringDataset:
    said = {
        "train": [
            ("building along the road", "مبنى على طول الطريق", 10),
            ("building", "مبنى", 40),
            ("light-duty vehicle in the parking area", "مركبة خفيفة في موقف السيارات", 3),
        ],
        "val": [("a red roof in the corner", "سقف أحمر", 100)],
        "test": [],
    }
    splits = {}
    for split, rows in said.items():
        splits[split] = []
        for english, arabic, percent in rows:
            identifier = f"{split}_{len(splits[split])}"
            mask = np.zeros(100, np.uint8)
            mask[:percent] = 1
            Image.fromarray(mask.reshape(10, 10)).save(folder / f"{identifier}.png")
            Image.new("RGB", (10, 10)).save(folder / f"{identifier}_image.png")
            splits[split].append(
                Referral(
                    id=identifier,
                    scene="a" if english.startswith("building") else identifier,
                    image=folder / f"{identifier}_image.png",
                    mask=folder / f"{identifier}.png",
                    phrases={"en": english, "ar": arabic},
                )
            )
    return ReferringDataset(name="small", folder=folder, splits=splits)


def test_table_one(tmp_path: Path) -> None:
    found = statistics(small(tmp_path), masks=True)
    assert found.scenes == {"train": 2, "val": 1, "test": 0}
    assert found.triplets == {"train": 3, "val": 1, "test": 0}
    assert dict(found.templates) == {
        "category+relation": 1,
        "category": 1,
        "attribute+category+relation": 1,
        "other": 1,
    }
    assert dict(found.categories) == {"building": 2, "vehicle": 1}
    assert dict(found.attributes) == {"light-duty": 1}
    assert dict(found.relations) == {"along the road": 1, "in the parking area": 1}
    assert found.mask_shares.tolist() == [0.1, 0.4, 0.03, 1.0]
    rows = {(row["kind"], row["label"]): row["number"] for row in found.as_rows()}
    assert rows["triplets", "train"] == 3
    assert rows["mask share", "0% to 5%"] == 1
    assert rows["mask share", "95% to 100%"] == 1
    assert sum(number for (kind, _), number in rows.items() if kind == "mask share") == 4


def test_words_for_a_cloud(tmp_path: Path) -> None:
    assert dict(statistics(small(tmp_path)).parts) == {
        "buildings": 2,
        "along the road": 1,
        "light-duty vehicles": 1,
        "in the parking area": 1,
        "red": 1,
        "roof": 1,
        "corner": 1,
    }
    assert dict(statistics(small(tmp_path), language="ar").parts) == {
        "مبان": 2,
        "على طول الطريق": 1,
        "مركبات خفيفة": 1,
        "في موقف السيارات": 1,
        "سقف": 1,
        "أحمر": 1,
    }
    assert len(statistics(small(tmp_path)).mask_shares) == 0
    with pytest.raises(UsageError, match="use en, ar, fr, it"):
        statistics(small(tmp_path), language="de")


def test_the_histogram_counts_every_mask_once() -> None:
    shares = np.random.default_rng(0).random(500)
    edges, counts = share_histogram(shares)
    naive = [sum(low <= share < low + 0.05 for share in shares) for low in np.arange(20) / 20]
    assert counts.tolist() == naive
    assert counts.sum() == 500
    assert edges[:3].tolist() == [0.0, 0.05, 0.1]
