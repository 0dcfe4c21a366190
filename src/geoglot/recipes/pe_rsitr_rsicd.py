"""PE-RSITR on RSICD: a frozen CLIP and an adapter of 161,088 parameters.

Launch: ``geoglot train pe_rsitr_rsicd``, on a GPU. Starts from CLIP's weights by name (online) or, with
``--initial FILE.safetensors``, from a file.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("pe_rsitr", {"datasets": ("rsicd",), "initial": "openai"})
