"""How well the words of a caption align with a reference's: a METEOR of our own, and not METEOR 1.5.

Words align one to one: equal words (weight 1), words of one stem (0.6), and words that a dictionary of the caller calls
synonyms (0.8). Of all alignments the heaviest counts, and of these the one in the fewest chunks, runs of words that are
neighbours on both sides.

    P, R  = weight of the alignment / words of the hypothesis, of the reference
    F     = P R / (0.85 P + 0.15 R)
    score = F (1 - 0.6 (chunks / aligned words)^0.2), without penalty where one chunk aligns both sentences whole

The constants are METEOR's for English. It has paraphrase tables, WordNet and a discount of function words besides, so
its values differ: this measure has a name of its own and stands in nobody's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoglot.metrics.caption import Key, Tokenise, caption_tokens

RECALL_SHARE: Final = 0.85
PENALTY: Final = 0.6
PENALTY_POWER: Final = 0.2
STEM_WEIGHT: Final = 0.6
SYNONYM_WEIGHT: Final = 0.8

_BEAM = 200
_VOWEL = re.compile("[aeiouy]")
_DOUBLE = re.compile(r"([bdfgmnprt])\1$")

Synonyms = Callable[[str, str], bool]
Stem = Callable[[str], str]


def meteor_exact_stem(
    hypotheses: Mapping[Key, str],
    references: Mapping[Key, Sequence[str]],
    *,
    tokenise: Tokenise,
    synonyms: Synonyms | None = None,
    english: bool = True,
) -> tuple[float, NDArray[np.float64]]:
    """Mean over images of the best score with any reference, and the score per image.

    Args:
        hypotheses: From image to caption.
        references: From image to its captions.
        tokenise: From a caption to its words.
        synonyms: Whether two different words mean the same; symmetric. Equal words and stems only, where left out.
        english: Whether stems count; the stemmer knows English endings only.

    Raises:
        DataError: There is no image, the images differ, or an image has no reference.

    Example:
        One of three words by its stem: P = R = (1 + 1 + 0.6) / 3, in one chunk.

        >>> score, _ = meteor_exact_stem({1: "two green roofs"}, {1: ["two green roof"]}, tokenise=str.split)
        >>> round(score, 4) == round(2.6 / 3, 4)
        True
    """
    weights: dict[tuple[str, str], float] = {}
    stem = english_stem if english else str

    def weight(first: str, second: str) -> float:
        found = weights.get((first, second))
        if found is None:
            found = weights[first, second] = _weight(first, second, stem, synonyms)
        return found

    scores = []
    for hypothesis, captions in caption_tokens(hypotheses, references, tokenise=tokenise):
        distinct = sorted(set(map(tuple, captions)))
        scores.append(max(_score(hypothesis, reference, weight) for reference in distinct))
    return float(np.mean(scores)), np.array(scores)


def english_stem(word: str) -> str:
    """A word without its English inflection: plural, past, -ing, and -ly; words of three letters stay.

    Example:
        >>> [english_stem(word) for word in "buildings parked planes parking densely cities grass bus".split()]
        ['build', 'park', 'plane', 'park', 'dense', 'city', 'grass', 'bus']
    """
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if word.endswith("ly") and len(word) > 5:
        word = word[:-2]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and _VOWEL.search(base):
            return _DOUBLE.sub(r"\1", base)
    return word


def _weight(first: str, second: str, stem: Stem, synonyms: Synonyms | None) -> float:
    if first == second:
        return 1.0
    if synonyms is not None and synonyms(first, second):
        return SYNONYM_WEIGHT
    return STEM_WEIGHT if stem(first) == stem(second) else 0.0


def _score(hypothesis: Sequence[str], reference: Sequence[str], weight: Callable[[str, str], float]) -> float:
    total, matches, chunks = best_alignment(hypothesis, reference, weight)
    if matches == 0:
        return 0.0
    precision, recall = total / len(hypothesis), total / len(reference)
    mean = precision * recall / (RECALL_SHARE * precision + (1 - RECALL_SHARE) * recall)
    if chunks == 1 and matches == len(hypothesis) == len(reference):
        return mean
    penalty: float = PENALTY * (chunks / matches) ** PENALTY_POWER
    return mean * (1 - penalty)


def best_alignment(
    hypothesis: Sequence[str], reference: Sequence[str], weight: Callable[[str, str], float]
) -> tuple[float, int, int]:
    """The heaviest alignment, and of these the one in the fewest chunks: its weight, aligned words, and chunks.

    Exact for captions; of a sentence that repeats a few words very often the 200 best beginnings are followed.

    Example:
        >>> best_alignment("a b c a".split(), "a x a b".split(), lambda first, second: float(first == second))
        (3.0, 3, 2)
    """
    candidates = [
        [(place, weight(word, other)) for place, other in enumerate(reference) if weight(word, other) > 0]
        for word in hypothesis
    ]
    # A state: which reference words are taken, and where the previous hypothesis word went (-2: nowhere).
    states: dict[tuple[int, int], tuple[float, int, int]] = {(0, -2): (0.0, 0, 0)}
    for choices in candidates:
        further: dict[tuple[int, int], tuple[float, int, int]] = {}
        for (taken, last), (total, chunks, matches) in states.items():
            _keep(further, (taken, -2), (total, chunks, matches))
            for place, gain in choices:
                if not taken >> place & 1:
                    value = (total + gain, chunks - (place != last + 1), matches + 1)
                    _keep(further, (taken | 1 << place, place), value)
        if len(further) > _BEAM:
            further = dict(sorted(further.items(), key=lambda state: state[1], reverse=True)[:_BEAM])
        states = further
    total, chunks, matches = max(states.values())
    return total, matches, -chunks


def _keep(
    states: dict[tuple[int, int], tuple[float, int, int]], state: tuple[int, int], value: tuple[float, int, int]
) -> None:
    if state not in states or states[state] < value:
        states[state] = value
