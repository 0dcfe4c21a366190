"""LGCE on RefSegRS as its paper trained it, see :mod:`geoglot.recipes.lavt_refsegrs`."""

from dataclasses import replace

from geoglot.recipes.lavt_refsegrs import RECIPE as LAVT

RECIPE = replace(LAVT, method="lgce")
