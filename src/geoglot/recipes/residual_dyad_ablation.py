"""The paper's first table on UC Merced: three ways to train two autoencoders, two discriminators on each.

Rows: trained on UC Merced alone, on RSICD's images without their labels (in place of GTCrossView), and on these and
then tuned on UC Merced. The runs ``residual-*`` and ``dyad-*`` without a second word are autoencoders, scored by the
Euclidean distance of their features; the others start from one of them.

Launch: ``geoglot train residual_dyad_ablation --data-root DIR --out runs/ablation --resume``, on a GPU;
then ``geoglot evaluate matching --run runs/ablation/*``. The same command goes on after an interruption.
"""

from collections.abc import Mapping
from typing import Any, Literal

from geoglot.engine.matching.recipe import MatchingRecipe, Stage

UNITS: tuple[Literal["residual", "dyad"], ...] = ("residual", "dyad")


def ablation(
    *, side: int, unlabelled: Stage, own: Stage, tuning: Stage, pairs: Stage, config: Mapping[str, Any], seed: int = 0
) -> dict[str, MatchingRecipe]:
    """The six autoencoders and twelve cells of the table.

    Args:
        side: Pixels.
        unlabelled: Reconstruction of images of another dataset.
        own: Reconstruction of UC Merced's training images, from nothing.
        tuning: The same, from what ``unlabelled`` has made.
        pairs: The discriminator.
        config: Sizes.
        seed: Of everything but the split.
    """
    sweep: dict[str, MatchingRecipe] = {}
    for unit in UNITS:
        rows = (
            (f"{unit}-rsicd", unlabelled, None),
            (f"{unit}-tuned", tuning, f"{unit}-rsicd"),
            (f"{unit}-ucm", own, None),
        )
        for name, stage, initial in rows:
            sizes = {**config, "autoencoder": unit}
            sweep[name] = MatchingRecipe(
                method="residual_dyad",
                config=sizes,
                side=side,
                stages=(stage,),
                metric="euclidean",
                initial=initial,
                seed=seed,
            )
            for discriminator in reversed(UNITS):
                sweep[f"{name}-{discriminator}"] = MatchingRecipe(
                    method="residual_dyad",
                    config={**sizes, "discriminator": discriminator},
                    side=side,
                    stages=(pairs,),
                    initial=name,
                    seed=seed,
                )
    return sweep


SWEEP = ablation(
    side=256,
    unlabelled=Stage(kind="reconstruction", data=("rsicd",)),
    own=Stage(kind="reconstruction"),
    tuning=Stage(kind="reconstruction"),
    pairs=Stage(kind="pairs"),
    config={},
)
