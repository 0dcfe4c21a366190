"""The hash against an outside package and a naive transform; pairs and symmetries against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geoglot.data import perceptual_hash
from geoglot.data.perceptual_hash import (
    SYMMETRIES,
    bit_counts,
    coefficients,
    correlations,
    details,
    near_pairs,
    perceptual_hashes,
    symmetric_hashes,
    thumbnail,
    turned,
)


def picture(number: int) -> Image.Image:
    """Whole-number patterns, the same on every machine."""
    y, x = np.mgrid[:90, :120].astype(np.int64)
    red = (x * (3 + number) + y * y // (7 + number)) % 256
    green = ((x - 60) ** 2 + (y - 40 + 5 * number) ** 2) // (9 + number) % 256
    blue = (x * y // (11 + number) + 40 * number) % 256
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def thumbnails(count: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (count, 8, 8), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((32, 32), Image.Resampling.BICUBIC)) for each in noise])


# phash(picture(n)) of the package ImageHash 4.3.2 with Pillow 13.0.0.
RECORDED = (
    "a1239adb589b70e6",
    "a5248e876cda7197",
    "e0249e8725ce71db",
    "e1218b9365de74c9",
    "f0610d9331ead66d",
    "e8686a9fb5bb9220",
)


@pytest.mark.parametrize(("number", "expected"), list(enumerate(RECORDED)))
def test_equals_the_outside_package(number, expected):
    found = perceptual_hashes(thumbnail(picture(number))[None])
    assert f"{int(found[0]):016x}" == expected


def test_coefficients_against_the_definition():
    small = thumbnails(1)[0]
    found = coefficients(small[None])[0]
    for k in range(8):
        for m in range(8):
            expected = 4 * sum(
                int(small[y, x]) * math.cos(math.pi * k * (2 * y + 1) / 64) * math.cos(math.pi * m * (2 * x + 1) / 64)
                for y in range(32)
                for x in range(32)
            )
            assert found[k, m] == pytest.approx(expected, abs=1e-6)


def test_without_ties_half_of_the_bits_are_set():
    assert set(bit_counts(perceptual_hashes(thumbnails(50))).tolist()) == {32}


def test_an_image_of_one_grey_has_one_bit():
    flat = np.stack([np.full((32, 32), 7, np.uint8), np.zeros((32, 32), np.uint8)])
    assert perceptual_hashes(flat).tolist() == [1 << 63, 0]


@pytest.mark.parametrize("symmetry", range(8))
def test_symmetric_hashes_are_the_hashes_of_turned_images(symmetry):
    small = thumbnails(40)
    expected = perceptual_hashes(np.ascontiguousarray(turned(small, symmetry)))
    assert np.array_equal(symmetric_hashes(small)[:, symmetry], expected)


def test_the_eight_symmetries_differ_and_are_named():
    corner = np.arange(9).reshape(3, 3)
    assert len({turned(corner, k).tobytes() for k in range(8)}) == 8 == len(set(SYMMETRIES))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 65), st.integers(1, 50), st.integers(0, 9))
def test_near_pairs_against_a_loop(n, m, below, block, seed):
    generator = np.random.default_rng(seed)
    left = generator.integers(0, 2**64, n, dtype=np.uint64)
    right = np.concatenate([left, generator.integers(0, 2**64, m, dtype=np.uint64)])
    right[: n // 2] ^= np.uint64(0b1011)
    found = near_pairs(left, right, below=below, block=block)
    expected = [
        (i, j, (int(a) ^ int(b)).bit_count())
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if (int(a) ^ int(b)).bit_count() < below
    ]
    assert list(zip(found.left.tolist(), found.right.tolist(), found.distances.tolist(), strict=True)) == expected


def test_bit_counts_of_old_numpy():
    words = np.random.default_rng(0).integers(0, 2**64, (7, 9), dtype=np.uint64)
    expected = [[int(word).bit_count() for word in row] for row in words]
    assert perceptual_hash._bit_counts_by_bytes(words).tolist() == expected
    assert bit_counts(words).tolist() == expected


def test_correlation_against_numpy():
    left, right = thumbnails(20, 1), thumbnails(20, 2)
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(left, right, strict=True)]
    assert correlations(left, right) == pytest.approx(expected)
    flat = np.full((1, 32, 32), 9, np.uint8)
    assert correlations(flat, flat).tolist() == [0.0]


def test_details_against_a_loop():
    small = thumbnails(1, 3)[:, :6, :7]
    padded = np.pad(small[0].astype(float), 1, mode="edge")
    for y in range(6):
        for x in range(7):
            expected = small[0, y, x] - padded[y : y + 3, x : x + 3].mean()
            assert details(small)[0, y, x] == pytest.approx(expected)


def test_two_smooth_shores_agree_as_a_whole_and_not_in_detail():
    noise = np.random.default_rng(0).integers(0, 12, (2, 32, 32))
    shore = 40 + 3 * np.clip(np.add.outer(np.arange(32), np.arange(32)) - 12, 0, 40)
    shores = (shore + noise).astype(np.uint8)
    assert correlations(shores[:1], shores[1:])[0] > 0.95
    assert correlations(details(shores[:1]), details(shores[1:]))[0] < 0.5


def test_many_are_compared_in_seconds():
    hashes = np.random.default_rng(0).integers(0, 2**64, 15_000, dtype=np.uint64)
    hashes[-1] = hashes[0]
    found = near_pairs(hashes[:2000], hashes, below=8)  # 30 million comparisons
    assert (0, 14_999) in set(zip(found.left.tolist(), found.right.tolist(), strict=True))
