"""The paper's other splits of UC Merced for features that nothing is learned for: shares of 80 to 30 %, five folds.

The share that trains teaches these features nothing: what changes is who asks, and how many pictures of a class the
test gallery has. HoG, LBP-RGB and our backbone, by cosine.

Launch: ``geoglot train residual_dyad_protocols --backbone-weights RUN --data-root DIR --out runs/protocols --resume``,
minutes on one CPU core; then ``geoglot evaluate matching --run runs/protocols/* --out results``. RUN is a training that
has not seen UC Merced: the shipped model has.
"""

from geoglot.data.labelled import FOLDS
from geoglot.data.published_matching import SHARES
from geoglot.engine.matching.recipe import MatchingRecipe

DESCRIPTORS = ("hog", "lbp_rgb", "backbone")


def _recipe(descriptor: str, share: float = 0.8, fold: int | None = None) -> MatchingRecipe:
    return MatchingRecipe(
        method="residual_dyad", descriptor=descriptor, side=256, metric="cosine", share=share, fold=fold
    )


SWEEP = {
    **{f"{name}-share-{share:g}": _recipe(name, share) for name in DESCRIPTORS for share in SHARES},
    **{f"{name}-fold-{fold}": _recipe(name, fold=fold) for name in DESCRIPTORS for fold in range(FOLDS)},
}
