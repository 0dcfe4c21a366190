"""GeoRSCLIP, fine-tuned on RSICD.

Launch: ``geoglot train georsclip_rsicd``, on a GPU. Starts from its own published weights by name (online) or,
with ``--initial FILE.safetensors``, from a file.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("georsclip", {"datasets": ("rsicd",), "initial": "georsclip"})
