"""The shipped model's third cycle: UC Merced drawn three times per epoch, at 112 and 128 pixels, without the memory.

Launch: ``geoglot train compact_tuned --data-root DIR`` after ``geoglot train compact``; an hour on one CPU core.
"""

from geoglot.engine.recipe import Optimiser, Recipe, SideStep

RECIPE = Recipe(
    method="compact",
    config={"memory_from": 2.0, "drop_blocks": 0.12},
    datasets=("rsicd", "ucm"),
    repeats={"ucm": 3},
    initial="runs/compact",
    epochs=20,
    batch=256,
    optimiser=Optimiser(learning_rate=8e-4),
    average=0.997,
    sides=(SideStep(start=0.0, side=112), SideStep(start=0.75, side=128)),
    validation_side=144,
    captions_per_image=2,
    english_share=0.75,
    seed=1,
)
