"""JTTS on UCM-captions at a size that one CPU core trains in minutes: hidden states of 256, batches of 64, 24 epochs.

The frozen network is our own. RAdam would still be warming up when so few steps are over, so AdamW follows a rate that
rises and falls; two captions of an image are drawn for every epoch, and the average of the weights is kept.

Launch: ``geoglot train jtts_ucm_small --backbone-weights runs/compact``.
"""

from geoglot.engine.captioning.recipe import CaptioningRecipe

RECIPE = CaptioningRecipe(
    method="jtts",
    config={"hidden": 256, "words": 256, "attention": 256, "classifier": 256},
    datasets=("ucm",),
    backbone="compact",
    side=144,
    mirrored=True,
    epochs=24,
    batch=64,
    captions=2,
    optimiser="adamw",
    learning_rate=2e-3,
    schedule="one-cycle",
    precision="bfloat16",
    average=0.98,
)
