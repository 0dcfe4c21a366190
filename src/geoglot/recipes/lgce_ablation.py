"""The ablation of LGCE on RefSegRS (its table III), and its exchange in the reading in which scales mix.

Launch: ``geoglot train lgce_ablation --out runs/ablation --resume``; ``--only 'without*'`` runs some, ``--seed 1``
draws anew, ``--data dubai`` takes other data.
"""

from geoglot.engine.segmentation.sweeps import ablation
from geoglot.recipes.lgce_refsegrs import RECIPE

SWEEP = ablation(RECIPE)
