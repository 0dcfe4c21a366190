"""The shipped model, geoglot-compact.

Launch: ``geoglot train compact --data-root DIR``; about 80 minutes on two CPU cores, minutes on a GPU. A run that was
stopped goes on with ``--resume``. Then ``geoglot export RUN`` makes the bundle.
"""

from geoglot.engine.recipe import Optimiser, Polish, Recipe, SideStep

RECIPE = Recipe(
    method="compact",
    datasets=("rsicd", "ucm"),
    epochs=60,
    batch=256,
    optimiser=Optimiser(learning_rate=1.5e-3, weight_decay=0.05),
    average=0.996,
    sides=(SideStep(start=0.0, side=80), SideStep(start=0.55, side=112)),
    polish=Polish(epochs=6, learning_rate=4e-4, side=128),
    validation_side=144,
    captions_per_image=2,
    english_share=0.75,
)
