"""A segmenter bundle: probabilities by hand, shapes that are refused, and the kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import BundleError
from geoglot.models.segmenter import load_segmenter, phrase_scores


def test_probabilities_by_hand() -> None:
    """Features (1, 0) and (0, 2) at two pixels, phrases (1, 1 | -1) and (0, -3 | 0): 0 and 1; 0 and -6."""
    features = np.array([[[[1.0, 0.0]], [[0.0, 2.0]]]], np.float32)
    phrases = np.array([[1, 1, -1], [0, -3, 0]], np.float32)
    found = phrase_scores(features, phrases)
    assert found.shape == (1, 2, 1, 2)
    expected = [0.5, 1 / (1 + math.exp(-1)), 0.5, 1 / (1 + math.exp(6))]
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.integers(0, 4), st.integers(1, 5), st.integers(0, 2**31))
def test_probabilities_equal_a_loop(pictures: int, phrases: int, dimension: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(pictures, dimension, 2, 3)).astype(np.float32)
    vectors = generator.normal(size=(phrases, dimension + 1)).astype(np.float32)
    found = phrase_scores(features, vectors)
    assert found.shape == (pictures, phrases, 2, 3)
    for n, p, y, x in np.ndindex(found.shape):
        logit = sum(float(features[n, d, y, x]) * float(vectors[p, d]) for d in range(dimension))
        assert found[n, p, y, x] == pytest.approx(1 / (1 + math.exp(-logit - float(vectors[p, dimension]))), abs=1e-5)


def test_huge_logits_do_not_overflow() -> None:
    features = np.full((1, 1, 1, 2), 1e20, np.float32) * np.array([1, -1], np.float32)
    assert phrase_scores(features, np.array([[1e10, 0]], np.float32)).ravel().tolist() == [1.0, 0.0]


def test_another_kind_is_refused() -> None:
    with pytest.raises(BundleError, match="is a two-tower bundle, not a segmenter"):
        load_segmenter("compact")
