"""The shipped model's full-length recipe, for a GPU: wider, longer, at higher resolution.

Launch: ``geoglot train compact_full --data-root DIR``. Not run yet; see docs/training-queue.md.
"""

from geoglot.engine.recipe import Optimiser, Recipe, SideStep

RECIPE = Recipe(
    method="compact",
    config={"channels": (64, 128, 256, 512), "text_layers": 2, "drop_blocks": 0.15, "memory_from": 0.3},
    datasets=("rsicd", "ucm"),
    epochs=400,
    batch=512,
    optimiser=Optimiser(learning_rate=2e-3, weight_decay=0.08),
    average=0.998,
    sides=(SideStep(start=0.0, side=112), SideStep(start=0.5, side=160)),
    validation_side=192,
    captions_per_image=2,
    english_share=0.75,
    smallest_area=0.3,
)
