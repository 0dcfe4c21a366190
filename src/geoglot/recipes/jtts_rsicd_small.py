"""JTTS on RSICD at a size for one CPU core: as ``jtts_ucm_small``, with 12 epochs of three captions an image."""

from dataclasses import replace

from geoglot.recipes.jtts_ucm_small import RECIPE as UCM

RECIPE = replace(UCM, datasets=("rsicd",), epochs=12, captions=3, validation_images=300)
