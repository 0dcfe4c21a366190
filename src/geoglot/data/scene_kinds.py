"""Kinds of place over several datasets: which classes of one dataset are classes of another under another name.

Matching for archives learns from all datasets with classes at once, so that "harbor" of UC Merced and "port" of RSICD
are one kind. Classes that overlap without being the same (buildings and commercial, airplane and airport) stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from geoglot.core.errors import DataError
from geoglot.data.captioned import load_dataset
from geoglot.data.labelled import LabelledImage

SAME_KIND: Final[Mapping[str, str]] = {
    "agricultural": "farmland",
    "baseballdiamond": "baseballfield",
    "harbor": "port",
    "overpass": "viaduct",
    "parkinglot": "parking",
}
"""Class of UC Merced -> the kind that RSICD calls otherwise; classes of one name are one kind anyway."""


def kind_of_place(category: str) -> str:
    """The kind that a class of any dataset means.

    Example:
        >>> kind_of_place("harbor"), kind_of_place("port"), kind_of_place("beach")
        ('port', 'port', 'beach')
    """
    return SAME_KIND.get(category, category)


def images_by_kind(datasets: Sequence[str], split: str, root: str | Path | None = None) -> list[LabelledImage]:
    """The images of one caption split of several datasets, with the kind of place in ``category``.

    Args:
        datasets: Names of captioned datasets whose records tell a class.
        split: ``train``, ``val`` or ``test``: those of the captions, so that what a text encoder was trained on and
            what it was not stay apart.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: A dataset is absent or does not tell the class of every image.
        UsageError: There is no such dataset or split.
    """
    found = []
    for name in datasets:
        for record in load_dataset(name).records(split, root):
            if not record.category:
                cause = f"does not tell the class of {record.id}"
                raise DataError(name, cause=cause, remedy="use the layout with a manifest")
            found.append(
                LabelledImage(id=f"{name}/{record.id}", path=record.path, category=kind_of_place(record.category))
            )
    return found
