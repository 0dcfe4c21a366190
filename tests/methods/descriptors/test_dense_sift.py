"""Dense SIFT's aggregation against sums done by hand and loops over everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.methods.descriptors import dense_sift as ds

Array = NDArray[np.float32]


def f32(rows: Any) -> Array:
    return np.asarray(rows, np.float32)


def naive_vlad(local: Array, words: Array, intra: bool) -> NDArray[np.float64]:
    found = np.zeros(words.shape)
    for x in local.astype(float):
        nearest = min(range(len(words)), key=lambda k: float(((x - words[k]) ** 2).sum()))
        found[nearest] += x - words[nearest]
    if intra:
        for k in range(len(words)):
            length = np.linalg.norm(found[k])
            found[k] = found[k] / length if length else 0
    return found.ravel()


def naive_fisher(local: Array, weights: Array, means: Array, variances: Array) -> NDArray[np.float64]:
    count, width = means.shape
    over_means, over_deviations = np.zeros((count, width)), np.zeros((count, width))
    for x in local.astype(float):
        densities = [
            weights[k]
            * np.prod(np.exp(-((x - means[k]) ** 2) / (2 * variances[k])) / np.sqrt(2 * np.pi * variances[k]))
            for k in range(count)
        ]
        for k in range(count):
            share = densities[k] / sum(densities)
            for d in range(width):
                z = (x[d] - means[k, d]) / np.sqrt(variances[k, d])
                over_means[k, d] += share * z / (len(local) * np.sqrt(weights[k]))
                over_deviations[k, d] += share * (z * z - 1) / (len(local) * np.sqrt(2 * weights[k]))
    return np.concatenate([over_means.ravel(), over_deviations.ravel()])


def test_sizes() -> None:
    assert ds.Model(ds.Config()).dimension == 25_600
    assert ds.Model(ds.Config(aggregation="fisher")).dimension == 40_960
    assert ds.Model(ds.Config(words=8, projected=5)).dimension == 40
    assert len(ds.grid(256, 4, 8)) == 31**2
    assert len(ds.grid(256, 8, 8)) == 29**2


def test_vlad_by_hand() -> None:
    # Words (0,0) and (10,0). (1,2) and (4,0) are nearest to the first: (1,2) + (4,0) = (5,2). (8,-3) to the second:
    # (-2,-3). With intra: / sqrt 29 and / sqrt 13.
    local, words = f32([[1, 2], [4, 0], [8, -3]]), f32([[0, 0], [10, 0]])
    np.testing.assert_allclose(ds.vlad(local, words), [5, 2, -2, -3])
    scaled = [5 / 29**0.5, 2 / 29**0.5, -2 / 13**0.5, -3 / 13**0.5]
    np.testing.assert_allclose(ds.vlad(local, words, intra=True), scaled, rtol=1e-6)


def test_a_word_without_descriptors_is_zero() -> None:
    local, words = f32([[1, 2]]), f32([[0, 0], [10, 0]])
    for intra in (False, True):
        assert not ds.vlad(local, words, intra=intra)[2:].any()


def test_fisher_vector_by_hand() -> None:
    # Two Gaussians far apart, so shares are 0 or 1. First: mean 0, variance 4, weight 1/4, gets 2 and -4: z = 1, -2.
    # Means: (1 - 2) / (3 sqrt .25) = -2/3. Deviations: ((1 - 1) + (4 - 1)) / (3 sqrt .5) = 3 / 2.1213 = 1.41421.
    # Second: mean 40, variance 1, weight 3/4, gets 41: z = 1. Means: 1 / (3 sqrt .75) = 0.3849. Deviations: 0.
    found = ds.fisher_vector(f32([[2], [-4], [41]]), f32([0.25, 0.75]), f32([[0], [40]]), f32([[4], [1]]))
    # float32 cancels 41^2 - 2 x 40 x 41 + 40^2 to about 1e-4.
    np.testing.assert_allclose(found, [-2 / 3, 1 / (3 * 0.75**0.5), 2**0.5, 0], atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_aggregations_agree_with_loops(seed: int, points: int, words: int, width: int, intra: bool) -> None:
    random = np.random.default_rng(seed)
    local, means = f32(random.normal(size=(points, width))), f32(random.normal(size=(words, width)))
    weights, variances = f32(random.dirichlet(np.ones(words)) + 1e-3), f32(random.uniform(0.3, 2, (words, width)))
    weights /= weights.sum()
    np.testing.assert_allclose(
        ds.vlad(local, means, intra=intra), naive_vlad(local, means, intra), rtol=1e-4, atol=1e-5
    )
    mixture = weights, means, variances
    np.testing.assert_allclose(ds.fisher_vector(local, *mixture), naive_fisher(local, *mixture), rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(ds.shares(local, *mixture).sum(1), 1, rtol=1e-5)


def test_fisher_vector_vanishes_for_the_mixture_itself() -> None:
    # Descriptors drawn from the mixture: the expected gradient is 0.
    random = np.random.default_rng(0)
    means, variances = f32([[0, 0], [6, 0]]), f32([[1, 4], [2, 1]])
    which = random.integers(0, 2, 40_000)
    local = f32(means[which] + random.normal(size=(len(which), 2)) * np.sqrt(variances[which]))
    assert np.abs(ds.fisher_vector(local, f32([0.5, 0.5]), means, variances)).max() < 0.02


def test_power_normalisation() -> None:
    np.testing.assert_allclose(ds.power_normalised(f32([3, -4]), 1.0), [0.6, -0.8], rtol=1e-6)
    assert not ds.power_normalised(f32([0, 0]), 0.5).any()


def test_local_descriptors_are_unit_rows_and_upright() -> None:
    # Brightness grows downwards: each gradient points the same way, so one orientation of eight holds everything.
    ramp = np.repeat((np.arange(64) * 3).astype(np.uint8)[:, None], 64, 1)
    down = ds.local_descriptors(ramp, (4,), 8)
    np.testing.assert_allclose(np.linalg.norm(down, axis=1), 1, atol=0.02)
    right = ds.local_descriptors(ramp.T.copy(), (4,), 8)
    per_orientation = [rows.reshape(-1, 16, 8).sum((0, 1)) for rows in (down, right)]
    first, second = (int(sums.argmax()) for sums in per_orientation)
    assert (first - second) % 8 in (2, 6)  # a quarter turn
    for sums in per_orientation:
        assert sums.max() > 0.95 * sums.sum()


def test_local_descriptors_of_a_flat_picture_are_zero() -> None:
    assert not ds.local_descriptors(np.full((48, 48), 90, np.uint8), (4, 6), 8).any()


def test_each_cell_width_is_a_grid_of_its_own() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    both = ds.local_descriptors(picture, (4, 8), 8)
    np.testing.assert_array_equal(both[:49], ds.local_descriptors(picture, (4,), 8))
    np.testing.assert_array_equal(both[49:], ds.local_descriptors(picture, (8,), 8))


def test_what_cannot_be_fitted_is_said() -> None:
    model = ds.Model(ds.Config(**ds.SMALL))
    with pytest.raises(UsageError, match="no codebook"):
        model.describe([np.zeros((9, 9, 3), np.uint8)])
    for images in ([], [np.zeros((48, 48, 3), np.uint8)]):
        with pytest.raises(DataError, match="local descriptors"):
            model.fit(images)
    with pytest.raises(UsageError, match="cells of 20"):
        ds.grid(64, 20, 8)


def test_vectors_have_length_one() -> None:
    random = np.random.default_rng(3)
    pictures = [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(6)]
    for changes in ds.SMALL_VARIANTS.values():
        model = ds.Model(ds.Config(**{**ds.SMALL, **changes}))
        model.fit(pictures)
        np.testing.assert_allclose(np.linalg.norm(model.describe(pictures), axis=1), 1, rtol=1e-5)
        assert len({array.dtype for array in model.state().values()}) == 1
