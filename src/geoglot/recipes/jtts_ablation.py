"""The six steps of the JTTS paper's ablation (its table V) on UCM-captions; ``--data rsicd`` takes another dataset.

Launch: ``geoglot train jtts_ablation --backbone-weights resnet101.safetensors --out runs/ablation --resume``;
``--only b`` runs one step, ``--seed 1`` another draw.
"""

from geoglot.engine.captioning.sweeps import ablation
from geoglot.recipes.jtts_ucm import RECIPE

SWEEP = ablation(RECIPE)
