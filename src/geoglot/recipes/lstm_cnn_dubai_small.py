"""LSTM-CNN on the Dubai benchmark, trained as LAVT is and from nothing too, so that the methods compare.

See :mod:`geoglot.recipes.lavt_dubai_small`; ``--backbone-weights runs/compact`` starts from a network of ours.
"""

from dataclasses import replace

from geoglot.recipes.lavt_dubai_small import RECIPE as LAVT

RECIPE = replace(LAVT, method="lstm_cnn", config={})
