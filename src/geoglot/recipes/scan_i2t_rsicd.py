"""SCAN, regions attend to words, on RSICD with ResNet-18, as the remote-sensing tables have it.

Launch: ``geoglot train scan_i2t_rsicd --backbone-weights FILE.safetensors``, on a GPU;
the paper starts from ImageNet's weights.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("scan", {"datasets": ("rsicd",), "config": {"variant": "i2t"}})
