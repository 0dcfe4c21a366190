"""Vectors of places: sums by hand, and pictures that share descriptors in another order are alike."""

from __future__ import annotations

import numpy as np
import pytest

from geoglot.metrics.place_vectors import PlaceCodebook, fit_codebook, summed


def test_sums_of_differences_by_hand() -> None:
    """Words (0, 0) and (4, 0). Of (1, 0), (0, 1) the first gets (1, 1), of (4, 2) the second gets (0, 2).

    Each scaled to length 1: (0.7071, 0.7071), (0, 1). Roots: 0.8409, 0.8409, 0, 1, of length sqrt(2 * 0.7071 + 1).
    """
    words = np.array([[0, 0], [4, 0]], np.float32)
    local = np.array([[[1, 0], [0, 1], [4, 2]]], np.float32)
    length = np.sqrt(2 * np.sqrt(0.5) + 1)
    np.testing.assert_allclose(summed(local, words)[0], np.array([0.5**0.25, 0.5**0.25, 0, 1]) / length, atol=1e-6)


def test_a_picture_of_nothing_has_no_vector() -> None:
    words = np.eye(2, dtype=np.float32)
    book = PlaceCodebook(words=words, mean=np.full(4, 0.1, np.float32), axes=np.eye(4, 3, dtype=np.float32))
    vectors = book.vectors(np.zeros((2, 5, 2), np.float32))
    np.testing.assert_array_equal(vectors, np.zeros((2, 3)))


def test_the_same_descriptors_in_another_order_are_the_nearest() -> None:
    generator = np.random.default_rng(0)
    described = generator.normal(size=(60, 30, 8)).astype(np.float32)
    described /= np.linalg.norm(described, axis=2, keepdims=True)
    book = fit_codebook(described[20:], words=4, axes=16)
    assert book.words.shape == (4, 8)
    assert book.axes.shape == (32, 16)
    assert fit_codebook(described[:5], words=4, axes=16).axes.shape == (32, 4)  # five pictures have four axes
    vectors = book.vectors(described)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    shuffled = described[:20, generator.permutation(30)][:, :22]  # a quarter is out of the frame
    assert (np.argmax(book.vectors(shuffled) @ vectors.T, axis=1) == np.arange(20)).mean() >= 0.9
    assert book.vectors(shuffled[:1])[0] == pytest.approx(book.vectors(shuffled)[0], abs=1e-5)
