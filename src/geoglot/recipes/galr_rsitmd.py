"""GaLR on RSITMD with ResNet-18, as the remote-sensing tables have it, with this set's 20 epochs.

Launch: ``geoglot train galr_rsitmd --backbone-weights FILE.safetensors``, on a GPU;
the paper starts from ImageNet's weights.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("galr", {"datasets": ("rsitmd",), "epochs": 20})
