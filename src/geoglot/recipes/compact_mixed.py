"""The shipped model's fourth cycle: rendered scenes beside real ones, and pictures with rectangles of one another.

Launch: ``geoglot data render --out DIR/rendered``, then ``geoglot train compact_mixed --data-root DIR`` after
``geoglot train compact_tuned``; an hour on one CPU core. What ships is the
mean of its weights and those it started from (:mod:`geoglot.engine.averaging`).
"""

from geoglot.engine.recipe import Optimiser, Recipe, SideStep

RECIPE = Recipe(
    method="compact",
    config={"memory_from": 2.0, "drop_blocks": 0.12},
    datasets=("rsicd", "ucm", "rendered"),
    initial="runs/compact_tuned",
    epochs=28,
    batch=256,
    optimiser=Optimiser(learning_rate=1.2e-3),
    average=0.997,
    sides=(SideStep(start=0.0, side=112), SideStep(start=0.68, side=128)),
    validation_side=144,
    captions_per_image=2,
    english_share=0.75,
    smallest_area=0.3,
    mixed=0.6,
    seed=3,
)
