"""RRSIS-D in its published layout (to come)."""

from __future__ import annotations

from pathlib import Path

from geoglot.data.location import dataset_folder
from geoglot.data.referring import ReferringDataset


def load(root: str | Path | None = None) -> ReferringDataset:
    """The dataset below a data folder."""
    folder = dataset_folder("rrsis_d", root, expected="its layout")
    return ReferringDataset(name="rrsis_d", folder=folder, splits={})
