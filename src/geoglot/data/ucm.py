"""UC Merced Land Use with UCM-captions: 2,100 aerial images in 21 classes, five English sentences each.

Images: Y. Yang, S. Newsam, "Bag-Of-Visual-Words and Spatial Extensions for Land-Use Classification", 2010; USGS
imagery of about 0.3 m. Captions: B. Qu et al., "Deep semantic understanding of high resolution remote sensing
image", 2016. Splits 1,680 / 210 / 210 images. Nominally 256 x 256 pixels; 44 images differ by up to nine.
"""

from __future__ import annotations

from pathlib import Path

from geoglot.data.captioned import SPLITS, CaptionedImage, Listing, Sizes, check_split, settled_records
from geoglot.data.layouts import read_layouts
from geoglot.data.location import dataset_folder

__all__ = ["LICENCE", "NAME", "SIZES", "SOURCE", "SPLITS", "listing", "records"]

NAME = "ucm"
LICENCE = "USGS imagery, public domain, for research purposes; captions without a licence text"
SOURCE = "http://weegee.vision.ucmerced.edu/datasets/landuse.html and https://github.com/201528014227051/RSICD_optimal"
SIZES = Sizes(train=1680, val=210, test=210)
EXPECTED = "manifest.jsonl with images/, or the published dataset.json or ucm_precomp/ with imgs/ (1.tif ... 2100.tif)"

CATEGORIES = (
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
)
_IMAGES_PER_CATEGORY = 100


def listing(root: str | Path | None = None) -> Listing:
    """What the files list, unchecked: see :func:`geoglot.data.layouts.read_layouts`.

    Raises:
        DataError: The dataset is absent or not in a known layout.
    """
    folder = dataset_folder(NAME, root, expected=EXPECTED)
    return read_layouts(
        folder, name=NAME, listing="dataset.json", images=("imgs", "images"), source=SOURCE, identify=_identify
    )


def records(split: str, root: str | Path | None = None) -> list[CaptionedImage]:
    """The images of a split, in the order of the listing.

    In the published layout the images are numbered through; the class follows from the number, 100 images per
    class in alphabetical order.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: Folder that holds ``ucm/``; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, not in a known layout, or not whole.
        UsageError: There is no such split.

    Example:
        >>> records("validation")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: validation: is no split. Remedy: choose one of train, val, test.
    """
    check_split(split)
    return settled_records(listing(root), split, sizes=SIZES)


def _identify(stem: str) -> tuple[str, str | None]:
    """Identifier and class of the image ``n.tif``."""
    if not stem.isdecimal() or not 1 <= int(stem) <= len(CATEGORIES) * _IMAGES_PER_CATEGORY:
        return stem, None
    category, number = divmod(int(stem) - 1, _IMAGES_PER_CATEGORY)
    return f"{CATEGORIES[category]}{number:02d}", CATEGORIES[category]
