"""BRINet on RefSegRS, 320 pixels, see :mod:`geoglot.recipes.lstm_cnn_refsegrs`; its network is ResNet-101."""

from dataclasses import replace

from geoglot.recipes.lstm_cnn_refsegrs import RECIPE as LSTM_CNN

RECIPE = replace(LSTM_CNN, method="brinet", side=320)
