"""N-grams of captions as integers, and what BLEU and CIDEr-D make of them.

Sentences 0 to N-1 are the hypotheses, one per image; the rest are references. Every n-gram that occurs has an id, so
that counting, clipping and looking up are sorts of whole arrays.

    BLEU-n  = b (p_1 ... p_n)^(1/n),  p_k = (sum of clipped matches + 1e-15) / (sum of hypothesis k-grams + 1e-9)
    b       = min(1, e^(1 - r / c)),  c = words of all hypotheses, r = words of the closest references
    CIDEr-D = 10 mean over references and n = 1..4 of
              e^(-(l_h - l_r)^2 / 72) (min(g_h, g_r) . g_r) / (|g_h| |g_r|)
    g       = count * log(N / images whose references hold the n-gram), per n-gram

The two tiny constants keep a corpus without any match of some length above zero; they belong to the public evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LONGEST: Final = 4
"""Words in the longest n-gram."""
SIGMA: Final = 6.0
"""Width of CIDEr-D's penalty on a difference of length, in words."""

_MATCHES_SMOOTHING = 1e-15
_COUNT_SMOOTHING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Hypotheses and references as one list of words.

    Attributes:
        words: int64 (W,), word ids from 0 on, sentence after sentence, hypotheses first.
        sentence: int64 (W,), which sentence each word is in.
        lengths: int64 (S,), words per sentence.
        image: int64 (S,), which image each sentence belongs to; the first N are 0 to N - 1.
        repeats: int64 (S,), how many references of the image are this very sentence; 1 for a hypothesis.
        images: N.
    """

    words: NDArray[np.int64]
    sentence: NDArray[np.int64]
    lengths: NDArray[np.int64]
    image: NDArray[np.int64]
    repeats: NDArray[np.int64]
    images: int


@dataclass(frozen=True, kw_only=True)
class BleuCounts:
    """What the BLEU of any set of images needs of each.

    Attributes:
        matches: int64 (N, 4), clipped matches of n words.
        counts: int64 (N, 4), n-grams of the hypothesis.
        words: int64 (N,), words of the hypothesis.
        closest: int64 (N,), words of the reference nearest in length, the shorter of two.
    """

    matches: NDArray[np.int64]
    counts: NDArray[np.int64]
    words: NDArray[np.int64]
    closest: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """How often n-grams occur in sentences; every pair once, in the order of sentence, then n-gram."""

    sentence: NDArray[np.int64]
    gram: NDArray[np.int64]
    count: NDArray[np.int64]
    grams: int


def bleu_and_cider(sentences: Sentences) -> tuple[BleuCounts, NDArray[np.float64]]:
    """BLEU counts and CIDEr-D of every image.

    Args:
        sentences: Every image has one hypothesis and at least one reference.

    Returns:
        Counts for :func:`corpus_bleu`; CIDEr-D per image, float64 (N,), from 0 to 10.
    """
    images = sentences.images
    references = len(sentences.lengths) - images
    matches = np.zeros((images, LONGEST), dtype=np.int64)
    similarity = np.zeros(references)
    for place, counted in enumerate(_count_ngrams(sentences)):
        split = int(np.searchsorted(counted.sentence, images))
        hypothesis = counted.sentence[:split] * counted.grams + counted.gram[:split]
        key = sentences.image[counted.sentence[split:]] * counted.grams + counted.gram[split:]
        matches[:, place], documents = _clipped(hypothesis, key, counted, split, images)
        weight = np.log(images) - np.log(np.maximum(documents, 1))
        similarity += _cosine(hypothesis, key, counted, split, weight, sentences)
    lengths = sentences.lengths.astype(np.float64)
    owner = sentences.image[images:]
    # The public evaluation measures length in pairs of words; only an empty caption makes a difference, and it has 0.
    difference = np.maximum(lengths[owner] - 1, 0) - np.maximum(lengths[images:] - 1, 0)
    similarity *= 10 / LONGEST * np.exp(-(difference**2) / (2 * SIGMA**2))
    repeats = sentences.repeats[images:]
    cider = np.bincount(owner, similarity * repeats, images) / np.bincount(owner, repeats, images)
    words = sentences.lengths[:images]
    counts = np.maximum(words[:, None] - np.arange(LONGEST), 0)
    return BleuCounts(matches=matches, counts=counts, words=words, closest=_closest(sentences)), cider


def corpus_bleu(counts: BleuCounts, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """BLEU-1 to BLEU-4 of a corpus.

    Args:
        counts: Of N images.
        weights: How many times each image is in the corpus, (N,) or (R, N) for R corpora; once where left out.

    Returns:
        float64 (4,) or (R, 4), from 0 to 1.
    """
    drawn = np.ones(len(counts.words)) if weights is None else weights
    matches, guesses = drawn @ counts.matches, drawn @ counts.counts
    return _bleu(matches, guesses, drawn @ counts.words, drawn @ counts.closest)


def image_bleu(counts: BleuCounts) -> NDArray[np.float64]:
    """BLEU-1 to BLEU-4 of every image by itself, float64 (N, 4); their mean is not the BLEU of the corpus."""
    return _bleu(counts.matches, counts.counts, counts.words, counts.closest)


def _bleu(
    matches: NDArray[np.generic], guesses: NDArray[np.generic], words: NDArray[np.generic], closest: NDArray[np.generic]
) -> NDArray[np.float64]:
    precision = (np.asarray(matches, np.float64) + _MATCHES_SMOOTHING) / (
        np.asarray(guesses, np.float64) + _COUNT_SMOOTHING
    )
    geometric = np.exp(np.cumsum(np.log(precision), axis=-1) / np.arange(1, LONGEST + 1))
    ratio = (np.asarray(words, np.float64) + _MATCHES_SMOOTHING) / (np.asarray(closest, np.float64) + _COUNT_SMOOTHING)
    brevity = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    result: NDArray[np.float64] = geometric * brevity[..., None]
    return result


def _count_ngrams(sentences: Sentences) -> list[_Counted]:
    """For n = 1 to 4: which n-grams each sentence holds, how often."""
    size = int(sentences.words.max(initial=0)) + 1
    gram, start = sentences.words, np.arange(len(sentences.words))
    found = []
    for n in range(1, LONGEST + 1):
        if n > 1:
            # An n-gram is an (n-1)-gram and one more word of the same sentence.
            end = start + n - 1
            inside = end < len(sentences.words)
            inside[inside] = sentences.sentence[end[inside]] == sentences.sentence[start[inside]]
            start, key = start[inside], gram[inside] * size + sentences.words[end[inside]]
            gram = np.unique(key, return_inverse=True)[1].reshape(-1)
        grams = int(gram.max(initial=0)) + 1
        pairs, count = np.unique(sentences.sentence[start] * grams + gram, return_counts=True)
        found.append(_Counted(sentence=pairs // grams, gram=pairs % grams, count=count, grams=grams))
    return found


def _clipped(
    hypothesis: NDArray[np.int64], key: NDArray[np.int64], counted: _Counted, split: int, images: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Matches per image, each n-gram as often as the reference that has it most; images per n-gram."""
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    if len(first) == 0:
        return np.zeros(images, dtype=np.int64), np.zeros(counted.grams, dtype=np.int64)
    distinct = key[order][first]
    most = np.maximum.reduceat(counted.count[split:][order], first)
    documents = np.bincount(distinct % counted.grams, minlength=counted.grams)
    matched = np.minimum(counted.count[:split], _looked_up(hypothesis, distinct, most))
    return np.bincount(counted.sentence[:split], matched, images).astype(np.int64), documents


