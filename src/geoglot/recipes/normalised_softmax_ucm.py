"""Normalised softmax on UC Merced, 144 pixels, from EfficientNet-Lite0's ImageNet weights.

Stages 3 and 4 of the backbone learn, at a sixth of the learning rate of the embedding. Every batch has two images of
each of the 21 classes. Four epochs take two minutes on one processor core.

Launch: ``geoglot train normalised_softmax_ucm --backbone-weights FILE.safetensors --data-root DIR``.
"""

from geoglot.engine.matching.recipe import MatchingRecipe, Stage

RECIPE = MatchingRecipe(
    method="normalised_softmax",
    config={"backbone": "efficientnet_lite0", "train_side": 112, "frozen": 2, "backbone_factor": 1 / 6},
    dataset="ucm",
    side=144,
    stages=(
        Stage(
            kind="classes",
            epochs=4,
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
