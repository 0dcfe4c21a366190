"""How alike two sentences are, from their tokens: n-gram precision and unigram agreement, for all pairs at once.

    bleu(c, r)      = min(1, e^(1 - |r|/|c|)) (p_1 p_2 p_3 p_4)^(1/4), p_n smoothed by one from n = 2 on
    agreement(c, r) = 10 P R / (R + 9 P), the weighted mean of METEOR over exact matches
    similarity      = (bleu + agreement) / 2

A token is whatever the tokenizer makes, so this is BLEU and METEOR in kind, not in their published numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LONGEST = 4
"""Words in the longest n-gram that BLEU looks at."""


def caption_similarity(tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Similarity of every sentence, as candidate, with every sentence, as reference.

    Args:
        tokens: Integers, (T, L), 0 = padding on the right.

    Returns:
        float64 in [0, 1], (T candidates, T references); 1 for equal sentences, 0 for an empty one.

    Example:
        >>> caption_similarity(np.array([[3, 4, 5], [3, 4, 5], [6, 7, 0]])).round(2).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    lengths = (tokens != 0).sum(1)
    matches = [_common(tokens, lengths, n) for n in range(1, LONGEST + 1)]
    return (_bleu(matches, lengths) + _agreement(matches[0], lengths)) / 2


def _bleu(matches: list[NDArray[np.float64]], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    logarithms = np.zeros_like(matches[0])
    for n, found in enumerate(matches, start=1):
        total = np.maximum(lengths - n + 1, 0)[:, None]
        smoothing = int(n > 1)
        precision = (found + smoothing) / np.maximum(total + smoothing, 1)
        logarithms += np.log(np.maximum(precision, 1e-300)) / LONGEST
    brevity = np.minimum(0.0, 1 - lengths[None, :] / np.maximum(lengths, 1)[:, None])
    return np.where(matches[0] > 0, np.exp(logarithms + brevity), 0.0)


def _agreement(found: NDArray[np.float64], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    precision = found / np.maximum(lengths, 1)[:, None]
    recall = found / np.maximum(lengths, 1)[None, :]
    return 10 * precision * recall / np.where(found > 0, recall + 9 * precision, 1)


def _common(tokens: NDArray[np.int64], lengths: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """N-grams that two sentences share, each as often as the sentence that has fewer. -> (T, T).

    The k-th occurrence of an n-gram is a thing of its own; then what is shared is an inner product of 0 and 1.
    """
    count, width = tokens.shape
    if width < n:
        return np.zeros((count, count))
    grams = np.lib.stride_tricks.sliding_window_view(tokens, n, axis=1)
    valid = np.arange(width - n + 1) <= (lengths - n)[:, None]
    sentence = np.nonzero(valid)[0]
    _, gram = np.unique(grams[valid], axis=0, return_inverse=True)
    order = np.lexsort((gram, sentence))
    sentence, gram = sentence[order], gram.ravel()[order]
    starts = np.ones(len(gram), dtype=bool)
    starts[1:] = (np.diff(sentence) != 0) | (np.diff(gram) != 0)
    position = np.arange(len(gram))
    occurrence = position - np.maximum.accumulate(np.where(starts, position, 0))
    thing = np.unique(gram * (width + 1) + occurrence, return_inverse=True)[1]
    present = np.zeros((count, int(thing.max(initial=-1)) + 1), dtype=np.float32)
    present[sentence, thing] = 1
    return (present @ present.T).astype(np.float64)
