from __future__ import annotations

import numpy as np
import pytest

from geoglot.core.errors import UsageError
from geoglot.metrics.caption import caption_measures
from geoglot.metrics.caption_intervals import caption_intervals

HYPOTHESES = {1: "a b c d e", 2: "a c", 3: "f g h i", 4: "x"}
REFERENCES = {1: ["a b c d e"], 2: ["a b c", "c a"], 3: ["f g h"], 4: ["y z"]}
FOUND = caption_measures(HYPOTHESES, REFERENCES, tokenise=str.split)


def test_the_figure_lies_inside():
    intervals = caption_intervals(FOUND, resamples=400)
    for name, value in FOUND.figures().items():
        low, high = intervals[name]
        assert low <= value <= high
        assert low < high


def test_equal_to_measuring_every_resample():
    # The same draws, with BLEU counted on the repeated captions.
    weight = np.random.default_rng(5).multinomial(4, np.full(4, 0.25), size=40)
    blue = []
    for times in weight:
        repeated = [image for image, count in zip(HYPOTHESES, times, strict=True) for _ in range(count)]
        hypotheses = {place: HYPOTHESES[image] for place, image in enumerate(repeated)}
        references = {place: REFERENCES[image] for place, image in enumerate(repeated)}
        blue.append(caption_measures(hypotheses, references, tokenise=str.split).bleu[1])
    expected = np.quantile(blue, [0.05, 0.95])
    assert caption_intervals(FOUND, resamples=40, seed=5, level=0.9)["bleu_2"] == pytest.approx(tuple(expected))


def test_one_image_has_no_width():
    alone = caption_measures({1: "a b"}, {1: ["a b c"]}, tokenise=str.split)
    for low, high in caption_intervals(alone, resamples=10).values():
        assert low == pytest.approx(high)


def test_refused():
    with pytest.raises(UsageError, match="resamples"):
        caption_intervals(FOUND, resamples=0)
    with pytest.raises(UsageError, match="level"):
        caption_intervals(FOUND, level=1.0)
