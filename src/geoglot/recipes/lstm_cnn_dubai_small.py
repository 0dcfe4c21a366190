"""LSTM-CNN on the Dubai benchmark, trained as LAVT is and from nothing too, so that the methods compare.

With errors in the foreground counted once it marks no pixel of the validation part after 300 steps. Counted three
times, and at three times the rate, it has a mIoU of 0.19 after 100, there from a network of ours
(``--backbone-weights runs/compact``). See :mod:`geoglot.recipes.lavt_dubai_small`.
"""

from dataclasses import replace

from geoglot.recipes.lavt_dubai_small import RECIPE as LAVT

RECIPE = replace(LAVT, method="lstm_cnn", config={"foreground_weight": 3.0}, learning_rate=3e-3)
