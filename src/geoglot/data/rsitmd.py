"""RSITMD: 4,743 aerial images of 256 x 256 pixels in 32 scene classes, five English sentences each.

Z. Yuan et al., "Exploring a Fine-Grained Multiscale Method for Cross-Modal Remote Sensing Image Retrieval", 2022,
arXiv:2204.09868. Splits 4,291 / 452 images for training and test; the validation images are drawn from the former,
a fifth of every class. Four training images are published without a sentence and left out: 20 empty captions. Most
images are RSICD's under other names, so one set's test images can be the other's training images.
"""

from __future__ import annotations

from pathlib import Path

from geoglot.data.captioned import SPLITS, CaptionedImage, Listing, Sizes, check_split, settled_records
from geoglot.data.layouts import read_layouts
from geoglot.data.location import dataset_folder

__all__ = ["LICENCE", "NAME", "SIZES", "SOURCE", "SPLITS", "listing", "records"]

NAME = "rsitmd"
LICENCE = "released for research; images from RSICD and Google Earth; no licence text"
SOURCE = "https://github.com/xiaoyuan1996/AMFMN"
SIZES = Sizes(train=4291, val=None, test=452)
EXPECTED = "the published dataset_RSITMD.json or rsitmd_precomp/, with images/"

# Published without a sentence, five empty lines each.
UNCAPTIONED = frozenset({"mountain_2378", "railwaystation_3254", "storagetanks_4367", "viaduct_4635"})


def listing(root: str | Path | None = None, *, seed: int = 0) -> Listing:
    """What the files list, unchecked: see :func:`geoglot.data.layouts.read_layouts`.

    Args:
        root: As for :func:`records`.
        seed: Of the draw of the validation images.

    Raises:
        DataError: The dataset is absent or not in a known layout.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    return read_layouts(
        folder,
        name=NAME,
        listing="dataset_RSITMD.json",
        images=("images", "RSITMD_images"),
        source=SOURCE,
        seed=seed,
    )


def records(split: str, root: str | Path | None = None, *, seed: int = 0) -> list[CaptionedImage]:
    """The images of a split, in the order of the listing.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: Folder that holds ``rsitmd/``; ``None`` asks the variable ``GEOGLOT_DATA``.
        seed: Of the draw of the validation images, where the layout does not name them.

    Raises:
        DataError: The dataset is absent, not in a known layout, or not whole.
        UsageError: There is no such split.

    Example:
        >>> records("trian")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: trian: is no split. Remedy: choose one of train, val, test.
    """
    check_split(split)
    return settled_records(listing(root, seed=seed), split, sizes=SIZES, uncaptioned=UNCAPTIONED)
