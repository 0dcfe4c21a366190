"""Of the methods on CLIP's towers, beside the contract of all: cells of a backbone, ONNX, attention maps."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch
from test_retrieval_methods import CHANNELS, batch_of, one

from geoglot.core import registry
from geoglot.nn.clip_two_tower import ClipTwoTower

METHODS = ("georsclip", "multilanguage", "pe_rsitr", "remoteclip")
SMALL_RACE = {
    "vision_width": 32,
    "vision_heads": 2,
    "text_width": 32,
    "text_heads": 2,
    "dimension": 32,
    "vocabulary": 40,
    "channels": CHANNELS,
}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load("geoglot.methods.retrieval", request.param)


def race_model(method: ModuleType) -> ClipTwoTower:
    torch.manual_seed(0)
    overrides = {**(method.LEADERBOARD or {"vision": "cells", "vision_layers": 1}), **SMALL_RACE}
    if method.__name__.endswith("pe_rsitr"):
        overrides |= {"bottleneck": 16, "adapter_dropout": 0.0, "dimension": 16, "text_projection": True}
    model: ClipTwoTower = method.Model(method.Config(**overrides)).eval()
    return model


def pixel_model(method: ModuleType, **changes: object) -> ClipTwoTower:
    torch.manual_seed(0)
    model: ClipTwoTower = method.Model(method.Config(**{**method.SMALL, **changes})).eval()
    return model


def test_cells_of_any_backbone_are_an_input(method: ModuleType) -> None:
    model = race_model(method)
    assert model.image_input == "pyramid"
    assert pixel_model(method).image_input == "pixels"
    pyramid = batch_of(4).pyramid
    with torch.no_grad():
        together = model.encode_image(pyramid)
        assert torch.allclose(together.norm(dim=1), torch.ones(4), atol=1e-5)
        for row in range(4):
            assert torch.allclose(model.encode_image(one(pyramid, row)), together[row : row + 1], atol=1e-5)
        coarse = tuple(m[..., : max(m.shape[-1] // 2, 1)] for m in pyramid)
        assert model.encode_image(coarse).shape == together.shape


def test_cells_learn_one_batch(method: ModuleType) -> None:
    model = race_model(method).train()
    batch = batch_of(6)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    history = []
    for _ in range(40):
        loss = model.losses(batch)["total"]
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        optimiser.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.7 * history[0]


@pytest.mark.parametrize("towers", ["patches", "cells", "multilingual", "clip tokens"])
def test_onnx_is_torch(method: ModuleType, towers: str, tmp_path: Path) -> None:
    """Traced with two texts of 7 tokens, run with five of 5; likewise for images."""
    if towers == "cells":
        model = race_model(method)
    else:
        changes = {"multilingual": {"text": "xlm-roberta", "text_hidden": 24}, "clip tokens": {"markers": True}}
        model = pixel_model(method, **changes.get(towers, {}))
    few, many = batch_of(2), batch_of(5, seed=3)
    images = (few.images, many.images) if towers != "cells" else (few.pyramid[-1], many.pyramid[-1])
    compare(ImageSide(model), *images, tmp_path / "image.onnx", {0: "batch"})
    compare(TextSide(model), few.tokens[:2], many.tokens[:5, :5], tmp_path / "text.onnx", {0: "batch", 1: "length"})


def compare(
    graph: torch.nn.Module, example: torch.Tensor, other: torch.Tensor, path: Path, axes: dict[int, str]
) -> None:
    with warnings.catch_warnings():
        # Any TracerWarning would be a Python decision frozen into the graph: it stays an error.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            graph.eval(),
            (example,),
            str(path),
            input_names=["x"],
            output_names=["embedding"],
            dynamic_axes={"x": axes, "embedding": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for given in (example, other):
        with torch.no_grad():
            expected = graph(given).numpy()
        (found,) = session.run(None, {"x": given.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-4)


class ImageSide(torch.nn.Module):
    def __init__(self, model: ClipTwoTower) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model.encode_image(images if self.model.image_input == "pixels" else (images,))


class TextSide(torch.nn.Module):
    def __init__(self, model: ClipTwoTower) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model.encode_text(tokens)


@pytest.mark.parametrize("text", ["clip", "xlm-roberta"])
def test_attention_maps_are_the_forwards_own(method: ModuleType, text: str) -> None:
    model = pixel_model(method, text=text, text_hidden=24)
    batch = batch_of(3)
    image_maps = model.image_attention(batch.images)
    text_maps = model.text_attention(batch.tokens)
    length = batch.tokens.shape[1]
    assert [m.shape for m in image_maps] == [(3, 2, 17, 17)] * 2  # 4 x 4 patches and the class token
    assert [m.shape for m in text_maps] == [(len(batch.tokens), 2, length, length)] * 2
    for weights in (*image_maps, *text_maps):
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-5)
    above = torch.ones(length, length).triu(1).bool()
    if text == "clip":
        assert all((weights[..., above] == 0).all() for weights in text_maps)
    # The path that keeps the weights and the fused one give the same features.
    embeddings = model.visual.embeddings(batch.images)
    kept: list[torch.Tensor] = []
    with torch.no_grad():
        with_maps = model.visual.tokens(embeddings, maps=kept)
        assert torch.allclose(with_maps, model.visual.tokens(embeddings), atol=1e-5)
        words = model.text.embeddings(batch.tokens)
        with_maps = model.text.tokens(words, batch.tokens, maps=kept)
        assert torch.allclose(with_maps, model.text.tokens(words, batch.tokens), atol=1e-5)
