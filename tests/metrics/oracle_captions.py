"""Caption measures the slow way, from their definitions, on lists of words."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise, permutations


def ngrams(words, n):
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))


def bleu(hypotheses, references):
    """BLEU-1 to BLEU-4 of a corpus; lists of words, lists of lists of words."""
    total, matched = [0] * 4, [0] * 4
    ours = theirs = 0
    for hypothesis, captions in zip(hypotheses, references, strict=True):
        ours += len(hypothesis)
        theirs += min((abs(len(caption) - len(hypothesis)), len(caption)) for caption in captions)[1]
        for n in range(1, 5):
            for gram, count in ngrams(hypothesis, n).items():
                total[n - 1] += count
                matched[n - 1] += min(count, max(ngrams(caption, n)[gram] for caption in captions))
    values, product = [], 1.0
    for n in range(1, 5):
        product *= (matched[n - 1] + 1e-15) / (total[n - 1] + 1e-9)
        values.append(product ** (1 / n))
    ratio = (ours + 1e-15) / (theirs + 1e-9)
    return [value * (math.exp(1 - 1 / ratio) if ratio < 1 else 1) for value in values]


def cider(hypotheses, references):
    """CIDEr-D per image."""
    images = len(references)
    holding = Counter()
    for captions in references:
        holding.update({gram for caption in captions for n in range(1, 5) for gram in ngrams(caption, n)})

    def vector(words, n):
        return {
            gram: count * (math.log(images) - math.log(max(1, holding[gram])))
            for gram, count in ngrams(words, n).items()
        }

    values = []
    for hypothesis, captions in zip(hypotheses, references, strict=True):
        total = 0.0
        for caption in captions:
            for n in range(1, 5):
                ours, theirs = vector(hypothesis, n), vector(caption, n)
                inner = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in ours if gram in theirs)
                norm = math.hypot(*ours.values()) * math.hypot(*theirs.values())
                if norm:
                    difference = len(hypothesis) - len(caption)
                    total += inner / norm * math.exp(-(difference**2) / 72)
        values.append(10 * total / 4 / len(captions))
    return values


def common_subsequence(first, second):
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for row, word in enumerate(first):
        for column, other in enumerate(second):
            table[row + 1][column + 1] = (
                table[row][column] + 1 if word == other else max(table[row][column + 1], table[row + 1][column])
            )
    return table[-1][-1]


def rouge_l(hypothesis, captions):
    common = [common_subsequence(hypothesis, caption) for caption in captions]
    if not any(common):
        return 0.0
    precision = max(common) / len(hypothesis)
    recall = max(found / len(caption) for found, caption in zip(common, captions, strict=True) if caption)
    return 2.44 * precision * recall / (recall + 1.44 * precision)


def alignments(hypothesis, reference, weight):
    """Every one-to-one alignment of short sentences: (total weight, matches, chunks)."""
    places = [*range(len(reference)), *[None] * len(hypothesis)]
    for chosen in set(permutations(places, len(hypothesis))):
        pairs = [(place, other) for place, other in enumerate(chosen) if other is not None]
        weights = [weight(hypothesis[place], reference[other]) for place, other in pairs]
        if all(weights):
            breaks = sum(after != (before[0] + 1, before[1] + 1) for before, after in pairwise(pairs))
            yield sum(weights), len(pairs), breaks + bool(pairs)