def _cosine(
    hypothesis: NDArray[np.int64],
    key: NDArray[np.int64],
    counted: _Counted,
    split: int,
    weight: NDArray[np.float64],
    sentences: Sentences,
) -> NDArray[np.float64]:
    """Clipped cosine similarity of every reference with its image's hypothesis; 0 where one has no weight."""
    squared = np.square(weight)[counted.gram]
    norm = np.sqrt(np.bincount(counted.sentence, squared * counted.count**2, len(sentences.lengths)))
    own = counted.count[split:]
    product = np.minimum(_looked_up(key, hypothesis, counted.count[:split]), own) * own * squared[split:]
    images = sentences.images
    inner = np.bincount(counted.sentence[split:] - images, product, len(sentences.lengths) - images)
    norms = norm[sentences.image[images:]] * norm[images:]
    similar: NDArray[np.float64] = np.divide(inner, norms, out=np.zeros(len(norms)), where=norms > 0)
    return similar


def _looked_up(keys: NDArray[np.int64], table: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value of every key in a sorted table, 0 where it is not there."""
    if len(table) == 0:
        return np.zeros(len(keys), dtype=np.int64)
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[place] == keys, values[place], 0)


def _closest(sentences: Sentences) -> NDArray[np.int64]:
    """Words of each image's reference that is nearest in length, the shorter of two."""
    owner, length = sentences.image[sentences.images :], sentences.lengths[sentences.images :]
    order = np.lexsort((length, np.abs(length - sentences.lengths[owner]), owner))
    return length[order][np.searchsorted(owner[order], np.arange(sentences.images))]
