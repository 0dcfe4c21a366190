"""AMFMN-soft on RSITMD with ResNet-18, as the remote-sensing tables have it, at this set's own learning rate.

Launch: ``geoglot train amfmn_soft_rsitmd --backbone-weights FILE.safetensors``, on a GPU;
the paper starts from ImageNet's weights.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe(
    "amfmn", {"datasets": ("rsitmd",), "config": {"attention": "soft"}, "optimiser": {"learning_rate": 2e-4}}
)
