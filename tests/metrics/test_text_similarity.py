"""Similarity of sentences against counters and loops."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.metrics.text_similarity import caption_similarity


def grams(sentence: list[int], n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(sentence[i : i + n]) for i in range(len(sentence) - n + 1))


def naive(candidate: list[int], reference: list[int]) -> float:
    shared = sum((grams(candidate, 1) & grams(reference, 1)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(candidate), shared / len(reference)
    agreement = 10 * precision * recall / (recall + 9 * precision)
    bleu = min(1.0, math.exp(1 - len(reference) / len(candidate)))
    for n in range(1, 5):
        found = sum((grams(candidate, n) & grams(reference, n)).values())
        total = max(0, len(candidate) - n + 1)
        bleu *= ((found / total) if n == 1 else (found + 1) / (total + 1)) ** 0.25
    return (bleu + agreement) / 2


sentences = st.lists(st.lists(st.integers(1, 4), max_size=7), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(texts=sentences)
def test_all_pairs_at_once_are_pairs_one_at_a_time(texts: list[list[int]]) -> None:
    tokens = np.zeros((len(texts), 7), dtype=np.int64)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
    got = caption_similarity(tokens)
    for i, candidate in enumerate(texts):
        for j, reference in enumerate(texts):
            assert got[i, j] == pytest.approx(naive(candidate, reference), abs=1e-9)


def test_by_hand() -> None:
    # Candidate "a b", reference "a b c d": P = 1, R = 1/2, agreement 10/2 / (1/2 + 9) = 0.526316; BLEU: all precisions
    # 1 (smoothed (1 + 1) / (1 + 1), then 1 / 1), brevity e^(1 - 4/2) = 0.367879. Mean 0.447098.
    assert caption_similarity(np.array([[1, 2, 0, 0], [1, 2, 3, 4]]))[0, 1] == pytest.approx(0.447098, abs=1e-6)


def test_empty_texts_resemble_nothing() -> None:
    assert caption_similarity(np.zeros((2, 3), dtype=np.int64)).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert caption_similarity(np.ones((1, 1), dtype=np.int64)).tolist() == [[1.0]]
