"""What is in a referring dataset: Table I of the RefSegRS paper with counts, its words, and the shares of the masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.data.captioned import SPLITS
from geoglot.data.reference_phrases import LANGUAGES, Parsed, parse_phrase, read_noun
from geoglot.data.reference_words import NOUN_FORMS
from geoglot.data.referring import Referral, ReferringDataset, read_pair

_SMALL_WORDS: Final = frozenset("a an and at by de des di du in is it la le les lo of on that the to with".split())
_SHARE_STEP: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class ReferringStatistics:
    """Counts of a dataset.

    Attributes:
        name: Of the dataset.
        language: Of ``phrases`` and ``parts``.
        scenes: Number by split.
        triplets: Number by split.
        templates: Triplets by template; of phrases that no template makes under ``other``.
        categories: Triplets by what is meant.
        attributes: Triplets by attribute.
        relations: Triplets by relation.
        phrases: Triplets by phrase.
        parts: How often each noun and relation is said, for a word cloud; words of phrases of another grammar.
        mask_shares: Share of the image that each mask covers, [0, 1]; empty where masks were not asked for.
    """

    name: str
    language: str
    scenes: dict[str, int]
    triplets: dict[str, int]
    templates: Counter[str]
    categories: Counter[str]
    attributes: Counter[str]
    relations: Counter[str]
    phrases: Counter[str]
    parts: Counter[str]
    mask_shares: NDArray[np.float64] = field(repr=False)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row per count: what kind, which one, how many."""
        kinds = {
            "scenes": self.scenes,
            "triplets": self.triplets,
            "template": self.templates,
            "category": self.categories,
            "attribute": self.attributes,
            "relation": self.relations,
        }
        rows = [
            {"kind": kind, "label": label, "number": number}
            for kind, counts in kinds.items()
            for label, number in (counts.most_common() if isinstance(counts, Counter) else counts.items())
        ]
        if len(self.mask_shares):
            edges, counts = share_histogram(self.mask_shares)
            rows += [
                {"kind": "mask share", "label": f"{low:.0%} to {low + _SHARE_STEP:.0%}", "number": count}
                for low, count in zip(edges.tolist(), counts.tolist(), strict=False)
            ]
        return rows


def statistics(dataset: ReferringDataset, *, language: str = "en", masks: bool = False) -> ReferringStatistics:
    """Count what is in a dataset.

    Args:
        dataset: The dataset.
        language: Of the phrases that are counted; triplets without one in it are left out there.
        masks: Read every mask for its share.

    Raises:
        DataError: A mask cannot be read.
        UsageError: The language is not one of the four.
    """
    if language not in LANGUAGES:
        raise UsageError(language, cause="is not a language of phrases", remedy=f"use {', '.join(LANGUAGES)}")
    records = [record for split in SPLITS for record in dataset.records(split)]
    parsed = [parse_phrase(record.phrases["en"]) for record in records]
    return ReferringStatistics(
        name=dataset.name,
        language=language,
        scenes={split: len(dataset.scenes(split)) for split in SPLITS},
        triplets={split: len(dataset.records(split)) for split in SPLITS},
        templates=Counter(r.template or p.template or "other" for r, p in zip(records, parsed, strict=True)),
        categories=Counter(_categories(records, parsed)),
        attributes=Counter(each.attribute for each in parsed if each.attribute),
        relations=Counter(each.relation for each in parsed if each.relation),
        phrases=Counter(record.phrases[language] for record in records if language in record.phrases),
        parts=Counter(part for r, p in zip(records, parsed, strict=True) for part in _parts(r, p, language)),
        mask_shares=np.array([read_pair(record)[1].mean() for record in records] if masks else [], dtype=np.float64),
    )


def _categories(records: Sequence[Referral], parsed: Sequence[Parsed]) -> Iterator[str]:
    for record, parts in zip(records, parsed, strict=True):
        category = record.categories[0] if record.categories else parts.category
        if category:
            yield category


def _parts(record: Referral, parsed: Parsed, language: str) -> Iterable[str]:
    """Noun and relation as they are said, or the words of a phrase of another grammar."""
    if not parsed.category:
        words = re.findall(r"[\w'’-]+", record.phrases.get(language, "").lower())
        return [word for word in words if word not in _SMALL_WORDS]
    position = LANGUAGES.index(language)
    key = f"{parsed.attribute} {parsed.category}".strip()
    noun = read_noun(NOUN_FORMS.get(key, NOUN_FORMS[parsed.category])[position])
    said = [noun.plural or noun.singular]
    if parsed.relation:
        said.append(record.phrases.get(language, "").removeprefix(noun.singular).strip())
    return [part for part in said if part]


def share_histogram(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many masks cover which share of their image, in steps of five hundredths.

    Args:
        shares: (N,) in [0, 1].

    Returns:
        Lower edges (20,) and counts (20,); a mask of the whole image counts in the last.

    Example:
        >>> share_histogram(np.array([0.0, 0.04, 0.05, 1.0]))[1].tolist()[:2]
        [2, 1]
    """
    steps = round(1 / _SHARE_STEP)
    places = np.minimum(np.floor(shares * steps + 1e-9).astype(np.int64), steps - 1)
    return np.arange(steps) / steps, np.bincount(places, minlength=steps)
