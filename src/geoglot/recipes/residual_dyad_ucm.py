"""ResDyadAE and ResDyadDML on UC Merced as the paper has them: 256 pixels, three stages.

The first stage of the paper learns from 200,000 pairs of GTCrossView; here it learns from the images of RSICD without
their labels.

Launch: ``geoglot train residual_dyad_ucm --data-root DIR``, on a GPU.
"""

from geoglot.engine.matching.recipe import MatchingRecipe, Stage

RECIPE = MatchingRecipe(
    method="residual_dyad",
    dataset="ucm",
    side=256,
    stages=(
        Stage(kind="reconstruction", data=("rsicd",)),
        Stage(kind="reconstruction"),
        Stage(kind="pairs"),
    ),
)
