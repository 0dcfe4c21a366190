"""Referring segmentation datasets: a phrase, the image it speaks of, and the mask of what it means.

:func:`load_referring` finds RefSegRS and RRSIS-D in their published layouts, the benchmark that is built from the Dubai
class maps, and every folder that ``geoglot data refer`` wrote.

A written folder has the layout of RefSegRS (``images/<id>.tif``, ``masks/<id>.tif``, ``output_phrase_<split>.txt`` with
a line ``<id> <phrase>`` per triplet), and beside it ``phrases.jsonl``, which adds what that layout has no room for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import SPLITS, check_split

TEMPLATES = ("category", "attribute+category", "category+relation", "attribute+category+relation")
PHRASES_FILE = "phrases.jsonl"
_BUILT_AGAIN = "build the folder again with 'geoglot data refer'"


@dataclass(frozen=True, kw_only=True)
class Referral:
    """A triplet: an image, a phrase in some languages, and the mask of what the phrase means.

    Attributes:
        id: Unique within the dataset.
        scene: The image the phrase speaks of; the triplets of a scene show the same picture.
        image: RGB image file; triplets of one scene may name one file.
        mask: Mask file of the same size; what is not 0 is meant.
        phrases: Phrase by language code; ``en`` is always there.
        categories: What is meant, then what it is related to; empty where the layout does not tell.
        template: One of ``TEMPLATES``, or empty.
        wordings: By language, more phrases that mean the same, the one of ``phrases`` first.
    """

    id: str
    scene: str
    image: Path
    mask: Path
    phrases: Mapping[str, str]
    categories: tuple[str, ...] = ()
    template: str = ""
    wordings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReferringDataset:
    """Triplets by split.

    Attributes:
        name: Of the dataset.
        folder: Where it lies.
        splits: Triplets by split, in a stable order.
    """

    name: str
    folder: Path
    splits: Mapping[str, Sequence[Referral]]

    def records(self, split: str, *, limit: int | None = None) -> list[Referral]:
        """The triplets of a split, in a stable order.

        Args:
            split: ``train``, ``val`` or ``test``.
            limit: At most so many, the first ones.

        Raises:
            UsageError: There is no such split.
        """
        check_split(split)
        return list(self.splits.get(split, ()))[:limit]

    def scenes(self, split: str) -> list[str]:
        """The scenes of a split, each once, in the order of their first triplet."""
        return list(dict.fromkeys(record.scene for record in self.records(split)))


def load_referring(name_or_folder: str | Path, root: str | Path | None = None) -> ReferringDataset:
    """A dataset by name, or a folder with one.

    Args:
        name_or_folder: ``refsegrs``, ``rrsis_d``, ``dubai`` (built on first use, into the user's cache folder), or a
            folder that ``geoglot data refer`` wrote.
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, or not in its layout.
        UsageError: It is neither a name nor a folder.
    """
    from geoglot.data import dubai_referring, refsegrs, rrsis_d

    published = {"refsegrs": refsegrs.load, "rrsis_d": rrsis_d.load, "dubai": dubai_referring.load}
    if isinstance(name_or_folder, str) and name_or_folder in published:
        return published[name_or_folder](root)
    folder = Path(name_or_folder).expanduser()
    if (folder / PHRASES_FILE).is_file():
        return read_written(folder)
    if folder.is_dir():
        return refsegrs.read_folder(folder, name=folder.name)
    known = ", ".join(published)
    raise UsageError(
        name_or_folder,
        cause="is neither a referring dataset nor a folder with one",
        remedy=f"choose one of {known}, or build a folder with 'geoglot data refer'",
    )


def read_written(folder: Path) -> ReferringDataset:
    """The dataset of a folder that ``geoglot data refer`` wrote.

    Raises:
        DataError: ``phrases.jsonl`` is damaged, or names a file that is not there.
    """
    splits: dict[str, list[Referral]] = {split: [] for split in SPLITS}
    listing = folder / PHRASES_FILE
    present = {part: {path.name for path in (folder / part).glob("*")} for part in ("images", "masks")}
    name = folder.name
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            stored = json.loads(line)
            record = _from_line(folder, stored)
            splits[stored["split"]].append(record)
            name = stored.get("dataset", name)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{listing}, line {number}", cause=f"cannot be read ({error})", remedy=_BUILT_AGAIN
            ) from error
        for path in (record.image, record.mask):
            if path.name not in present.get(path.parent.name, ()):
                raise DataError(path, cause=f"is absent; {listing.name}, line {number}, names it", remedy=_BUILT_AGAIN)
    return ReferringDataset(name=name, folder=folder, splits=splits)


def _from_line(folder: Path, stored: Mapping[str, Any]) -> Referral:
    phrases = {str(language): str(phrase) for language, phrase in stored["phrases"].items()}
    if not phrases.get("en", "").strip():
        raise ValueError("has no English phrase")
    return Referral(
        id=str(stored["id"]),
        scene=str(stored["scene"]),
        image=folder / "images" / Path(stored["image"]).name,
        mask=folder / "masks" / Path(stored["mask"]).name,
        phrases=phrases,
        categories=tuple(stored.get("categories", ())),
        template=str(stored.get("template", "")),
        wordings={language: tuple(several) for language, several in stored.get("wordings", {}).items()},
    )


def read_pair(record: Referral, side: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Pixels and mask of a triplet.

    Args:
        record: The triplet.
        side: Resize both to squares of that many pixels, the image bilinear, the mask nearest; ``None`` keeps them.

    Returns:
        (H, W, 3) uint8 RGB and (H, W) bool.

    Raises:
        DataError: A file is absent or damaged, or the two have different sizes.
    """
    from PIL import Image

    try:
        with Image.open(record.image) as picture, Image.open(record.mask) as drawn:
            if picture.size != drawn.size:
                cause = f"is {drawn.width} x {drawn.height} pixels, its image {picture.width} x {picture.height}"
                raise DataError(record.mask, cause=cause, remedy="copy the dataset again")
            meant = np.asarray(drawn)
            mask = Image.fromarray((meant if meant.ndim == 2 else meant.max(axis=2)) > 0)
            pixels = picture.convert("RGB")
            if side is not None:
                pixels = pixels.resize((side, side), Image.Resampling.BILINEAR)
                mask = mask.resize((side, side), Image.Resampling.NEAREST)
            return np.asarray(pixels), np.asarray(mask).astype(bool)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            record.image, cause=f"or its mask cannot be read ({error})", remedy="copy the files again"
        ) from error
