"""RemoteCLIP and GeoRSCLIP: CLIP's sizes and pooling, and their recipes."""

from __future__ import annotations

import torch

from geoglot.engine.launch import method_recipe
from geoglot.methods.retrieval import georsclip, remoteclip


def test_sizes_of_published_models() -> None:
    # Of ViT-L/14 the papers quote 304 M for the vision side, of ViT-B/32 87 M.
    assert remoteclip.paper_parameters("vit-b-32") == georsclip.paper_parameters("vit-b-32") == 151_277_313
    assert remoteclip.paper_parameters("vit-l-14") == 427_616_513
    assert georsclip.paper_parameters("vit-h-14") == 986_109_441
    with torch.device("meta"):
        large = remoteclip.Model(remoteclip.Config(**remoteclip.SIZES["vit-l-14"]))
    assert round(sum(p.numel() for p in large.visual.parameters()) / 1e6) == 304


def test_pooling_is_clips_own() -> None:
    for method in (remoteclip, georsclip):
        config = method.Config()
        assert config.pool == "cls_eot"
        assert config.text_projection
    assert georsclip.Config().quick_gelu
    assert not remoteclip.Config().quick_gelu


def test_recipes_are_recipes() -> None:
    recipe = method_recipe("remoteclip", {"datasets": ("rsicd",)})
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate, recipe.batch) == ("adam", 4e-5, 256)
    recipe = method_recipe("georsclip", {"datasets": ("rsicd",)})
    assert (recipe.optimiser.learning_rate, recipe.optimiser.weight_decay, recipe.batch) == (1e-6, 0.5, 700)
