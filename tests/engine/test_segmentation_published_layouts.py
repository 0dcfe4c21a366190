"""Weights that a segmentation method starts from: published layouts in local files, and a run's own backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from geoglot.core import registry
from geoglot.core.errors import DataError, UsageError
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.engine.segmentation.weights import start_from_weights
from geoglot.nn.backbone import build_backbone
from geoglot.nn.bert import Bert
from geoglot.nn.segmenter import Segmenter
from geoglot.nn.swin import Swin

BERT: dict[str, Any] = {"text": "bert", "text_layers": 3, "trained_text_layers": 2}


def build(name: str, **more: Any) -> Segmenter:
    torch.manual_seed(0)
    module = registry.load("geoglot.methods.segmentation", name)
    model: Segmenter = module.Model(module.Config(**{**module.SMALL, "vocabulary": 12, "max_length": 8, **more}))
    return model


def random_like(part: torch.nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor
        for name, tensor in part.state_dict().items()
    }


def part_of(model: Segmenter, kind: type[Any]) -> Any:
    return next(part for part in model.modules() if isinstance(part, kind))


def equal(model: torch.nn.Module, expected: dict[str, Tensor], *, without: tuple[str, ...] = ()) -> bool:
    state = model.state_dict()
    return all(torch.equal(state[name], tensor) for name, tensor in expected.items() if not name.startswith(without))


@pytest.mark.parametrize("name", ["lavt", "lgce"])
@pytest.mark.parametrize("layout", ["timm", "authors", "detection"])
def test_swin_from_a_local_file(name: str, layout: str, tmp_path: Path) -> None:
    model = build(name)
    wanted = {n: t for n, t in random_like(part_of(model, Swin)).items() if not n.startswith("norm")}
    stored = {}
    for found, tensor in wanted.items():
        if layout == "timm" and ".downsample." in found:
            _, stage, rest = found.split(".", 2)
            found = f"layers.{int(stage) + 1}.{rest}"
        stored["backbone." + found if layout == "detection" else found] = tensor
    stored |= {"norm.weight": torch.ones(64), "norm.bias": torch.ones(64), "head.fc.weight": torch.ones(5, 64)}
    save_file(stored, tmp_path / "swin.safetensors")
    if layout == "detection":
        stored = {n: t for n, t in stored.items() if n.startswith("backbone.")}
        save_file(stored, tmp_path / "swin.safetensors")
    recipe = SegmentationRecipe(method=name, backbone_weights=str(tmp_path / "swin.safetensors"))
    told = start_from_weights(model, recipe)
    assert equal(part_of(model, Swin), wanted)
    assert told["picture"]["source"] == "swin.safetensors"
    assert len(told["picture"]["sha256"]) == 64
    assert told["text"] is None


@pytest.mark.parametrize(("kind", "prefix"), [("bert", "bert."), ("xlm-roberta", "roberta."), ("bert", "")])
def test_words_from_a_local_file(kind: str, prefix: str, tmp_path: Path) -> None:
    model = build("lavt", **{**BERT, "text": kind})
    wanted = random_like(part_of(model, Bert))
    stored = {prefix + name: tensor for name, tensor in wanted.items()}
    stored |= {f"{prefix}pooler.dense.weight": torch.ones(8, 8), "lm_head.bias": torch.ones(12)}
    save_file(stored, tmp_path / "model.safetensors")
    start_from_weights(model, SegmentationRecipe(method="lavt", text_weights=str(tmp_path)))
    assert equal(part_of(model, Bert), wanted)


@pytest.mark.parametrize(("name", "more"), [("conv_lstm", {}), ("lavt", {"visual": "compact"})])
def test_compact_backbone_of_a_run(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    """Convolutional methods, and the others where they take the compact network."""
    channels = (8, 12, 12, 16)
    model = build(name, **more, channels=channels)
    wanted = random_like(build_backbone("compact", channels=channels))
    save_file({f"backbone.{n}": t for n, t in wanted.items()}, tmp_path / "backbone.safetensors")
    start_from_weights(model, SegmentationRecipe(method=name, backbone_weights=str(tmp_path)))
    found = part_of(model, type(build_backbone("compact")))
    assert equal(found, {n: t for n, t in wanted.items() if not n.endswith("num_batches_tracked")})


def test_weights_of_another_size_are_named(tmp_path: Path) -> None:
    stored = {n: t for n, t in random_like(part_of(build("lavt", embed=16), Swin)).items() if not n.startswith("norm")}
    save_file(stored, tmp_path / "swin.safetensors")
    recipe = SegmentationRecipe(method="lavt", backbone_weights=str(tmp_path / "swin.safetensors"))
    with pytest.raises(DataError, match="does not fit"):
        start_from_weights(build("lavt"), recipe)


def test_own_words_take_no_published_weights(tmp_path: Path) -> None:
    recipe = SegmentationRecipe(method="lavt", text_weights=str(tmp_path))
    with pytest.raises(UsageError, match="published encoder of words"):
        start_from_weights(build("lavt"), recipe)
