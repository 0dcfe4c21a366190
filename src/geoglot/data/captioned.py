"""Captioned-image datasets: the record, what a dataset file provides, and what is checked before it is used.

A dataset is one file of this package that defines ``NAME``, ``LICENCE``, ``SOURCE``, ``SPLITS``, ``SIZES``,
``listing(root)`` and ``records(split, root)``; nothing else is edited to add one. Captions are kept exactly as
published: no normalisation, because two captions count as equal only if they are the same string.

Reading is two steps: ``listing`` reads what the files say, of whatever layout (:mod:`geoglot.data.layouts`), and
:func:`settled_records` refuses what is wrong with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError

SPLITS = ("train", "val", "test")
SUBSET = "SUBSET"  # name of the file that says: this copy is a part of the dataset on purpose
_REMEDY = "copy the dataset again, or check which layout it has"


@dataclass(frozen=True, kw_only=True)
class CaptionedImage:
    """One image of a benchmark with the sentences that describe it.

    Attributes:
        id: Unique within the dataset and stable across layouts, e.g. ``airport_1``.
        path: The image file.
        split: ``train``, ``val`` or ``test``.
        category: Scene class in lower case without spaces, ``None`` where the layout does not tell.
        captions: As published, in their order, duplicates included.
    """

    id: str
    path: Path
    split: str
    category: str | None
    captions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Published numbers of images.

    Attributes:
        train: Images to train with; together with those of ``val`` where no validation split is published.
        val: Images to validate with, ``None`` where they are drawn from ``train``.
        test: Images to test with.

    Example:
        >>> Sizes(train=4291, val=None, test=452).trainval
        4291
    """

    train: int
    val: int | None
    test: int

    @property
    def trainval(self) -> int:
        """Images that are not for the test."""
        return self.train + (self.val or 0)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What the files of a dataset say, nothing checked yet: images may be missing and captions empty.

    Attributes:
        source: The file that lists the images.
        records: All splits, in the order of the file.
        val_is_drawn: The layout has no validation split of its own: ours was drawn from its training images.
        crlf_lines: Lines of the layout's text files that ended as on Windows.
    """

    source: Path
    records: tuple[CaptionedImage, ...]
    val_is_drawn: bool = False
    crlf_lines: int = 0

    def of(self, split: str) -> list[CaptionedImage]:
        """The images of one split."""
        return [record for record in self.records if record.split == split]

    @property
    def is_subset(self) -> bool:
        """Whether a file named ``SUBSET`` beside the listing, or one folder above, says that a part is meant."""
        return any((folder / SUBSET).exists() for folder in (self.source.parent, self.source.parent.parent))


class CaptionedDataset(Protocol):
    """What a dataset module provides."""

    NAME: str
    LICENCE: str
    SOURCE: str
    SPLITS: tuple[str, ...]
    SIZES: Sizes

    def listing(self, root: str | Path | None = None) -> Listing:
        """What the files list, unchecked.

        Raises:
            DataError: The dataset is absent or not in a known layout.
        """

    def records(self, split: str, root: str | Path | None = None) -> list[CaptionedImage]:
        """The images of a split in a stable order.

        Args:
            split: One of ``SPLITS``.
            root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.

        Raises:
            DataError: The dataset is absent, not in a known layout, or not whole.
            UsageError: There is no such split.
        """


def dataset_names() -> list[str]:
    """Names of the datasets that can be loaded, sorted.

    Example:
        >>> [name for name in dataset_names() if name in ("rsicd", "ucm")]
        ['rsicd', 'ucm']
    """
    package = "geoglot.data"
    return [name for name in registry.names(package) if hasattr(registry.load(package, name), "records")]


def load_dataset(name: str) -> CaptionedDataset:
    """The dataset of that name.

    Raises:
        UsageError: There is no such dataset.

    Example:
        >>> load_dataset("ucm").NAME
        'ucm'
    """
    module = registry.load("geoglot.data", name)
    if not hasattr(module, "records"):
        raise UsageError(name, cause="is no dataset", remedy=f"choose one of {', '.join(dataset_names())}")
    return cast(CaptionedDataset, module)


def check_split(split: str, splits: tuple[str, ...] = SPLITS) -> None:
    """Raise a ``UsageError`` for a split that does not exist."""
    if split not in splits:
        raise UsageError(split, cause="is no split", remedy=f"choose one of {', '.join(splits)}")


def settled_records(
    listing: Listing, split: str, *, sizes: Sizes, uncaptioned: frozenset[str] = frozenset()
) -> list[CaptionedImage]:
    """The images of a split, once nothing is wrong with them.

    Args:
        listing: What the files say.
        split: Which split.
        sizes: Published sizes; a copy that holds a part on purpose has a file named ``SUBSET`` in its folder.
        uncaptioned: Identifiers of images that are published without a sentence; they are left out.

    Raises:
        DataError: A split of another size, an image listed twice, a missing image file, an empty caption: the first
            one met, by name.
    """
    if not listing.is_subset:
        _check_size(listing, split, sizes)
    found = [record for record in listing.of(split) if not (record.id in uncaptioned and is_uncaptioned(record))]
    missing = missing_images(found)
    if missing:
        cause = f"is absent, and {len(missing) - 1} more of the {len(found)} images in {listing.source.name}"
        raise DataError(missing[0].path, cause=cause, remedy=_REMEDY)
    times = Counter(record.id for record in listing.records)
    for record in found:
        if times[record.id] > 1:
            raise DataError(listing.source, cause=f"lists {record.id} twice", remedy=_REMEDY)
        for number, caption in enumerate(record.captions, start=1):
            if not caption.strip():
                cause = f"has an empty caption: number {number} of {len(record.captions)}"
                raise DataError(f"{listing.source}, image {record.id}", cause=cause, remedy=_REMEDY)
    return found


def is_uncaptioned(record: CaptionedImage) -> bool:
    """Whether none of the captions holds a character."""
    return not any(caption.strip() for caption in record.captions)


def missing_images(records: Iterable[CaptionedImage]) -> list[CaptionedImage]:
    """The records whose image file is not there."""
    records = list(records)
    present = {folder: set(_names(folder)) for folder in {record.path.parent for record in records}}
    return [record for record in records if record.path.name not in present[record.path.parent]]


def size_faults(listing: Listing, sizes: Sizes) -> dict[str, str]:
    """By split, what is wrong with the number of images; the splits that are right are left out."""
    counts = {split: len(listing.of(split)) for split in SPLITS}
    faults = {}
    if sizes.val is None or listing.val_is_drawn:
        found = counts["train"] + counts["val"]
        if found != sizes.trainval:
            fault = f"lists {found:,} images for training and validation, not {sizes.trainval:,}"
            faults = {"train": fault, "val": fault}
    else:
        for split, expected in (("train", sizes.train), ("val", sizes.val)):
            if counts[split] != expected:
                faults[split] = f"lists {counts[split]:,} {split} images, not {expected:,}"
    if counts["test"] != sizes.test:
        faults["test"] = f"lists {counts['test']:,} test images, not {sizes.test:,}"
    return faults


def _check_size(listing: Listing, split: str, sizes: Sizes) -> None:
    fault = size_faults(listing, sizes).get(split)
    if fault is not None:
        remedy = f"copy the dataset again, or, if a part of it is meant, put a file named {SUBSET} into its folder"
        raise DataError(listing.source, cause=fault, remedy=remedy)


def _names(folder: Path) -> Iterable[str]:
    return (path.name for path in folder.iterdir()) if folder.is_dir() else ()
