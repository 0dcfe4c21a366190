"""JTTS on five CNN (the paper's table I) on UCM-captions; ``--data rsicd`` takes another dataset.

Every CNN needs its own weights: ``--backbone-weights DIR`` with ``alexnet.safetensors``, ``vgg16.safetensors`` ...

Launch: ``geoglot train jtts_encoders --backbone-weights weights/ --out runs/encoders --resume``.
"""

from geoglot.engine.captioning.sweeps import encoders
from geoglot.recipes.jtts_ucm import RECIPE

SWEEP = encoders(RECIPE)
