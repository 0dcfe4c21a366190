"""LW-MCR-u on RSICD, a reconstruction: what is open in the paper is told in the method's file.

Launch: ``geoglot train lw_mcr_u_rsicd --backbone-weights FILE.safetensors``, on a GPU.
"""

from geoglot.engine.launch import method_recipe

RECIPE = method_recipe("lw_mcr", {"datasets": ("rsicd",), "config": {"variant": "u"}})
