"""SkyScapes as a source of referring triplets: 16 aerial tiles of 5616 x 3744 pixels, 13 cm per pixel, 20 classes.

Paper: "SkyScapes: Fine-Grained Semantic Understanding of Aerial Scenes" (Azimi, Henry, Sommer, Schumann, Vig), whose
imagery RefSegRS is cut from. The folder ``skyscapes`` holds ``images`` and ``labels`` (with files of the same stems),
itself or below ``train``, ``val`` and ``test``. Labels are class values 1 to 20 or pictures in the dataset's colours.
Where the splits are not told, the tiles are split in the order of their names.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from geoglot.core.errors import DataError
from geoglot.data.captioned import SPLITS
from geoglot.data.class_table import ClassTable, class_table
from geoglot.data.labelled_rasters import raster_sources
from geoglot.data.location import dataset_folder
from geoglot.data.reference_sources import LabelledSource

NAME = "skyscapes"
SOURCE = "https://www.dlr.de/en/eoc, under SkyScapes: given out on request, for research"
GSD_M = 0.13
_CLASSES = (
    ("low vegetation", "#f423e8"),
    ("paved road", "#66669c"),
    ("non-paved road", "#be9999"),
    ("paved parking place", "#999999"),
    ("non-paved parking place", "#faaa1e"),
    ("bikeway", "#98fb98"),
    ("sidewalk", "#4682b4"),
    ("entrance/exit", "#6b8e23"),
    ("danger area", "#dcdc00"),
    ("lane marking", "#ff0000"),
    ("building", "#dc143c"),
    ("car", "#7d008e"),
    ("trailer", "#aac828"),
    ("van", "#c83c64"),
    ("truck", "#961250"),
    ("large truck", "#51b451"),
    ("bus", "#bef115"),
    ("clutter", "#0b7720"),
    ("impervious surface", "#78f078"),
    ("tree", "#464646"),
)


def table() -> ClassTable:
    """The 20 classes: values from 1, and colours.

    Example:
        >>> table().names[10]
        'lane marking'
    """
    return class_table({str(n): {"name": name, "colour": colour} for n, (name, colour) in enumerate(_CLASSES, start=1)})


def sources(root: str | Path | None = None) -> list[LabelledSource]:
    """The tiles with their class maps.

    Raises:
        DataError: The dataset is absent or not in a known layout.
    """
    layout = f"images and labels, below train, val and test or not; get it from {SOURCE}"
    folder = dataset_folder(NAME, root, expected=layout)
    parts = [split for split in SPLITS if (folder / split / "images").is_dir()]
    found: list[LabelledSource] = []
    for split in parts or [""]:
        images, labels = folder / split / "images", folder / split / "labels"
        if not (images.is_dir() and labels.is_dir()):
            raise DataError(
                folder / split, cause="holds no images and labels", remedy=f"put the dataset there: {layout}"
            )
        tiles = raster_sources(images, labels, table(), gsd_m=GSD_M, split=split or None)
        found += [replace(tile, place=None) for tile in tiles]
    return found
