"""LAVT on the Dubai benchmark at a size that one CPU core trains in minutes, from nothing."""

from geoglot.engine.segmentation.recipe import SegmentationRecipe

RECIPE = SegmentationRecipe(
    method="lavt",
    size="compact",
    datasets=("dubai",),
    side=128,
    epochs=8,
    batch=8,
    learning_rate=1e-3,
    schedule="one-cycle",
    clip=1.0,
    crop=0.5,
    turned=True,
    shaded=0.15,
    watch_test=True,
)
