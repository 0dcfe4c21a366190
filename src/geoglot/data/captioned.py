"""Captioned-image datasets: the record, what a dataset file provides, and the two layouts they are stored in.

A dataset is one file of this package that defines ``NAME``, ``LICENCE``, ``SOURCE``, ``SPLITS`` and
``records(split, root)``; nothing else is edited to add one. Captions are kept exactly as published: no
normalisation, because two captions count as equal only if they are the same string.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError

SPLITS = ("train", "val", "test")


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


class CaptionedDataset(Protocol):
    """What a dataset module provides."""

    NAME: str
    LICENCE: str
    SOURCE: str
    SPLITS: tuple[str, ...]

    def records(self, split: str, root: str | Path | None = None) -> list[CaptionedImage]:
        """The images of a split in a stable order.

        Args:
            split: One of ``SPLITS``.
            root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.

        Raises:
            DataError: The dataset is absent or not in a known layout.
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


def first_folder(folder: Path, *names: str) -> Path:
    """The first of the named subfolders that exists, else the first name."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder / names[0])


def read_manifest(folder: Path, split: str) -> list[CaptionedImage] | None:
    """Records from ``manifest.jsonl`` or ``manifest.jsonl.gz``; ``None`` if the folder has neither.

    Each line is an object with ``image`` (path inside the folder), ``cls`` (scene class), ``split`` and
    ``captions`` (list of strings). The order of the lines is kept.

    Raises:
        DataError: A line is damaged, or an image file is missing.
    """
    for name in ("manifest.jsonl.gz", "manifest.jsonl"):
        if (folder / name).is_file():
            return _manifest_records(folder, folder / name, split)
    return None


def _manifest_records(folder: Path, manifest: Path, split: str) -> list[CaptionedImage]:
    found = []
    # Not splitlines: a sentence may hold one of the separators that it also splits at.
    for number, line in enumerate(_text(manifest).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            record = CaptionedImage(
                id=PurePosixPath(entry["image"]).stem,
                path=_inside(folder, entry["image"]),
                split=entry["split"],
                category=entry.get("cls"),
                captions=_captions(entry["captions"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(f"{manifest}, line {number}", error) from error
        if record.split == split:
            found.append(record)
    return _complete(found, manifest)


def read_sentence_json(
    listing: Path, images: Path, split: str, *, identify: Callable[[str], tuple[str, str | None]] | None = None
) -> list[CaptionedImage]:
    """Records from the published JSON: ``{"images": [{"filename", "split", "sentences": [{"raw"}]}]}``.

    Args:
        listing: The JSON file.
        images: The folder with the image files; a file of the same stem and another suffix is accepted.
        split: Which split.
        identify: From a file's stem to identifier and class; without it the identifier is the stem, and the class
            is the part before the first underscore, when that is a word.

    Raises:
        DataError: The listing is damaged, or an image file is missing.
    """
    on_disk = {path.stem: path for path in sorted(images.iterdir())} if images.is_dir() else {}
    found = []
    try:
        for entry in json.loads(_text(listing))["images"]:
            if entry["split"] != split:
                continue
            stem = PurePosixPath(entry["filename"]).stem
            identifier, category = identify(stem) if identify else (stem, _category_in(stem))
            found.append(
                CaptionedImage(
                    id=identifier,
                    path=on_disk.get(stem, _inside(images, entry["filename"])),
                    split=split,
                    category=category,
                    captions=_captions([sentence["raw"] for sentence in entry["sentences"]]),
                )
            )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(str(listing), error) from error
    return _complete(found, listing)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(str(path), error) from error


def _captions(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise ValueError("captions are not a list of strings")
    return tuple(values)


def _inside(folder: Path, name: str) -> Path:
    """A path below the folder; a listing may not point elsewhere."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"{name} points outside the dataset")
    return folder / relative


def _category_in(stem: str) -> str | None:
    word, underscore, _ = stem.partition("_")
    return word.lower() if underscore and word.isalpha() else None


def _complete(records: list[CaptionedImage], listing: Path) -> list[CaptionedImage]:
    """The records, once every image file is seen and every identifier is met once."""
    remedy = "copy the dataset again, or check which layout it has"
    present = {folder: set(_names(folder)) for folder in {record.path.parent for record in records}}
    missing = [record.path for record in records if record.path.name not in present[record.path.parent]]
    if missing:
        cause = f"is absent, and {len(missing) - 1} more of the {len(records)} images in {listing.name}"
        raise DataError(missing[0], cause=cause, remedy=remedy)
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise DataError(listing, cause=f"lists {record.id} twice", remedy=remedy)
        seen.add(record.id)
    return records


def _names(folder: Path) -> Iterable[str]:
    return (path.name for path in folder.iterdir()) if folder.is_dir() else ()


def _damaged(subject: str, error: Exception) -> DataError:
    cause = f"cannot be read ({type(error).__name__}: {error})"
    return DataError(subject, cause=cause, remedy="copy the dataset again, or check which layout it has")
