"""A folder of segmentation masks as images with boxes: the first half of making captions from masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.data.box_captions import Box, BoxedImage
from geoglot.data.mask_boxes import mask_to_boxes

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")


def boxes_of_folder(
    folder: str | Path,
    classes: Mapping[int, str],
    *,
    ignore: Collection[str] = (),
    least_pixels: int = 1,
    images: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[BoxedImage]:
    """Boxes around the connected parts of every class of every mask of a folder.

    Args:
        folder: Of mask files: one channel or a palette, values are class indices.
        classes: Names of the classes.
        ignore: Names of classes without boxes.
        least_pixels: Parts with fewer pixels are left out.
        images: Folder with the images; one of the same stem lends its name. Without it the mask's own name is used.
        progress: Called with (masks done, masks in all).

    Raises:
        DataError: There is no mask, a mask is in colour or damaged, has an unknown class, or lacks its image.
    """
    folder = Path(folder)
    masks = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not masks:
        raise DataError(folder, cause="holds no mask", remedy=f"give a folder with files {', '.join(SUFFIXES)}")
    unknown = set(ignore) - set(classes.values())
    if unknown:
        known = ", ".join(classes.values())
        raise DataError(sorted(unknown)[0], cause="is no class of these masks", remedy=f"choose from {known}")
    on_disk = {path.stem: path.name for path in sorted(Path(images).iterdir())} if images is not None else {}
    skipped = [index for index, name in classes.items() if name in ignore]
    found = []
    for number, path in enumerate(masks, start=1):
        if images is not None and path.stem not in on_disk:
            raise DataError(path, cause=f"has no image of its name in {images}", remedy="add it, or remove the mask")
        mask = read_mask(path)
        boxes = mask_to_boxes(mask, ignore=skipped, least_pixels=least_pixels)
        odd = sorted(set(np.unique(mask).tolist()) - set(classes))
        if odd:
            raise DataError(path, cause=f"holds class {odd[0]}, which has no name", remedy="name it in the classes")
        found.append(
            BoxedImage(
                name=on_disk.get(path.stem, path.name),
                width=mask.shape[1],
                height=mask.shape[0],
                boxes=tuple(
                    Box(category=classes[kind], column=box[0], row=box[1], width=box[2], height=box[3])
                    for kind, box in zip(boxes.classes.tolist(), boxes.boxes.tolist(), strict=True)
                ),
            )
        )
        if progress is not None:
            progress(number, len(masks))
    return found


def read_mask(path: Path) -> NDArray[np.integer[Any]]:
    """Class indices of a mask file, (H, W).

    Raises:
        DataError: The file is damaged or in colour.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="copy the file again") from error
    if values.ndim != 2 or values.dtype.kind not in "iub":
        cause = "is a picture in colour, not class indices" if values.ndim == 3 else "does not hold whole numbers"
        raise DataError(path, cause=cause, remedy="save it with one channel, or a palette, whose values are classes")
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def read_classes(path: str | Path) -> dict[int, str]:
    """Class names of a JSON file: ``{"0": "water", "1": "land"}``, alone or under the key ``index``.

    Raises:
        DataError: The file is absent or something else.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        stored = stored.get("index", stored)
        classes = {int(key): str(name).strip() for key, name in stored.items()}
        if not classes or not all(classes.values()):
            raise ValueError("a class has no name")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = 'write {"0": "water", "1": "land"}: class index and name'
        raise DataError(path, cause=f"cannot be read ({error})", remedy=remedy) from error
    return classes
