"""Measures of captions against several references: BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D.

The definitions are those of the public caption evaluation, so that figures stand beside published ones: BLEU over the
whole corpus with the closest reference length, ROUGE-L with beta 1.2 and the best precision and recall of any
reference, CIDEr-D with document frequencies from the references of the very images that are measured. CIDEr-D therefore
changes with the split and its size: figures of two splits do not compare.

    ROUGE-L = (1 + 1.44) P R / (R + 1.44 P),  P = max LCS / hypothesis words,  R = max LCS / reference words
    Sm      = (BLEU-4 + METEOR + ROUGE-L + CIDEr-D) / 4
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.metrics.caption_ngrams import BleuCounts, Sentences, bleu_and_cider, corpus_bleu

BETA: Final = 1.2
"""How much more recall counts than precision in ROUGE-L."""

Key = TypeVar("Key", bound=Hashable)
Tokenise = Callable[[str], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class CaptionMeasures:
    """How well the captions of N images agree with their references.

    Attributes:
        images: The ids, in the order of the arrays.
        bleu: BLEU-1 to BLEU-4 of the corpus, from 0 to 1.
        rouge_l: From 0 to 1.
        cider: CIDEr-D, from 0 to 10.
        bleu_counts: What each image adds to BLEU; :func:`geoglot.metrics.caption_ngrams.corpus_bleu` puts any set of
            images together.
        image_rouge_l: float64 (N,).
        image_cider: float64 (N,), with the document frequencies of all N images.
    """

    images: tuple[Hashable, ...]
    bleu: tuple[float, float, float, float]
    rouge_l: float
    cider: float
    bleu_counts: BleuCounts
    image_rouge_l: NDArray[np.float64]
    image_cider: NDArray[np.float64]

    def figures(self) -> dict[str, float]:
        """The six figures by name, in the order of the tables."""
        blue = {f"bleu_{n}": value for n, value in enumerate(self.bleu, 1)}
        return {**blue, "rouge_l": self.rouge_l, "cider": self.cider}


def caption_measures(
    hypotheses: Mapping[Key, str], references: Mapping[Key, Sequence[str]], *, tokenise: Tokenise
) -> CaptionMeasures:
    """Measure one caption per image against the references of the image.

    Args:
        hypotheses: From image to caption; an empty caption scores 0.
        references: From image to its captions, at least one each, for the same images.
        tokenise: From a caption to its words: ``geoglot.text.ptb.caption_words`` for figures beside published ones.

    Raises:
        DataError: There is no image, the images differ, or an image has no reference.

    Example:
        >>> references = {1: ["a bridge over a wide river"], 2: ["many small houses near a road"]}
        >>> perfect = {image: captions[0] for image, captions in references.items()}
        >>> measures = caption_measures(perfect, references, tokenise=str.split)
        >>> [round(value, 6) for value in measures.figures().values()]
        [1.0, 1.0, 1.0, 1.0, 1.0, 10.0]
    """
    words = caption_tokens(hypotheses, references, tokenise=tokenise)
    counts, cider = bleu_and_cider(_as_sentences(words))
    rouge = np.array([_rouge_l(hypothesis, captions) for hypothesis, captions in words])
    one, two, three, four = (float(value) for value in corpus_bleu(counts))
    return CaptionMeasures(
        images=tuple(hypotheses),
        bleu=(one, two, three, four),
        rouge_l=float(rouge.mean()),
        cider=float(cider.mean()),
        bleu_counts=counts,
        image_rouge_l=rouge,
        image_cider=cider,
    )


def mean_score(*, bleu_4: float, meteor: float | None, rouge_l: float, cider: float) -> float | None:
    """Sm, the mean of four measures; none without METEOR 1.5, which nothing else stands in for.

    Example:
        >>> mean_score(bleu_4=0.5, meteor=0.25, rouge_l=0.75, cider=2.5), mean_score(
        ...     bleu_4=0.5, meteor=None, rouge_l=0.75, cider=2.5
        ... )
        (1.0, None)
    """
    return None if meteor is None else (bleu_4 + meteor + rouge_l + cider) / 4


def caption_tokens(
    hypotheses: Mapping[Key, str], references: Mapping[Key, Sequence[str]], *, tokenise: Tokenise
) -> list[tuple[Sequence[str], list[Sequence[str]]]]:
    """Words of the hypothesis and of every reference, image by image in the order of the hypotheses.

    Raises:
        DataError: There is no image, the images differ, or an image has no reference.
    """
    if not hypotheses:
        raise DataError("captions", cause="are of no image", remedy="give one caption per image")
    for image in [*hypotheses, *references]:
        if image not in hypotheses or image not in references:
            missing = "caption" if image not in hypotheses else "reference"
            raise DataError(f"image {image}", cause=f"has no {missing}", remedy="give captions of the same images")
        if isinstance(references[image], str) or not references[image]:
            raise DataError(f"image {image}", cause="has no list of references", remedy="give a list of captions")
    known: dict[str, Sequence[str]] = {}

    def words(caption: str) -> Sequence[str]:
        found = known.get(caption)
        if found is None:
            found = known[caption] = tokenise(caption)
        return found

    return [(words(caption), [words(text) for text in references[image]]) for image, caption in hypotheses.items()]


def _as_sentences(words: Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]]) -> Sentences:
    sentences = [hypothesis for hypothesis, _ in words]
    image, repeats = list(range(len(words))), [1] * len(words)
    for place, (_, captions) in enumerate(words):
        distinct = Counter(map(tuple, captions))
        sentences.extend(distinct)
        image.extend([place] * len(distinct))
        repeats.extend(distinct.values())
    ids: dict[str, int] = {}
    flat = [ids.setdefault(word, len(ids)) for sentence in sentences for word in sentence]
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    return Sentences(
        words=np.array(flat, dtype=np.int64),
        sentence=np.repeat(np.arange(len(sentences)), lengths),
        lengths=lengths,
        image=np.array(image, dtype=np.int64),
        repeats=np.array(repeats, dtype=np.int64),
        images=len(words),
    )


def _rouge_l(hypothesis: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    precision = recall = 0.0
    for reference in set(map(tuple, references)):
        common = common_subsequence(hypothesis, reference)
        if common:
            precision = max(precision, common / len(hypothesis))
            recall = max(recall, common / len(reference))
    if precision == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Words of the longest common subsequence.

    A column of the usual table grows by 0 or 1 from row to row, so its steps fit into the bits of one integer, and a
    word of ``first`` updates the whole column in four operations.

    Example:
        >>> common_subsequence("a b c b d a b".split(), "b d c a b a".split())
        4
    """
    places: dict[str, int] = {}
    bit = 1
    for word in second:
        places[word] = places.get(word, 0) | bit
        bit <<= 1
    everything = bit - 1
    level = everything
    for word in first:
        found = level & places.get(word, 0)
        level = ((level + found) | (level - found)) & everything
    return len(second) - level.bit_count()
