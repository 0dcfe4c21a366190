"""Sydney-captions: 613 aerial images of 500 x 500 pixels in seven classes, five English sentences each.

Images: F. Zhang, B. Du, L. Zhang, "Saliency-Guided Unsupervised Feature Learning for Scene Classification", 2015;
Google Earth imagery of Sydney of 0.5 m. Captions: B. Qu et al., "Deep semantic understanding of high resolution
remote sensing image", 2016. Splits 497 / 58 / 58 images. The files are numbered and tell no class.
"""

from __future__ import annotations

from pathlib import Path

from geoglot.data.captioned import SPLITS, CaptionedImage, Listing, Sizes, check_split, settled_records
from geoglot.data.layouts import read_layouts
from geoglot.data.location import dataset_folder

__all__ = ["LICENCE", "NAME", "SIZES", "SOURCE", "SPLITS", "listing", "records"]

NAME = "sydney"
LICENCE = "released for research; images from Google Earth; no licence text"
SOURCE = "https://github.com/201528014227051/RSICD_optimal"
SIZES = Sizes(train=497, val=58, test=58)
EXPECTED = "the published dataset.json or sydney_precomp/, with imgs/ (1.tif ... 613.tif)"


def listing(root: str | Path | None = None) -> Listing:
    """What the files list, unchecked: see :func:`geoglot.data.layouts.read_layouts`.

    Raises:
        DataError: The dataset is absent or not in a known layout.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    return read_layouts(folder, name=NAME, listing="dataset.json", images=("imgs", "images"), source=SOURCE)


def records(split: str, root: str | Path | None = None) -> list[CaptionedImage]:
    """The images of a split, in the order of the listing.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: Folder that holds ``sydney/``; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, not in a known layout, or not whole.
        UsageError: There is no such split.

    Example:
        >>> records("dev")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: dev: is no split. Remedy: choose one of train, val, test.
    """
    check_split(split)
    return settled_records(listing(root), split, sizes=SIZES)
