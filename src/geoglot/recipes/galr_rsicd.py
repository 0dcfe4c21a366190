"""GaLR on RSICD with ResNet-18, as the remote-sensing tables have it.

Launch: ``geoglot train galr_rsicd --backbone-weights FILE.safetensors``, on a GPU;
the paper starts from ImageNet's weights.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("galr", {"datasets": ("rsicd",)})
