"""The shipped model's fourth cycle: rendered scenes beside real ones, and pictures with rectangles of one another.

Launch: ``geoglot data render --out DIR/rendered``, then ``geoglot train compact_mixed --data-root DIR`` after
``geoglot train compact_tuned``; an hour on one CPU core. What ships is the mean of its weights and of those that it
started from (:mod:`geoglot.engine.averaging`).
"""

from dataclasses import replace

from geoglot.engine.recipe import Optimiser, SideStep
from geoglot.recipes.compact_tuned import RECIPE as TUNED

RECIPE = replace(
    TUNED,
    datasets=("rsicd", "ucm", "rendered"),
    repeats={},
    initial="runs/compact_tuned",
    epochs=28,
    optimiser=Optimiser(learning_rate=1.2e-3),
    sides=(SideStep(start=0.0, side=112), SideStep(start=0.68, side=128)),
    smallest_area=0.3,
    mixed=0.6,
    seed=3,
)
