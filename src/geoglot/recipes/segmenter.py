"""The shipped segmenter: the two networks of geoglot-compact, a feature pyramid and a phrase head.

Masks come from the training tiles of the Dubai set (by class, and by phrases with relations) and from rendered scenes;
captions of RSICD and UC Merced teach names that no mask shows. The validation tile and other rendered
scenes choose the weights.

Launch: ``geoglot train segmenter --backbone-weights RUN --data-root DIR``, then ``geoglot export runs/segmenter``;
about 40 minutes on one CPU core.
"""

from geoglot.engine.phrase_map.training import SegmenterRecipe

RECIPE = SegmenterRecipe(rendered=300, rounds=12, steps=100)
