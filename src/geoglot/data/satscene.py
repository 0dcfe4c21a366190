"""WHU-RS19, also called SatScene: about fifty aerial images of 600 x 600 pixels in each of 19 scene classes.

D. Dai, W. Yang, "Satellite Image Classification via Two-Layer Sparse Coding With Biased Image Representation", 2011;
images exported from Google Earth. Copies with 950, 1,005 and 1,013 images circulate, so any number is accepted and
:func:`check` says what was found.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from geoglot.core.errors import DataError
from geoglot.data.labelled import LabelledImage
from geoglot.data.location import dataset_folder

NAME = "satscene"
LICENCE = "for research; images from Google Earth; no licence text"
SOURCE = "https://captain-whu.github.io/BED4RS/"
EXPECTED = "one folder per class (Airport/, Beach/ ...) with its images, directly or in one folder such as WHU-RS19/"
CLASSES = 19
KNOWN_SIZES = (950, 1005, 1013)
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"})


def images(root: str | Path | None = None) -> list[LabelledImage]:
    """All images, by class and file name; the class is the folder's name in lower case, letters and digits alone.

    Args:
        root: Folder that holds ``satscene/``; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, has no folder with images, or two folders with the same class.

    Example:
        >>> images("/no/such/folder")
        Traceback (most recent call last):
        geoglot.core.errors.DataError: /no/such/folder: is not a folder. Remedy: give the folder that holds one folder\
 per dataset, with --data-root or the variable GEOGLOT_DATA.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    of_class: dict[str, list[Path]] = {}
    for inner in _class_folders(folder):
        category = re.sub(r"[^a-z0-9]", "", inner.name.lower())
        if category in of_class:
            cause = f"is the second folder of class {category!r}"
            raise DataError(inner, cause=cause, remedy="keep one folder per class")
        of_class[category] = _pictures(inner)
    if not of_class:
        raise DataError(folder, cause="has no known layout", remedy=f"expected {EXPECTED}; from {SOURCE}")
    return [
        LabelledImage(id=f"{category}/{path.stem}", path=path, category=category)
        for category in sorted(of_class)
        for path in of_class[category]
    ]


def check(root: str | Path | None = None) -> list[dict[str, Any]]:
    """What a copy holds: one record.

    Keys: ``split``, ``images``, ``known_size`` (a copy of that many images circulates), ``categories``, ``fewest`` and
    ``most`` images of a class, ``languages`` (none), ``faults``.

    Raises:
        DataError: As :func:`images`.
    """
    found = images(root)
    counts: dict[str, int] = {}
    for image in found:
        counts[image.category] = counts.get(image.category, 0) + 1
    faults = [] if len(counts) == CLASSES else [f"has {len(counts)} classes, not {CLASSES}"]
    if len({image.id for image in found}) < len(found):
        faults.append("has two images of one name in a class")
    record = {
        "split": "all",
        "images": len(found),
        "known_size": len(found) in KNOWN_SIZES,
        "categories": len(counts),
        "fewest": min(counts.values()),
        "most": max(counts.values()),
        "languages": {},
        "faults": faults,
    }
    return [record]


def _class_folders(folder: Path) -> list[Path]:
    """The folders that hold images; one folder around them all is looked through."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [path for path in inner if _pictures(path)]
    if not found and len(inner) == 1:
        return _class_folders(inner[0])
    return found


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
