"""Drawing a validation split from training images, where a dataset is published without one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from geoglot.data.captioned import CaptionedImage

SHARE = 0.2


def draw_validation(
    records: Sequence[CaptionedImage], *, share: float = SHARE, seed: int = 0, stratified: bool = True
) -> list[CaptionedImage]:
    """The same records, some of the split ``train`` moved to ``val``.

    Which ones depends on the identifiers and the seed alone, not on the order of the records.

    Args:
        records: All splits.
        share: Part of the training images to move, in [0, 1]; their number is rounded.
        seed: Of the draw.
        stratified: Take the same part of every scene class, as nearly as whole numbers allow; images without a
            class are one more class.

    Example:
        >>> from pathlib import Path
        >>> ten = [CaptionedImage(id=str(k), path=Path(), split="train", category=None, captions=("a",))
        ...        for k in range(10)]
        >>> [record.id for record in draw_validation(ten) if record.split == "val"]
        ['4', '6']
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.id):
        if record.split == "train":
            groups[(record.category or "") if stratified else ""].append(record.id)
    generator = np.random.default_rng(seed)
    drawn: set[str] = set()
    names = sorted(groups)
    for name, count in zip(names, _counts([len(groups[name]) for name in names], share), strict=True):
        drawn.update(groups[name][index] for index in generator.permutation(len(groups[name]))[:count])
    return [replace(r, split="val") if r.split == "train" and r.id in drawn else r for r in records]


def _counts(sizes: Sequence[int], share: float) -> list[int]:
    """How many to take of each group: rounded down, and one more where the remainder was largest.

    Example:
        >>> _counts([7, 7, 6], 0.2)  # 4 of 20: 1.4, 1.4 and 1.2
        [2, 1, 1]
    """
    wanted = np.array(sizes, dtype=np.float64) * share
    counts = np.floor(wanted + 1e-9).astype(int)
    rest = round(sum(sizes) * share) - int(counts.sum())
    largest = np.argsort(-(wanted - counts), kind="stable")[: max(rest, 0)]
    counts[largest] += 1
    return [int(count) for count in counts]
