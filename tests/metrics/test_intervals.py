from __future__ import annotations

import numpy as np
import pytest

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.metrics.intervals import percentile_interval, recall_intervals
from geoglot.metrics.ranking import RetrievalRanks, retrieval_recall

CUTOFFS = (1, 5, 10)


def _case(seed=0, images=40, captions=5):
    generator = np.random.default_rng(seed)
    image_to_text = generator.integers(1, 15, images)
    text_to_image = generator.integers(1, 15, images * captions)
    owner = np.repeat(np.arange(images), captions)
    pairs = np.stack([owner, np.arange(len(owner))], axis=1)
    return RetrievalRanks(image_to_text=image_to_text, text_to_image=text_to_image), pairs


def _slow_bootstrap(ranks, pairs, resamples, seed):
    """Draw the same images, gather their queries one by one and score the gathered lists."""
    images = len(ranks.image_to_text)
    generator = np.random.default_rng(seed)
    weight = generator.multinomial(images, np.full(images, 1 / images), size=resamples)
    values = []
    for counts in weight:
        asked_images = [i for i in range(images) for _ in range(counts[i])]
        asked_texts = [int(t) for i in asked_images for owner, t in pairs if owner == i]
        drawn = RetrievalRanks(
            image_to_text=ranks.image_to_text[asked_images], text_to_image=ranks.text_to_image[asked_texts]
        )
        figures = retrieval_recall(drawn)
        values.append([*figures.image_to_text.recall.values(), *figures.text_to_image.recall.values()])
    return np.array(values)


def test_equals_gathering_the_drawn_queries():
    ranks, pairs = _case(images=12, captions=3)
    fast = recall_intervals(ranks, pairs, resamples=60, seed=5)
    slow = _slow_bootstrap(ranks, pairs, 60, 5)
    for column, k in enumerate(CUTOFFS):
        assert fast.image_to_text[k] == pytest.approx(tuple(np.quantile(slow[:, column], [0.025, 0.975])))
        assert fast.text_to_image[k] == pytest.approx(tuple(np.quantile(slow[:, column + 3], [0.025, 0.975])))
    assert fast.mean_recall == pytest.approx(tuple(np.quantile(slow.mean(axis=1), [0.025, 0.975])))


def test_uneven_captions_per_image():
    ranks, _ = _case(images=6, captions=2)
    owner = np.array([0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5])
    pairs = np.stack([owner, np.arange(12)], axis=1)
    fast = recall_intervals(ranks, pairs, resamples=40, seed=1)
    slow = _slow_bootstrap(ranks, pairs, 40, 1)
    assert fast.text_to_image[5] == pytest.approx(tuple(np.quantile(slow[:, 4], [0.025, 0.975])))


def test_seed_fixes_the_interval_and_another_moves_it():
    ranks, pairs = _case()
    assert recall_intervals(ranks, pairs, seed=3) == recall_intervals(ranks, pairs, seed=3)
    assert recall_intervals(ranks, pairs, seed=3) != recall_intervals(ranks, pairs, seed=4)


def test_width_matches_the_binomial_for_independent_queries():
    # One caption per image and a hit rate of one half: the standard error of a percentage over n = 400 is
    # 100 * sqrt(0.25 / 400) = 2.5, so the 95 % interval is close to 50 +- 1.96 * 2.5 = (45.1, 54.9).
    n = 400
    ranks = RetrievalRanks(image_to_text=np.where(np.arange(n) % 2 == 0, 1, 2), text_to_image=np.full(n, 1))
    low, high = recall_intervals(ranks, np.stack([np.arange(n)] * 2, axis=1), resamples=4000).image_to_text[1]
    assert low == pytest.approx(45.1, abs=0.6)
    assert high == pytest.approx(54.9, abs=0.6)


def test_captions_of_an_image_move_together():
    # All five captions of an image hit or miss together: drawing captions singly would give a width sqrt(5) too small.
    images = 200
    hit = np.arange(images) % 2 == 0
    ranks = RetrievalRanks(image_to_text=np.where(hit, 1, 2), text_to_image=np.repeat(np.where(hit, 1, 2), 5))
    pairs = np.stack([np.repeat(np.arange(images), 5), np.arange(images * 5)], axis=1)
    intervals = recall_intervals(ranks, pairs, resamples=1000)
    assert intervals.text_to_image[1] == pytest.approx(intervals.image_to_text[1])


def test_a_shared_text_counts_once_whatever_its_carriers():
    # Three texts; text 0 belongs to all images. With every image drawn once the weighted recall is the plain one:
    # checked through a resample-free identity, the mean over very many resamples.
    ranks = RetrievalRanks(image_to_text=np.array([1, 1, 1]), text_to_image=np.array([1, 9, 9]))
    pairs = [(0, 0), (1, 0), (2, 0), (1, 1), (2, 2)]
    low, high = recall_intervals(ranks, pairs, resamples=2000).text_to_image[1]
    # Image 0 alone drawn thrice (probability 1/27 = 3.7 % > 2.5 %): only text 0 asked, recall 100. Images 1 and 2 only:
    # text 0 has weight (w1 + w2) / 3 = 1 and texts 1, 2 have w1 + w2 = 3, recall 1 / 4.
    assert (low, high) == (25.0, 100.0)


def test_percentiles():
    assert percentile_interval([5.0]) == (5.0, 5.0)
    assert percentile_interval(np.arange(1001)) == pytest.approx((25.0, 975.0))


def test_nonsense_is_refused():
    ranks, pairs = _case(images=4, captions=1)
    with pytest.raises(UsageError):
        recall_intervals(ranks, pairs, resamples=0)
    with pytest.raises(UsageError):
        recall_intervals(ranks, pairs, level=1.0)
    with pytest.raises(GeoglotError, match="text query 3: belongs to no image"):
        recall_intervals(ranks, [*pairs[:3], (3, 2)])
    with pytest.raises(GeoglotError, match="image 3: carries no text query"):
        recall_intervals(ranks, [*pairs[:3], (2, 3)])
    for outside in ([(0, 9)], [(9, 0)], [(-1, 0)], np.zeros((0, 2), dtype=int)):
        with pytest.raises(GeoglotError, match="do not lie within"):
            recall_intervals(ranks, outside)
