"""LGCE on the Dubai benchmark, trained as LAVT is, see :mod:`geoglot.recipes.lavt_dubai_small`."""

from dataclasses import replace

from geoglot.recipes.lavt_dubai_small import RECIPE as LAVT

RECIPE = replace(LAVT, method="lgce")
