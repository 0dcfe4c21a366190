"""Normalised softmax on UC Merced, 144 pixels, from our own backbone, which has seen RSICD alone.

Every batch has two images of each of the 21 classes.

Launch: ``geoglot train normalised_softmax_ucm --backbone-weights runs/backbone --data-root DIR``; with
``--set compared=classes`` the same weights compare class probabilities.
"""

from geoglot.engine.matching.recipe import MatchingRecipe, Stage

RECIPE = MatchingRecipe(
    method="normalised_softmax",
    config={"frozen": 0, "batch_statistics": True, "backbone_factor": 1 / 3},
    dataset="ucm",
    side=144,
    stages=(
        Stage(
            kind="classes",
            epochs=30,
            batch=42,
            classes=21,
            sampling="batch",
            optimiser="adamw",
            learning_rate=3e-3,
            weight_decay=0.05,
            clip=5.0,
            schedule="one-cycle",
        ),
    ),
)
