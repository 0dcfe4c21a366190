"""The paper's second table on UC Merced: features compared by Euclidean distance, by cosine, and by ResDyadDML.

Features are hand-crafted ones and those of our backbone; the row of ResDyadAE is in the ablation. The discriminator
has filters of 1x1 for features without places, learns on standardised numbers, and from the pairs within batches.

Launch: ``geoglot train residual_dyad_metrics --backbone-weights RUN --data-root DIR --out runs/metrics --resume``,
minutes on one CPU core. RUN is a training that has not seen UC Merced: the shipped model has.
"""

from geoglot.engine.matching.recipe import MatchingRecipe, Metric, Stage

DESCRIPTORS = ("hog", "lbp_rgb", "backbone")

PAIRS = Stage(
    kind="pairs",
    epochs=60,
    batch=64,
    classes=8,
    sampling="batch",
    optimiser="adamw",
    learning_rate=1e-3,
    weight_decay=0.05,
    clip=1.0,
    patience=15,
)

METRICS: tuple[Metric, ...] = ("euclidean", "cosine", "learned")

SWEEP = {
    f"{descriptor}-{metric}": MatchingRecipe(
        method="residual_dyad",
        descriptor=descriptor,
        side=256,
        metric=metric,
        stages=(PAIRS,) if metric == "learned" else (),
    )
    for descriptor in DESCRIPTORS
    for metric in METRICS
}
