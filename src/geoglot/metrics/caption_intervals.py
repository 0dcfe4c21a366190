"""Bootstrap intervals of caption measures: how far they could move had other images been captioned.

Images are drawn with replacement. BLEU is formed anew from the drawn images' counts. ROUGE-L and CIDEr-D are means of
the images' values; the document frequencies of CIDEr-D stay those of the whole split.
"""

from __future__ import annotations

import numpy as np

from geoglot.core.errors import UsageError
from geoglot.metrics.caption import CaptionMeasures
from geoglot.metrics.caption_ngrams import corpus_bleu
from geoglot.metrics.intervals import Interval, percentile_interval

_DRAWS_TOGETHER = 256


def caption_intervals(
    measures: CaptionMeasures, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Percentile bootstrap intervals by the names of :meth:`CaptionMeasures.figures`.

    Args:
        measures: Of N images.
        resamples: How many times N images are drawn.
        seed: Of NumPy's PCG64 generator; the same seed gives the same interval.
        level: Share of the resamples inside, in (0, 1).

    Raises:
        UsageError: No resamples, or a level outside (0, 1).

    Example:
        >>> from geoglot.metrics.caption import caption_measures
        >>> captions = {1: "a bridge over a river", 2: "many small houses near a road"}
        >>> perfect = caption_measures(captions, {k: [v] for k, v in captions.items()}, tokenise=str.split)
        >>> caption_intervals(perfect, resamples=20)["rouge_l"]
        (1.0, 1.0)
    """
    if resamples < 1:
        raise UsageError(f"resamples = {resamples}", cause="is below 1", remedy="draw at least once")
    if not 0 < level < 1:
        raise UsageError(f"level = {level}", cause="is not between 0 and 1", remedy="0.95 is usual")
    images = len(measures.images)
    generator = np.random.default_rng(seed)
    drawn = np.empty((resamples, 6))
    for start in range(0, resamples, _DRAWS_TOGETHER):
        size = min(_DRAWS_TOGETHER, resamples - start)
        weight = generator.multinomial(images, np.full(images, 1 / images), size=size).astype(np.float64)
        rows = drawn[start : start + size]
        rows[:, :4] = corpus_bleu(measures.bleu_counts, weight)
        rows[:, 4] = weight @ measures.image_rouge_l / images
        rows[:, 5] = weight @ measures.image_cider / images
    bounds = (percentile_interval(column, level=level) for column in drawn.T)
    return dict(zip(measures.figures(), bounds, strict=True))
