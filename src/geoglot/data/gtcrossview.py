"""GTCrossView: pairs of street and aerial pictures without classes, for the unsupervised stage alone.

N. Vo, J. Hays, "Localizing and Orienting Street Views Using Overhead Imagery", 2016. The pictures may lie in any
folders, or a file ``images.txt`` names them, one path a line; nothing but the pictures is read.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from geoglot.core.errors import DataError
from geoglot.data.location import dataset_folder

NAME = "gtcrossview"
LICENCE = "for research; pictures from Google Maps and Street View; no licence text"
SOURCE = "https://github.com/lugiavn/gt-crossview"
EXPECTED = "pictures in any folders, or images.txt with one path a line"
LISTING = "images.txt"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"})


def pictures(root: str | Path | None = None) -> list[Path]:
    """All pictures, in the order of ``images.txt`` or by path.

    Args:
        root: Folder that holds ``gtcrossview/``; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent or holds no picture, or the listing names a file that is absent or outside.

    Example:
        >>> pictures("/no/such/folder")
        Traceback (most recent call last):
        geoglot.core.errors.DataError: /no/such/folder: is not a folder. Remedy: give the folder that holds one folder\
 per dataset, with --data-root or the variable GEOGLOT_DATA.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    listing = folder / LISTING
    if listing.is_file():
        found = _listed(folder, listing)
    else:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(folder, cause="holds no picture", remedy=f"expected {EXPECTED}; from {SOURCE}")
    return found


def check(root: str | Path | None = None) -> list[dict[str, Any]]:
    """What a copy holds: one record with the number of ``images``.

    Raises:
        DataError: As :func:`pictures`.
    """
    return [{"split": "all", "images": len(pictures(root)), "languages": {}, "faults": []}]


def _listed(folder: Path, listing: Path) -> list[Path]:
    """The files a listing names; each must lie in the folder and be there."""
    found = []
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        inner = PurePosixPath(name)
        path = folder / inner
        cause = "names a file outside of the dataset" if inner.is_absolute() or ".." in inner.parts else ""
        cause = cause or ("" if path.is_file() else f"names {name}, which is absent")
        if cause:
            raise DataError(f"{listing}, line {number}", cause=cause, remedy="copy the dataset again")
        found.append(path)
    return found
