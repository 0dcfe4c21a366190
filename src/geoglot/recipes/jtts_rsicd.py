"""JTTS on RSICD as its paper trained it, see :mod:`geoglot.recipes.jtts_ucm`."""

from dataclasses import replace

from geoglot.recipes.jtts_ucm import RECIPE as UCM

RECIPE = replace(UCM, datasets=("rsicd",))
