"""The layouts in which captioned datasets are stored, and how each is read.

============== ================================================================ ======================================
layout         files                                                            validation split
============== ================================================================ ======================================
manifest       ``manifest.jsonl`` or ``.jsonl.gz``: one object per image        as listed
sentence JSON  the dataset's published JSON, with ``images`` and ``sentences``  as listed, drawn where there is none
precomp        ``<name>_precomp/{train,test}_{caps,filename}.txt``              ``*_verify.txt``, else drawn
============== ================================================================ ======================================

The precomp layout has one caption per line. The file of names has either one line per image (five captions each) or
one line per caption (each name five times); which one, the counts tell. Any file may be compressed (``.gz``).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from geoglot.core.errors import DataError
from geoglot.data.captioned import CaptionedImage, Listing
from geoglot.data.drawing import draw_validation

CAPTIONS_PER_IMAGE = 5
_REMEDY = "copy the dataset again, or check which layout it has"

# From a file's stem to identifier and class.
Identify = Callable[[str], tuple[str, str | None]]


def category_in_name(stem: str) -> tuple[str, str | None]:
    """The stem itself, and as class the part before the first underscore, when that is a word.

    Example:
        >>> category_in_name("airport_12"), category_in_name("00623")
        (('airport_12', 'airport'), ('00623', None))
    """
    word, underscore, _ = stem.partition("_")
    return stem, word.lower() if underscore and word.isalpha() else None


def read_layouts(
    folder: Path,
    *,
    name: str,
    listing: str,
    images: Sequence[str],
    source: str,
    identify: Identify = category_in_name,
    seed: int = 0,
) -> Listing:
    """What a dataset's folder lists, in the first layout found: manifest, sentence JSON, precomp.

    Args:
        folder: The dataset's folder.
        name: Of the dataset; the precomp folder is ``<name>_precomp``.
        listing: Name of the published JSON file.
        images: Names that the folder of images may have, the likeliest first.
        source: Where the dataset can be had, for the error message.
        identify: From a file's stem to identifier and class.
        seed: Of the draw, where the layout has no validation split.

    Raises:
        DataError: There is no known layout, or its files are damaged.
    """
    for manifest in ("manifest.jsonl.gz", "manifest.jsonl"):
        if (folder / manifest).is_file():
            return read_manifest(folder / manifest)
    pictures = next((folder / each for each in images if (folder / each).is_dir()), folder / images[0])
    published = _either(folder / listing)
    if published is not None:
        return read_sentence_json(published, pictures, identify=identify, seed=seed)
    precomp = folder / f"{name}_precomp"
    if precomp.is_dir():
        return read_precomp(precomp, pictures, identify=identify, seed=seed)
    expected = f"manifest.jsonl, or {listing}, or {name}_precomp/ with its four text files, and {images[0]}/"
    raise DataError(folder, cause="has no known layout", remedy=f"put there {expected} (from {source})")


def read_manifest(manifest: Path) -> Listing:
    """What ``manifest.jsonl`` or ``manifest.jsonl.gz`` lists.

    Each line is an object with ``image`` (path inside the folder), ``cls`` (scene class), ``split`` and
    ``captions`` (list of strings). The order of the lines is kept.

    Raises:
        DataError: A line is damaged.
    """
    found = []
    # Not splitlines: a sentence may hold one of the separators that it also splits at.
    for number, line in enumerate(_text(manifest).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            record = CaptionedImage(
                id=PurePosixPath(entry["image"]).stem,
                path=_inside(manifest.parent, entry["image"]),
                split=entry["split"],
                category=entry.get("cls"),
                captions=_captions(entry["captions"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(f"{manifest}, line {number}", error) from error
        found.append(record)
    return Listing(source=manifest, records=tuple(found))


def read_sentence_json(listing: Path, images: Path, *, identify: Identify = category_in_name, seed: int = 0) -> Listing:
    """What the published JSON lists: ``{"images": [{"filename", "split", "sentences": [{"raw"}]}]}``.

    Args:
        listing: The JSON file.
        images: The folder with the image files; a file of the same stem and another suffix is accepted.
        identify: From a file's stem to identifier and class.
        seed: Of the draw, where the file has no validation split.

    Raises:
        DataError: The listing is damaged.
    """
    on_disk = _by_stem(images)
    found = []
    try:
        for entry in json.loads(_text(listing))["images"]:
            stem = PurePosixPath(entry["filename"]).stem
            identifier, category = identify(stem)
            found.append(
                CaptionedImage(
                    id=identifier,
                    path=on_disk.get(stem, _inside(images, entry["filename"])),
                    split=entry["split"],
                    category=category,
                    captions=_captions([sentence["raw"] for sentence in entry["sentences"]]),
                )
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(str(listing), error) from error
    drawn = not any(record.split == "val" for record in found)
    records = draw_validation(found, seed=seed) if drawn else found
    return Listing(source=listing, records=tuple(records), val_is_drawn=drawn)


def read_precomp(folder: Path, images: Path, *, identify: Identify = category_in_name, seed: int = 0) -> Listing:
    """What the text files of the precomp layout list.

    ``train_*.txt`` hold the images for training and validation. Where ``train_*_verify.txt`` and
    ``val_*_verify.txt`` are there too, they say which are which; else a fifth is drawn.

    Args:
        folder: With ``train_caps.txt``, ``train_filename.txt``, ``test_caps.txt`` and ``test_filename.txt``.
        images: The folder with the image files; a file of the same stem and another suffix is accepted.
        identify: From a file's stem to identifier and class.
        seed: Of the draw.

    Raises:
        DataError: A file is absent, captions and names do not go together, or a name is repeated.
    """
    on_disk = _by_stem(images)
    verified = _either(folder / "val_caps_verify.txt") is not None
    parts = {"train": "train", "test": "test"}
    if verified:
        parts = {"train": "train", "val": "val", "test": "test"}
    found: list[CaptionedImage] = []
    crlf = 0
    for split, stem in parts.items():
        ending = "_verify" if verified and split != "test" else ""
        captions = _lines(folder / f"{stem}_caps{ending}.txt")
        names = _lines(folder / f"{stem}_filename{ending}.txt")
        crlf += captions.crlf + names.crlf
        for name, own in _one_per_image(names, captions):
            stem_of_name = PurePosixPath(name).stem
            identifier, category = identify(stem_of_name)
            try:
                path = on_disk.get(stem_of_name, _inside(images, name))
            except ValueError as error:
                raise _damaged(str(names.path), error) from error
            found.append(CaptionedImage(id=identifier, path=path, split=split, category=category, captions=own))
    records = found if verified else draw_validation(found, seed=seed)
    source = _either(folder / "train_filename.txt") or folder
    return Listing(source=source, records=tuple(records), val_is_drawn=True, crlf_lines=crlf)


@dataclass(frozen=True)
class _Lines:
    """The lines of a text file without their ends, and how many ended as on Windows."""

    path: Path
    lines: tuple[str, ...]
    crlf: int


def _lines(path: Path) -> _Lines:
    found = _either(path)
    if found is None:
        raise DataError(path, cause="is absent", remedy=_REMEDY)
    lines = _text(found).split("\n")
    if lines[-1] == "":
        lines.pop()  # what follows the last line end; an empty last line has an end of its own
    crlf = sum(line.endswith("\r") for line in lines)
    return _Lines(found, tuple(line.removesuffix("\r") for line in lines), crlf)


def _one_per_image(names: _Lines, captions: _Lines) -> list[tuple[str, tuple[str, ...]]]:
    """Every image's name with its captions, whether the names are listed per image or per caption."""
    count, each = len(captions.lines), CAPTIONS_PER_IMAGE
    if count == len(names.lines) * each:
        listed: Sequence[str] = names.lines
    elif count == len(names.lines) and count % each == 0:
        for number in range(count):
            if names.lines[number] != names.lines[number - number % each]:
                cause = f"names {names.lines[number]!r} where the same name should stand {each} times"
                raise DataError(f"{names.path}, line {number + 1}", cause=cause, remedy=_REMEDY)
        listed = names.lines[::each]
    else:
        cause = (
            f"has {count:,} captions, which do not go with the {len(names.lines):,} names in {names.path.name}: "
            f"neither {each} captions per name nor one name per caption, {each} times the same"
        )
        raise DataError(captions.path, cause=cause, remedy=_REMEDY)
    for number, name in enumerate(listed):
        if not name.strip():
            raise DataError(f"{names.path}, image {number + 1}", cause="has no name", remedy=_REMEDY)
    return [(name, captions.lines[row * each : (row + 1) * each]) for row, name in enumerate(listed)]


def _either(path: Path) -> Path | None:
    """The file, or its compressed form, or nothing."""
    return next((each for each in (path, path.with_name(path.name + ".gz")) if each.is_file()), None)


def _by_stem(images: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(images.iterdir())} if images.is_dir() else {}


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
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


def _damaged(subject: str, error: Exception) -> DataError:
    return DataError(subject, cause=f"cannot be read ({type(error).__name__}: {error})", remedy=_REMEDY)
