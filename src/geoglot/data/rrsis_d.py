"""RRSIS-D in its published layout: 17,402 triplets of 800 x 800 pixels, cut from DIOR.

Paper: "Rotated Multi-Scale Interaction Network for Referring Remote Sensing Image Segmentation" (Liu et al.). The
folder ``rrsis_d`` (or its folder ``RRSIS-D``) holds ``rrsisd/refs(unc).p``, ``rrsisd/instances.json`` and
``images/rrsisd/JPEGImages``. The masks are run lengths in the JSON file: they are unpacked once, into the user's cache
folder. The ``.p`` file is a pickle: it is read by a reader that knows lists, dictionaries, texts and numbers only, so
that nothing in it can run.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from geoglot.core.errors import DataError
from geoglot.core.runs import whole_file
from geoglot.data.captioned import SPLITS, SUBSET
from geoglot.data.dubai_referring import cache_folder
from geoglot.data.location import dataset_folder
from geoglot.data.referring import Referral, ReferringDataset
from geoglot.data.run_length import decode_mask

NAME = "rrsis_d"
LICENCE = "as its authors say; the imagery is DIOR's, from Google Earth, for research"
SOURCE = "https://github.com/Lsan2401/RMSIN"
TRIPLETS = {"train": 12181, "val": 1740, "test": 3481}
_LAYOUT = "rrsisd/refs(unc).p, rrsisd/instances.json and images/rrsisd/JPEGImages/*.jpg"


def load(root: str | Path | None = None) -> ReferringDataset:
    """The dataset below a data folder.

    Raises:
        DataError: It is absent, not in its layout, or an image is missing.
    """
    folder = dataset_folder(NAME, root, expected=f"get it from {SOURCE}; its layout is {_LAYOUT}")
    folder = folder / "RRSIS-D" if (folder / "RRSIS-D").is_dir() else folder
    listing, instances, images = (
        folder / "rrsisd" / "refs(unc).p",
        folder / "rrsisd" / "instances.json",
        folder / "images" / "rrsisd" / "JPEGImages",
    )
    for path in (listing, instances, images):
        if not path.exists():
            raise DataError(path, cause="is absent", remedy=f"get it from {SOURCE}; the layout is {_LAYOUT}")
    masks = cache_folder() / "referring" / f"{NAME}-{_fingerprint(listing, instances)}"
    try:
        splits = _read(listing, instances, images, masks)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            listing, cause=f"and instances.json do not fit ({error!r})", remedy=f"get them from {SOURCE}"
        ) from error
    if not ((folder / SUBSET).exists() or (folder.parent / SUBSET).exists()):
        for split, expected in TRIPLETS.items():
            if len(splits[split]) != expected:
                cause = f"lists {len(splits[split]):,} triplets, not {expected:,}, for {split}"
                remedy = (
                    f"get it again from {SOURCE}, or, if a part is meant, put a file named {SUBSET} into its folder"
                )
                raise DataError(listing, cause=cause, remedy=remedy)
    return ReferringDataset(name=NAME, folder=folder, splits=splits)


def _read(listing: Path, instances: Path, images: Path, masks: Path) -> dict[str, list[Referral]]:
    stored = json.loads(instances.read_text(encoding="utf-8"))
    annotations = {row["id"]: row for row in stored["annotations"]}
    pictures = {row["id"]: row for row in stored["images"]}
    categories = {row["id"]: str(row["name"]).lower() for row in stored.get("categories", ())}
    present = {path.name for path in images.iterdir()}
    splits: dict[str, list[Referral]] = {split: [] for split in SPLITS}
    for reference in _PlainReader(io.BytesIO(listing.read_bytes())).load():
        annotation = annotations[reference["ann_id"]]
        picture = pictures[reference["image_id"]]
        name = Path(str(picture["file_name"])).name
        if name not in present:
            raise DataError(images / name, cause="is absent", remedy=f"get it from {SOURCE}")
        mask = _mask_file(masks, reference["ann_id"], annotation, picture)
        for sentence in reference["sentences"]:
            splits[reference["split"]].append(
                Referral(
                    id=f"{reference['ref_id']}_{sentence['sent_id']}",
                    scene=Path(name).stem,
                    image=images / name,
                    mask=mask,
                    phrases={"en": " ".join(str(sentence.get("sent") or sentence["raw"]).split())},
                    categories=(categories[annotation["category_id"]],),
                )
            )
    return splits


def _mask_file(folder: Path, number: Any, annotation: Mapping[str, Any], picture: Mapping[str, Any]) -> Path:
    """The mask as a file, written on first use."""
    from PIL import Image

    path = folder / f"{int(number)}.png"
    if not path.is_file():
        mask = decode_mask(annotation["segmentation"], int(picture["height"]), int(picture["width"]))
        with whole_file(path) as temporary:
            Image.fromarray(mask.astype(np.uint8) * 255).save(temporary)
    return path


def _fingerprint(*files: Path) -> str:
    said = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


class _PlainReader(pickle.Unpickler):
    """Reads pickles of plain values; a pickle that names a class or a function is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"names {module}.{name}, which no list of plain values does")
