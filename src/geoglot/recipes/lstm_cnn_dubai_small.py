"""LSTM-CNN on the Dubai benchmark, trained as LAVT is and from nothing too, so that the methods compare.

With errors in the foreground counted once it marks no pixel of the validation part after 300 steps at 128 pixels; they
count three times, and the rate is three times that of LAVT. With 1,200 steps at 128 pixels it came to an mIoU of 0.34
on the validation part (two seeds). See :mod:`geoglot.recipes.lavt_dubai_small`.
"""

from dataclasses import replace

from geoglot.recipes.lavt_dubai_small import RECIPE as LAVT

RECIPE = replace(LAVT, method="lstm_cnn", config={"foreground_weight": 3.0}, learning_rate=3e-3)
