"""Near-duplicate images across datasets and splits: found by perceptual hash, then checked.

Three steps, and the number of pairs that pass each is reported:

1. *near*: the hashes of :mod:`geoglot.data.perceptual_hash` differ in fewer bits than a bound;
2. *alike*: the 32 x 32 grey thumbnails correlate at 0.95 or more, so that flat images, whose hash is chance, drop out;
3. *duplicate*: their details, that is the thumbnails less their 3 x 3 mean, correlate at 0.5 or more, so that two
   beaches with the waterline in the same place drop out. Equal pixels are a duplicate without further checks.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import SPLITS, load_dataset
from geoglot.data.perceptual_hash import (
    SYMMETRIES,
    NearPairs,
    correlations,
    details,
    near_pairs,
    perceptual_hashes,
    symmetric_hashes,
    thumbnail,
    turned,
)

BELOW = 12
ALIKE = 0.95
SAME_DETAIL = 0.5
DECIMALS = 4
_TOGETHER = 4096
_REMEDY = "write it again with 'geoglot data leaks'"


class ImageName(NamedTuple):
    """Which image."""

    dataset: str
    split: str
    id: str

    @property
    def part(self) -> str:
        """Dataset and split, such as ``rsicd/test``."""
        return f"{self.dataset}/{self.split}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprints:
    """What is kept of images to compare them.

    Attributes:
        names: (N,), grouped by dataset and split.
        thumbnails: uint8, (N, 32, 32), grey.
        digests: Of the pixels, (N,).
    """

    names: tuple[ImageName, ...]
    thumbnails: NDArray[np.uint8]
    digests: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class DuplicatePair:
    """Two images that look alike.

    Attributes:
        first: The image of the earlier dataset or split.
        second: The other.
        distance: Number of differing hash bits.
        correlation: Of the thumbnails, in [-1, 1].
        detail: Correlation of the thumbnails less their 3 x 3 mean, in [-1, 1].
        symmetry: What was done to the first image to match the second, one of ``SYMMETRIES``.
        identical: Whether the pixels are equal.
        duplicate: Whether the pair passed all checks.
    """

    first: ImageName
    second: ImageName
    distance: int
    correlation: float
    detail: float
    symmetry: str
    identical: bool
    duplicate: bool


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """Which images of some datasets are in there twice.

    Attributes:
        images: Number of images by dataset and split.
        near: Number of pairs that are near by hash, by the two parts.
        pairs: The pairs whose thumbnails are alike, whether or not they passed the last check.
        settings: The bounds.
    """

    images: Mapping[str, int]
    near: Mapping[tuple[str, str], int]
    pairs: tuple[DuplicatePair, ...]
    settings: Mapping[str, Any]

    def summary(self) -> list[dict[str, Any]]:
        """One row for every two parts, a part with itself included: pairs that passed each step, images concerned."""
        grouped: dict[tuple[str, str], list[DuplicatePair]] = defaultdict(list)
        for pair in self.pairs:
            grouped[pair.first.part, pair.second.part].append(pair)
        rows = []
        for first, second in combinations_with_replacement(self.images, 2):
            duplicates = [pair for pair in grouped[first, second] if pair.duplicate]
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "near": self.near.get((first, second), 0),
                    "alike": len(grouped[first, second]),
                    "duplicates": len(duplicates),
                    "identical": sum(pair.identical for pair in duplicates),
                    "images_of_first": len({pair.first for pair in duplicates}),
                    "images_of_second": len({pair.second for pair in duplicates}),
                }
            )
        return rows

    def leaking(self, dataset: str, split: str = "test", *, seen: Collection[str] = ("train", "val")) -> frozenset[str]:
        """Identifiers of the images of a part that have a duplicate among images a model may have seen.

        Args:
            dataset: Name of the dataset.
            split: The part that is evaluated.
            seen: Splits, of every dataset looked at, whose images count as seen; the part itself never does.

        Raises:
            UsageError: This part was not looked at.
        """
        part = f"{dataset}/{split}"
        if part not in self.images:
            looked = ", ".join(self.images)
            raise UsageError(part, cause=f"was not looked at, only {looked}", remedy="run 'geoglot data leaks' with it")
        found = set()
        for pair in self.pairs:
            for own, other in ((pair.first, pair.second), (pair.second, pair.first)):
                if pair.duplicate and own.part == part and other.part != part and other.split in seen:
                    found.add(own.id)
        return frozenset(found)

    def as_record(self) -> dict[str, Any]:
        """JSON-ready: counts and identifiers, no pixels and no captions."""
        return {
            "task": "leaks",
            # A list, because the order of the parts says which image of a pair comes first.
            "parts": [{"part": part, "images": number} for part, number in self.images.items()],
            "settings": dict(self.settings),
            "summary": self.summary(),
            "pairs": [{**asdict(pair), "first": list(pair.first), "second": list(pair.second)} for pair in self.pairs],
        }


def read_leaks(path: str | Path) -> Leaks:
    """What ``geoglot data leaks`` wrote.

    Raises:
        DataError: The file is absent, damaged or something else.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if record["task"] != "leaks":
            raise DataError(path, cause=f"holds results of the task {record['task']}, not of leaks", remedy=_REMEDY)
        pairs = [
            DuplicatePair(**{**pair, "first": ImageName(*pair["first"]), "second": ImageName(*pair["second"])})
            for pair in record["pairs"]
        ]
        near = {(row["first"], row["second"]): int(row["near"]) for row in record["summary"] if row["near"]}
        images = {row["part"]: int(row["images"]) for row in record["parts"]}
        return Leaks(images=images, near=near, pairs=tuple(pairs), settings=record["settings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        cause = f"cannot be read ({type(error).__name__}: {error})"
        raise DataError(path, cause=cause, remedy=_REMEDY) from error


def fingerprint(
    datasets: Sequence[str],
    splits: Sequence[str] = SPLITS,
    root: str | Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Fingerprints:
    """Read every image once.

    Args:
        datasets: Names of datasets.
        splits: Which splits of each.
        root: Folder that holds the datasets; ``None`` asks the variable ``GEOGLOT_DATA``.
        progress: Called with (images done, images in all).

    Raises:
        DataError: A dataset is absent or not whole, or an image cannot be read.
        UsageError: There is no such dataset or split.
    """
    listed = [
        (ImageName(name, split, record.id), record.path)
        for name in dict.fromkeys(datasets)
        for split in dict.fromkeys(splits)
        for record in load_dataset(name).records(split, root)
    ]
    thumbnails = np.empty((len(listed), 32, 32), dtype=np.uint8)
    digests = []
    for row, (_, path) in enumerate(listed):
        thumbnails[row], digest = _thumbnail_and_digest(path)
        digests.append(digest)
        if progress is not None:
            progress(row + 1, len(listed))
    return Fingerprints(names=tuple(name for name, _ in listed), thumbnails=thumbnails, digests=tuple(digests))


def find_leaks(
    prints: Fingerprints,
    *,
    below: int = BELOW,
    alike: float = ALIKE,
    same_detail: float = SAME_DETAIL,
    symmetries: bool = False,
) -> Leaks:
    """Pairs of images that look alike, within and across datasets and splits.

    Args:
        prints: Of the images.
        below: Bound of the Hamming distance, in [1, 64].
        alike: Least correlation of the thumbnails.
        same_detail: Least correlation of the details.
        symmetries: Compare under the eight symmetries of the square, too: turned and mirrored copies.

    Raises:
        UsageError: A bound makes no sense.
    """
    if not 1 <= below <= 64:
        raise UsageError(below, cause="is no bound for the distance of 64 bits", remedy="choose one from 1 to 64")
    if prints.thumbnails.size == 0:
        raise UsageError("leaks", cause="no image to compare", remedy="name datasets and splits that have images")
    number = len(SYMMETRIES) if symmetries else 1
    plain = perceptual_hashes(prints.thumbnails)
    turned_hashes = symmetric_hashes(prints.thumbnails) if symmetries else plain[:, None]
    near: Counter[tuple[str, str]] = Counter()
    met: set[tuple[int, int]] = set()
    best: dict[tuple[int, int], DuplicatePair] = {}
    for symmetry in range(number):
        pairs = near_pairs(turned_hashes[:, symmetry], plain, below=below)
        once = np.flatnonzero(pairs.left < pairs.right)
        for start in range(0, len(once), _TOGETHER):
            some = once[start : start + _TOGETHER]
            chosen = NearPairs(pairs.left[some], pairs.right[some], pairs.distances[some])
            for key, found in _compared(prints, chosen, symmetry, alike, same_detail):
                if key not in met:
                    met.add(key)
                    near[found.first.part, found.second.part] += 1
                seems_so = found.identical or found.correlation >= alike
                if seems_so and (key not in best or _rank(found) > _rank(best[key])):
                    best[key] = found
    settings = {
        "hash": "64 bit, 32-point cosine transform of a 32 x 32 grey thumbnail, 8 x 8 against their median",
        "distance_below": below,
        "thumbnail_correlation_at_least": alike,
        "detail_correlation_at_least": same_detail,
        "symmetries": list(SYMMETRIES[:number]),
    }
    images = dict(Counter(name.part for name in prints.names))
    return Leaks(images=images, near=near, pairs=tuple(best[key] for key in sorted(best)), settings=settings)


def first_of_each(hashes: NDArray[np.uint64], *, below: int = 2) -> NDArray[np.bool_]:
    """Which images stay when of every group of near-duplicates only the first does.

    An image is dropped when it is near one that stays before it. With ``below=2`` that is the rule by which the
    training set RET-3 was made free of duplicates.

    Args:
        hashes: uint64, (N,), in the order of preference.
        below: Bound of the Hamming distance.

    Example:
        >>> first_of_each(np.array([0b00, 0b01, 0b11, 0b1111], np.uint64)).tolist()
        [True, False, True, True]
    """
    stays = np.ones(len(hashes), dtype=bool)
    pairs = near_pairs(hashes, hashes, below=below)
    for left, right in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
        if left < right and stays[left]:
            stays[right] = False
    return stays


def _compared(
    prints: Fingerprints, pairs: NearPairs, symmetry: int, alike: float, same_detail: float
) -> Iterator[tuple[tuple[int, int], DuplicatePair]]:
    """Each pair of rows with what the closer look says."""
    first = np.ascontiguousarray(turned(prints.thumbnails[pairs.left], symmetry))
    second = prints.thumbnails[pairs.right]
    whole = correlations(first, second).round(DECIMALS).tolist()
    fine = correlations(details(first), details(second)).round(DECIMALS).tolist()
    keys = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    for key, distance, correlation, detail in zip(keys, pairs.distances.tolist(), whole, fine, strict=True):
        identical = symmetry == 0 and prints.digests[key[0]] == prints.digests[key[1]]
        yield (
            key,
            DuplicatePair(
                first=prints.names[key[0]],
                second=prints.names[key[1]],
                distance=distance,
                correlation=correlation,
                detail=detail,
                symmetry=SYMMETRIES[symmetry],
                identical=identical,
                duplicate=identical or (correlation >= alike and detail >= same_detail),
            ),
        )


def _rank(pair: DuplicatePair) -> tuple[bool, float]:
    return pair.identical or pair.duplicate, pair.correlation


def _thumbnail_and_digest(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            colour = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="copy the dataset again") from error
    digest = hashlib.blake2b(np.asarray(colour).tobytes(), digest_size=16)
    digest.update(str(colour.size).encode())
    return thumbnail(colour), digest.digest()
