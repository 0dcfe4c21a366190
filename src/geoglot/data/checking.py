"""What a dataset holds and what is wrong with it, all at once instead of the first fault alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import (
    Listing,
    Sizes,
    check_split,
    is_uncaptioned,
    load_dataset,
    missing_images,
    size_faults,
)
from geoglot.data.translations import Translations, load_translations

SHOWN = 3


def check_dataset(name: str, root: str | Path | None = None) -> list[dict[str, Any]]:
    """One record per split; of a dataset without captions one record with what there is to tell.

    Keys: ``split``, ``images``, ``captions``, ``distinct_captions``, ``images_with_equal_captions`` (all of its
    captions the same), ``empty_captions``, ``images_without_captions``, ``missing_images``, ``listed_twice``,
    ``crlf_lines`` (of the whole layout), ``validation_drawn``, ``categories``, ``languages`` (English, and by language
    the percentage of captions that the table of translations holds), ``faults`` (sentences; empty when all is well).

    Args:
        name: Of the dataset.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, or so damaged that it cannot be read at all.
        UsageError: There is no such dataset.
    """
    module = registry.load("geoglot.data", name)
    if hasattr(module, "check"):  # a dataset without captions and splits says what it holds itself
        records: list[dict[str, Any]] = module.check(root)
        return records
    dataset = load_dataset(name)
    if not hasattr(dataset, "listing") or not hasattr(dataset, "SIZES"):
        raise UsageError(name, cause="tells no listing and no sizes", remedy="add them to its module")
    listing: Listing = dataset.listing(root)
    table = _translations(root)
    twice = Counter(record.id for record in listing.records)
    uncaptioned: frozenset[str] = getattr(dataset, "UNCAPTIONED", frozenset())
    return [_describe(listing, split, dataset.SIZES, uncaptioned, table, twice) for split in dataset.SPLITS]


def _describe(
    listing: Listing,
    split: str,
    sizes: Sizes,
    uncaptioned: frozenset[str],
    table: Translations | None,
    times: Counter[str],
) -> dict[str, Any]:
    check_split(split)
    found = listing.of(split)
    captions = [caption for record in found for caption in record.captions]
    filled = [caption for caption in captions if caption.strip()]
    missing = missing_images(found)
    twice = [record.id for record in found if times[record.id] > 1]
    without = [record for record in found if is_uncaptioned(record)]
    partly = [r.id for r in found if not is_uncaptioned(r) and not all(caption.strip() for caption in r.captions)]
    unexpected = [record.id for record in without if record.id not in uncaptioned] + partly
    faults = [] if listing.is_subset else [fault for of, fault in size_faults(listing, sizes).items() if of == split]
    for names, words in (
        ([record.path.name for record in missing], "image files are missing"),
        (twice, "images are listed twice"),
        (unexpected, "images have an empty caption"),
    ):
        if names:
            shown = ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
            faults.append(f"{len(names):,} {words}: {shown}")
    return {
        "split": split,
        "images": len(found),
        "captions": len(captions),
        "distinct_captions": len(set(filled)),
        "images_with_equal_captions": sum(
            len(set(r.captions)) == 1 < len(r.captions) for r in found if r not in without
        ),
        "empty_captions": len(captions) - len(filled),
        "images_without_captions": len(without),
        "missing_images": len(missing),
        "listed_twice": len(twice),
        "crlf_lines": listing.crlf_lines,
        "validation_drawn": listing.val_is_drawn,
        "categories": len({record.category for record in found if record.category}),
        "languages": _coverage(filled, table),
        "faults": faults,
    }


def _coverage(captions: list[str], table: Translations | None) -> dict[str, float]:
    """Percentage of captions that can be had in each language."""
    if not captions:
        return {}
    covered = {"en": 100.0}
    for language in table.languages[1:] if table else ():
        missing = len(table.translate_all(captions, language).missing) if table else 0
        covered[language] = round(100 * (1 - missing / len(captions)), 2)
    return covered


def _translations(root: str | Path | None) -> Translations | None:
    """The table, or nothing where it is absent; a damaged one is an error."""
    try:
        return load_translations(root)
    except DataError as error:
        if error.cause == "is absent":
            return None
        raise
