"""The dense SIFT rows of the paper's third and fourth tables: VLAD and Fisher vectors, Euclidean distance and cosine.

Both are scaled to length 1, so Euclidean distance and cosine order a gallery alike, but for rounding.

Launch: ``geoglot train residual_dyad_descriptors --data-root DIR --out runs/descriptors --resume``, half an hour on one
CPU core; then ``geoglot evaluate matching --run runs/descriptors/* --out results``. With ``--data satscene`` for the
fourth table.
"""

from geoglot.engine.matching.recipe import MatchingRecipe, Metric

METRICS: tuple[Metric, ...] = ("euclidean", "cosine")

SWEEP = {
    f"{aggregation}-{metric}": MatchingRecipe(
        method="residual_dyad",
        descriptor="dense_sift",
        descriptor_config={"aggregation": aggregation},
        side=256,
        metric=metric,
    )
    for aggregation in ("vlad", "fisher")
    for metric in METRICS
}
