"""VSE++ on RSICD with ResNet-18, as the remote-sensing tables have it.

Launch: ``geoglot train vse_plus_plus_rsicd --backbone-weights FILE.safetensors``, on a GPU;
the paper starts from ImageNet's weights.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("vse_plus_plus", {"datasets": ("rsicd",)})
