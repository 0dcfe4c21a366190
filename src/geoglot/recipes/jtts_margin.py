"""JTTS with margins from 0.1 to 0.6 (the paper's table VI) on UCM-captions; ``--data rsicd`` takes another dataset.

Launch: ``geoglot train jtts_margin --backbone-weights resnet101.safetensors --out runs/margin --resume``.
"""

from geoglot.engine.captioning.sweeps import margins
from geoglot.recipes.jtts_ucm import RECIPE

SWEEP = margins(RECIPE)
