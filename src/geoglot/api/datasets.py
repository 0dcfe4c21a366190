"""Looking after benchmark datasets: what they hold, which images are there twice, captions made from boxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geoglot.core.errors import UsageError
from geoglot.core.runs import environment, write_json
from geoglot.data.captioned import SPLITS, check_split, load_dataset
from geoglot.data.near_duplicates import BELOW, Leaks

__all__ = [
    "Leaks",
    "boxes_to_captions",
    "check_dataset",
    "find_leaks",
    "masks_to_boxes",
    "render_dataset",
    "write_leaks",
]


def find_leaks(
    data: Sequence[str] = ("rsicd", "ucm"),
    splits: Sequence[str] = SPLITS,
    root: str | Path | None = None,
    *,
    below: int = BELOW,
    symmetries: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Leaks:
    """Near-duplicate images across datasets and splits.

    Args:
        data: Names of datasets.
        splits: Which splits of each.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        below: Bound of the Hamming distance of the hashes.
        symmetries: Look for turned and mirrored copies, too.
        progress: Called with (images done, images in all).

    Raises:
        DataError: A dataset is absent or not whole, or an image cannot be read.
        UsageError: There is no such dataset or split.

    Example:
        >>> find_leaks(["rsicd"], ["trian"])
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: trian: is no split. Remedy: choose one of train, val, test.
    """
    from geoglot.data import near_duplicates

    for name in data:
        load_dataset(name)
    for split in splits:
        check_split(split)
    prints = near_duplicates.fingerprint(data, splits, root, progress=progress)
    return near_duplicates.find_leaks(prints, below=below, symmetries=symmetries)


def write_leaks(leaks: Leaks, results: Path) -> Path:
    """Write ``<results>/leaks/<datasets>.json``: counts and identifiers, no pixels.

    Splits are added to the name where not all were looked at, and ``symmetries`` where turned copies were, too.
    """
    sets = list(dict.fromkeys(part.partition("/")[0] for part in leaks.images))
    splits = list(dict.fromkeys(part.partition("/")[2] for part in leaks.images))
    words = [*sets, *(splits if set(splits) != set(SPLITS) else [])]
    words += ["symmetries"] if len(leaks.settings["symmetries"]) > 1 else []
    name = "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip(".-") or "unnamed" for word in words)
    path = results / "leaks" / f"{name}.json"
    dates = {"compared": datetime.now(UTC).strftime("%Y-%m-%d")}
    write_json(path, {**leaks.as_record(), "environment": environment(), "dates": dates})
    return path


def check_dataset(name: str, root: str | Path | None = None) -> list[dict[str, Any]]:
    """Counts and faults of a dataset, one record per split: see :func:`geoglot.data.checking.check_dataset`.

    Raises:
        DataError: The dataset is absent, or so damaged that it cannot be read at all.
        UsageError: There is no such dataset.
    """
    from geoglot.data import checking

    return checking.check_dataset(name, root)


def render_dataset(
    folder: str | Path, *, scenes: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Make the dataset ``rendered``: captioned pictures of generated scenes. See :mod:`geoglot.data.rendered`.

    Args:
        folder: Gets pictures, a manifest and a table of translations; to be found later it must be named
            ``rendered`` and lie in the data folder.
        scenes: How many scenes; ``None`` for the usual number.
        progress: Called with (pictures done, pictures in all).

    Returns:
        The manifest.

    Raises:
        UsageError: The folder holds a dataset already, or there are fewer than three scenes.
    """
    from geoglot.data import rendered

    count = rendered.SCENES if scenes is None else scenes
    return rendered.render(folder, scenes=count, progress=progress or (lambda done, total: None))


def boxes_to_captions(
    boxes: str | Path, *, name: str = "boxes", split: str = "train", seed: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """Five captions for every image of a JSON file with boxes, and the names of images left out: they have no box.

    Args:
        boxes: As :func:`geoglot.data.box_captions.read_boxes` reads it.
        name: Of the dataset that is made.
        split: Which split its images belong to.
        seed: Of the choice of words.

    Raises:
        DataError: The file is absent or damaged, or no image has a box.
        UsageError: There is no such split.
    """
    from geoglot.core.errors import DataError
    from geoglot.data.box_captions import captioned_json, read_boxes

    check_split(split)
    record, left_out = captioned_json(read_boxes(boxes), name=name, split=split, seed=seed)
    if not record["images"]:
        raise DataError(boxes, cause="has no image with a box", remedy="check annotations and image_id")
    return record, left_out


def masks_to_boxes(
    folder: str | Path,
    classes: str | Path,
    *,
    ignore: Sequence[str] = (),
    least_pixels: int = 1,
    images: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Boxes, as COCO has them, around the connected parts of every class of every mask of a folder.

    Args:
        folder: Of mask files whose values are class indices.
        classes: JSON file with the names of the classes.
        ignore: Names of classes without boxes.
        least_pixels: Parts with fewer pixels are left out.
        images: Folder with the images of the same stems, for their names.
        progress: Called with (masks done, masks in all).

    Raises:
        DataError: A mask, an image or the names are absent or damaged.
        UsageError: ``least_pixels`` is below 1.
    """
    from geoglot.data.box_captions import boxes_json
    from geoglot.data.mask_folder import boxes_of_folder, read_classes

    if least_pixels < 1:
        raise UsageError(least_pixels, cause="is no number of pixels", remedy="give 1 or more")
    names = read_classes(classes)
    found = boxes_of_folder(folder, names, ignore=ignore, least_pixels=least_pixels, images=images, progress=progress)
    return boxes_json(found)
