"""Images with a scene class and nothing else: what matching learns from and is measured on, and how it is split.

A captioned dataset whose records tell a class serves as it is. A dataset without captions is one file of this
package that defines ``NAME``, ``LICENCE``, ``SOURCE`` and ``images(root)``. A dataset without classes defines
``pictures(root)`` instead; it serves the unsupervised stage alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import load_dataset

FOLDS = 5
SHARES = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
VALIDATION = 0.1
_PACKAGE = "geoglot.data"


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One image and its scene class.

    Attributes:
        id: Unique within the dataset, e.g. ``airport_1``.
        path: The image file.
        category: Scene class in lower case without spaces.
    """

    id: str
    path: Path
    category: str


def labelled_names() -> list[str]:
    """Names of the datasets that may have scene classes, sorted.

    Example:
        >>> {"rsicd", "satscene", "ucm"} <= set(labelled_names())
        True
    """
    offering = [name for name in registry.names(_PACKAGE) if _offers(name, "images") or _offers(name, "records")]
    return [name for name in offering if not _offers(name, "WITHOUT_CLASSES")]


def load_labelled(name: str, root: str | Path | None = None) -> list[LabelledImage]:
    """All images of a dataset with their classes, of every split, by class and then by identifier.

    The order does not depend on the layout the files lie in, so a row means the same image everywhere.

    Args:
        name: ``ucm``, ``rsicd``, ``satscene`` ...
        root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: The dataset is absent, not whole, or does not tell the class of every image.
        UsageError: There is no such dataset, or it has no classes.

    Example:
        >>> load_labelled("gtcrossview")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: gtcrossview: has no scene classes. Remedy: choose one of rsicd, rsitmd,\
 satscene, sydney, ucm.
    """
    module = registry.load(_PACKAGE, name)
    if hasattr(module, "images"):
        found: list[LabelledImage] = module.images(root)
    elif hasattr(module, "records") and not hasattr(module, "WITHOUT_CLASSES"):
        found = _from_captions(name, root)
    else:
        raise UsageError(name, cause="has no scene classes", remedy=f"choose one of {', '.join(labelled_names())}")
    return sorted(found, key=lambda image: (image.category, image.id))


def load_pictures(name: str, root: str | Path | None = None) -> list[Path]:
    """The image files of a dataset, labels or not: what an autoencoder learns from.

    Raises:
        DataError: The dataset is absent or not whole.
        UsageError: There is no such dataset.
    """
    module = registry.load(_PACKAGE, name)
    if hasattr(module, "pictures"):
        paths: list[Path] = module.pictures(root)
        return paths
    if hasattr(module, "images"):
        return [image.path for image in load_labelled(name, root)]
    dataset = load_dataset(name)
    return [record.path for split in dataset.SPLITS for record in dataset.records(split, root)]


def category_rows(categories: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Distinct names in order, and which of them each image has.

    Example:
        >>> category_rows(["river", "beach", "river"])
        (('beach', 'river'), array([1, 0, 1]))
    """
    names, rows = np.unique(np.asarray(categories, dtype=np.str_), return_inverse=True)
    return tuple(names.tolist()), rows.astype(np.int64)


def split_rows(
    categories: Sequence[str] | NDArray[np.int64],
    share: float = 0.8,
    seed: int = 0,
    fold: int | None = None,
) -> NDArray[np.str_]:
    """Which images train, validate and test: drawn class by class.

    The images of a class are shuffled; the first ``1 - share`` of them test, and a tenth of the rest validates (at
    least one where three or more are left). With one seed a smaller share keeps all test images of a larger one. In a
    cross-validation each image tests in exactly one of five folds.

    Args:
        categories: (M,) class of every image, names or numbers.
        share: Part of a class that is not for the test, in (0, 1); 0.8 to 0.3 in the publication.
        seed: Of the draw.
        fold: 0 to 4: which fifth tests. The share is 0.8 then.

    Returns:
        (M,) ``train``, ``val`` or ``test``.

    Raises:
        UsageError: A share or fold that does not exist, or a fold with another share than 0.8.
        DataError: A class has a single image, which cannot both train and test; or fewer than five, for folds.

    Example:
        >>> rows = split_rows([0] * 100)
        >>> [int((rows == part).sum()) for part in ("train", "val", "test")]
        [72, 8, 20]
    """
    if not 0 < share < 1:
        raise UsageError(f"share {share}", cause="is no part of a class", remedy="choose one between 0 and 1")
    if fold is not None and (fold not in range(FOLDS) or share != 1 - 1 / FOLDS):
        cause = "is no fold of five" if fold not in range(FOLDS) else f"does not go with share {share}"
        raise UsageError(f"fold {fold}", cause=cause, remedy="choose 0 to 4, and leave the share at 0.8")
    _, rows = np.unique(np.asarray(categories), return_inverse=True)
    splits = np.full(len(rows), "train")
    for category in range(int(rows.max(initial=-1)) + 1):
        members = np.flatnonzero(rows == category)
        least = 2 if fold is None else FOLDS
        if len(members) < least:
            cause = f"has {len(members)} image{'s' * (len(members) > 1)} of one class, fewer than {least}"
            raise DataError("the dataset", cause=cause, remedy="leave that class out, or give it more images")
        drawn = members[np.random.default_rng([seed, category]).permutation(len(members))]
        if fold is None:
            count = min(max(round(len(drawn) * (1 - share)), 1), len(drawn) - 1)
            test = np.arange(len(drawn)) < count
        else:
            # Turned from class to class, so that no fold collects the remainder of every class.
            test = (np.arange(len(drawn)) + category) % FOLDS == fold
        splits[drawn[test]] = "test"
        rest = drawn[~test]
        held = max(round(len(rest) * VALIDATION), 1) if len(rest) >= 3 else 0
        splits[rest[:held]] = "val"
    return splits


def _offers(name: str, attribute: str) -> bool:
    return hasattr(registry.load(_PACKAGE, name), attribute)


def _from_captions(name: str, root: str | Path | None) -> list[LabelledImage]:
    dataset = load_dataset(name)
    records = [record for split in dataset.SPLITS for record in dataset.records(split, root)]
    without = [record.id for record in records if record.category is None]
    if without:
        cause = f"does not tell the scene class of {len(without):,} images, such as {without[0]}"
        raise DataError(name, cause=cause, remedy="copy it in a layout that has classes")
    return [LabelledImage(id=r.id, path=r.path, category=r.category) for r in records if r.category is not None]
