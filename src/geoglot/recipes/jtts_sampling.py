"""JTTS with lambda from 0.1 to 2 (the paper's table VII) on UCM-captions; ``--data rsicd`` takes another dataset.

Launch: ``geoglot train jtts_sampling --backbone-weights resnet101.safetensors --out runs/sampling --resume``.
"""

from geoglot.engine.captioning.sweeps import samplings
from geoglot.recipes.jtts_ucm import RECIPE

SWEEP = samplings(RECIPE)
