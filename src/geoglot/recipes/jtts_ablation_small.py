"""The six steps of the JTTS paper's ablation at a size that one CPU core trains, see ``jtts_ucm_small``."""

from geoglot.engine.captioning.sweeps import ablation
from geoglot.recipes.jtts_ucm_small import RECIPE

SWEEP = ablation(RECIPE)
