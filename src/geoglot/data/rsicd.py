"""RSICD: 10,921 aerial images of 224 x 224 pixels in 31 scene classes, five English sentences each.

X. Lu, B. Wang, X. Zheng, X. Li, "Exploring Models and Data for Remote Sensing Image Caption Generation", 2017,
arXiv:1712.07835. Splits 8,734 / 1,094 / 1,093 images. Only a third of the sentences are distinct, so recall is
reported with and without counting equal captions as answers of each other.
"""

from __future__ import annotations

from pathlib import Path

from geoglot.data.captioned import SPLITS, CaptionedImage, Listing, Sizes, check_split, settled_records
from geoglot.data.layouts import read_layouts
from geoglot.data.location import dataset_folder

__all__ = ["LICENCE", "NAME", "SIZES", "SOURCE", "SPLITS", "listing", "records"]

NAME = "rsicd"
LICENCE = "released for research; images from Google Earth, Baidu Map, MapABC and Tianditu; no licence text"
SOURCE = "https://github.com/201528014227051/RSICD_optimal"
SIZES = Sizes(train=8734, val=1094, test=1093)
EXPECTED = "manifest.jsonl.gz with images/, or the published dataset_rsicd.json or rsicd_precomp/ with RSICD_images/"


def listing(root: str | Path | None = None) -> Listing:
    """What the files list, unchecked: see :func:`geoglot.data.layouts.read_layouts`.

    Raises:
        DataError: The dataset is absent or not in a known layout.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    return read_layouts(
        folder, name=NAME, listing="dataset_rsicd.json", images=("RSICD_images", "images"), source=SOURCE
    )


def records(split: str, root: str | Path | None = None) -> list[CaptionedImage]:
    """The images of a split, in the order of the listing.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: Folder that holds ``rsicd/``; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, not in a known layout, or not whole.
        UsageError: There is no such split.

    Example:
        >>> records("test", "/no/such/folder")
        Traceback (most recent call last):
        geoglot.core.errors.DataError: /no/such/folder: is not a folder. Remedy: give the folder that holds one folder\
 per dataset, with --data-root or the variable GEOGLOT_DATA.
    """
    check_split(split)
    return settled_records(listing(root), split, sizes=SIZES)
