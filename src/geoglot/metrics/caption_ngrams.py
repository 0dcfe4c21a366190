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
        image: int64 (S,), which image each sentence belongs to; the first N are 0 to N - 1, the rest ascend.
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
    """N-grams of one length in sentences, apart for hypotheses and references.

    Every pair of n-gram and sentence is there once, in the order of n-gram, then sentence. As sentences stand in the
    order of their images, so does ``key`` = n-gram * images + image.
    """

    key: NDArray[np.int64]
    gram: NDArray[np.int64]
    sentence: NDArray[np.int64]
    count: NDArray[np.int64]


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
    for place, (ours, theirs, grams) in enumerate(_count_ngrams(sentences)):
        matches[:, place], documents = _clipped(ours, theirs, grams, images)
        weight = np.log(images) - np.log(np.maximum(documents, 1))
        similarity += _cosine(ours, theirs, weight, sentences)
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


def _count_ngrams(sentences: Sentences) -> list[tuple[_Counted, _Counted, int]]:
    """For n = 1 to 4: the n-grams of hypotheses, those of references, and how many different ones there are."""
    size = int(sentences.words.max(initial=0)) + 1
    count = len(sentences.lengths)
    gram, start = np.zeros(len(sentences.words), dtype=np.int64), np.arange(len(sentences.words))
    found = []
    for n in range(1, LONGEST + 1):
        # An n-gram is an (n-1)-gram and one more word of the same sentence.
        end = start + n - 1
        inside = end < len(sentences.words)
        inside[inside] = sentences.sentence[end[inside]] == sentences.sentence[start[inside]]
        start = start[inside]
        pair = (gram[inside] * size + sentences.words[start + n - 1]) * count + sentences.sentence[start]
        order = np.argsort(pair)
        ordered = pair[order]
        number = np.cumsum(np.diff(ordered // count, prepend=-1) != 0) - 1
        gram = np.empty(len(start), dtype=np.int64)
        gram[order] = number
        first = np.flatnonzero(np.diff(ordered, prepend=-1))
        times = np.diff(first, append=len(ordered))
        found.append(_parted(number[first], ordered[first] % count, times, sentences))
    return found


def _parted(
    gram: NDArray[np.int64], sentence: NDArray[np.int64], count: NDArray[np.int64], sentences: Sentences
) -> tuple[_Counted, _Counted, int]:
    key = gram * sentences.images + sentences.image[sentence]
    ours, theirs = (
        _Counted(key=key[chosen], gram=gram[chosen], sentence=sentence[chosen], count=count[chosen])
        for chosen in (sentence < sentences.images, sentence >= sentences.images)
    )
    return ours, theirs, int(gram.max(initial=-1)) + 1


def _clipped(ours: _Counted, theirs: _Counted, grams: int, images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Matches per image, each n-gram as often as the reference that has it most; images per n-gram."""
    first = np.flatnonzero(np.diff(theirs.key, prepend=-1))
    if len(first) == 0:
        return np.zeros(images, dtype=np.int64), np.zeros(grams, dtype=np.int64)
    most = np.maximum.reduceat(theirs.count, first)
    documents = np.bincount(theirs.gram[first], minlength=grams)
    matched = np.minimum(ours.count, _looked_up(ours.key, theirs.key[first], most))
    return np.bincount(ours.sentence, matched, images).astype(np.int64), documents


def _cosine(ours: _Counted, theirs: _Counted, weight: NDArray[np.float64], sentences: Sentences) -> NDArray[np.float64]:
    """Clipped cosine similarity of every reference with its image's hypothesis; 0 where one has no weight."""
    images, squared = sentences.images, np.square(weight)
    references = len(sentences.lengths) - images
    their_weight, row = squared[theirs.gram], theirs.sentence - images
    our_norm = np.bincount(ours.sentence, squared[ours.gram] * ours.count**2, images)
    their_norm = np.bincount(row, their_weight * theirs.count**2, references)
    product = np.minimum(_looked_up(theirs.key, ours.key, ours.count), theirs.count) * theirs.count * their_weight
    inner = np.bincount(row, product, references)
    norms = np.sqrt(our_norm[sentences.image[images:]] * their_norm)
    similar: NDArray[np.float64] = np.divide(inner, norms, out=np.zeros(references), where=norms > 0)
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
