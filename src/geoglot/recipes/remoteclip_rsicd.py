"""RemoteCLIP's training, continued on RSICD alone; the paper's 17 datasets are the user's to bring.

Launch: ``geoglot train remoteclip_rsicd``, on a GPU. Starts from CLIP's weights by name (online) or, with
``--initial FILE.safetensors``, from a file.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("remoteclip", {"datasets": ("rsicd",), "initial": "openai"})
