"""The shipped model on a network that has seen ImageNet: EfficientNet-Lite0, its first blocks kept as they are.

Launch: ``geoglot train compact_lite --backbone-weights FILE --data-root DIR`` after ``geoglot train compact``, whose
words it starts from. FILE holds published ImageNet weights as safetensors; ``geoglot convert-checkpoint`` makes it.
About an hour and a half on one CPU core.
"""

from geoglot.engine.recipe import Optimiser, Recipe, SideStep

RECIPE = Recipe(
    method="compact",
    config={"network": "efficientnet_lite0", "frozen_blocks": 3, "network_rate": 0.3, "memory_from": 0.25},
    datasets=("rsicd", "ucm"),
    repeats={"ucm": 2},
    initial="runs/compact",
    epochs=20,
    batch=256,
    optimiser=Optimiser(learning_rate=1.5e-3, weight_decay=0.05),
    average=0.996,
    sides=(SideStep(start=0.0, side=96), SideStep(start=0.5, side=112), SideStep(start=0.85, side=128)),
    validation_side=144,
    captions_per_image=2,
    english_share=0.75,
)
