"""LSTM-CNN on RefSegRS as the RefSegRS paper trained its methods of convolutions: 400,000 steps of one sample each.

Adam falls from 2.5e-4 to 1e-5 over 185 epochs of 2,172 samples. The network's weights are those of ImageNet:
``--backbone-weights vgg16.safetensors`` gives them.
"""

from geoglot.engine.segmentation.recipe import SegmentationRecipe

RECIPE = SegmentationRecipe(
    method="lstm_cnn",
    datasets=("refsegrs",),
    side=512,
    iterations=400_000,
    batch=1,
    optimiser="adam",
    learning_rate=2.5e-4,
    last_rate=1e-5,
    weight_decay=5e-4,
    validate_every=4,
    watch_test=True,
)
