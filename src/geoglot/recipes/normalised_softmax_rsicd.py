"""Normalised softmax on the 31 classes of RSICD, 144 pixels, from scratch.

As on UC Merced, with fewer epochs: there are five times as many images. Weights that were trained on RSICD's captions
have seen most of the test images of this split and must not be started from.

Launch: ``geoglot train normalised_softmax_rsicd --data-root DIR``.
"""

from dataclasses import replace

from geoglot.recipes.normalised_softmax_ucm import RECIPE as UCM

RECIPE = replace(
    UCM, dataset="rsicd", stages=tuple(replace(stage, epochs=15, batch=62, classes=31) for stage in UCM.stages)
)
