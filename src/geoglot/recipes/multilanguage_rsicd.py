"""Multilanguage Transformer on RSICD: all hyper-parameters from the paper, four languages in training.

Launch: ``geoglot train multilanguage_rsicd``, on a GPU; ``--languages ar`` is the single-language regime in Arabic.
Starts from CLIP's weights by name (online) or, with
``--initial FILE.safetensors``, from a file.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("multilanguage", {"datasets": ("rsicd",), "initial": "openai"})
