"""The ablation of LGCE on the Dubai benchmark at the size of :mod:`geoglot.recipes.lavt_dubai_small`."""

from geoglot.engine.segmentation.sweeps import ablation
from geoglot.recipes.lgce_dubai_small import RECIPE

SWEEP = ablation(RECIPE)
