"""JTTS on UCM-captions at a size that one CPU core trains in minutes: hidden states of 256, batches of 64, 15 epochs.

The frozen network is EfficientNet-Lite0. The rate is a power of two above the paper's, for larger batches and fewer
steps, and falls; the average of the weights is kept. All of this was chosen on validation.

Launch: ``geoglot train jtts_ucm_small --backbone-weights FILE``.
"""

from geoglot.engine.captioning.recipe import CaptioningRecipe

RECIPE = CaptioningRecipe(
    method="jtts",
    config={"hidden": 256, "words": 256, "attention": 256, "classifier": 256},
    datasets=("ucm",),
    backbone="efficientnet_lite0",
    side=144,
    mirrored=True,
    epochs=15,
    batch=64,
    learning_rate=2e-3,
    schedule="one-cycle",
    average=0.99,
)
