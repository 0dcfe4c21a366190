"""The shipped matcher: the residual-dyad discriminator on the last maps of a geoglot-compact image network.

Pairs are drawn from the caption-train images of RSICD and UC Merced by their kinds of place. The image network stays as
it is; name its run.

Launch: ``geoglot train dyad --backbone-weights RUN --data-root DIR``, then ``geoglot export runs/dyad``; minutes on one
CPU core.
"""

from geoglot.engine.matching.product import ProductRecipe
from geoglot.engine.matching.recipe import Stage

RECIPE = ProductRecipe(
    method="residual_dyad",
    config={"discriminator_widths": (96, 128, 32)},
    datasets=("rsicd", "ucm"),
    side=144,
    stages=(
        Stage(
            kind="pairs",
            sampling="batch",
            batch=128,
            classes=16,
            pairs=512,
            epochs=8,
            optimiser="adamw",
            learning_rate=1e-3,
            weight_decay=0.05,
            schedule="one-cycle",
            clip=2.0,
            patience=8,
        ),
    ),
)
