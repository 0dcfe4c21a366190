"""The image backbone of the same-start leaderboard: trained from scratch on the RSICD train split alone.

Launch: ``geoglot train backbone --data-root DIR``; about 30 minutes on two CPU cores. Its image tower is what
``--backbone compact`` means.
"""

from geoglot.engine.recipe import Optimiser, Recipe, SideStep

RECIPE = Recipe(
    method="compact",
    datasets=("rsicd",),
    epochs=40,
    batch=256,
    optimiser=Optimiser(learning_rate=1.5e-3, weight_decay=0.05),
    average=0.995,
    sides=(SideStep(start=0.0, side=80), SideStep(start=0.6, side=112)),
    validation_side=144,
    captions_per_image=2,
    english_share=0.75,
)
