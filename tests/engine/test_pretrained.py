"""Weights to start from: recorded embeddings, layouts, and one clear error for what does not fit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip_reference import filled
from safetensors.torch import save_file

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import pretrained
from geoglot.methods.retrieval import multilanguage, pe_rsitr

SIZES: dict[str, Any] = {
    "image_size": 32,
    "patch": 16,
    "vision_width": 64,
    "vision_layers": 2,
    "vision_heads": 1,
    "vocabulary": 30,
    "max_length": 8,
    "text_width": 16,
    "text_layers": 2,
    "text_heads": 2,
    "dimension": 8,
    "markers": True,
    "pool": "cls_eot",
    "text_projection": True,
}
# open_clip 3.3.0 (torch 2.13.0): CLIP of these sizes with the weights, pictures and tokens below, normalised.
RECORDED = {
    True: (
        [
            [-0.0691449, 0.1746985, 0.3191902, 0.1627475, 0.2560164, 0.5279085, -0.6721304, -0.2008463],
            [0.5484983, 0.2583944, 0.656388, -0.1445445, 0.2869194, -0.0477353, -0.1500055, 0.2711837],
        ],
        [
            [0.4232824, -0.4238803, -0.4188249, 0.4923959, 0.414352, -0.0682236, 0.1144955, -0.1839524],
            [0.3349364, 0.0121465, -0.4452659, 0.5575622, -0.0971482, -0.5065619, -0.3347307, 0.0211019],
        ],
    ),
    False: (
        [
            [-0.0723767, 0.1748364, 0.3191484, 0.1608853, 0.2561204, 0.5261803, -0.6732919, -0.2016646],
            [0.5525615, 0.2605972, 0.6514175, -0.142328, 0.2822818, -0.0441615, -0.1534335, 0.2774668],
        ],
        [
            [0.4201087, -0.4253078, -0.4194844, 0.4903598, 0.4153033, -0.064727, 0.1184495, -0.1884278],
            [0.3304314, 0.0117643, -0.4459118, 0.5582097, -0.0987929, -0.5062409, -0.337182, 0.0225745],
        ],
    ),
}
# open_clip 3.3.0 with transformers 5.23.0: its text encoder over a small XLM-R, mean over tokens, two projections.
RECORDED_MULTILINGUAL = [
    [0.4282906, -0.185819, -0.3988872, -0.4122363, -0.1037664, -0.367319, -0.5528563, 0.0405919],
    [0.2190997, -0.4669806, -0.0434599, -0.2616221, -0.3042685, -0.0905657, -0.6979344, 0.2751281],
]


def top_level(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The layout that published checkpoints of CLIP have: the text side at top level."""
    return {name.removeprefix("text."): tensor for name, tensor in state.items()}


def small(**changes: Any) -> multilanguage.Model:
    return multilanguage.Model(multilanguage.Config(**{**SIZES, **changes})).eval()


def published() -> dict[str, torch.Tensor]:
    """A small checkpoint as open_clip writes it."""
    return filled(top_level(small().state_dict()))


def found(tensors: dict[str, torch.Tensor]) -> pretrained.Checkpoint:
    return pretrained.Checkpoint(source="small.safetensors", tensors=tensors, sizes={})


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_embeddings_recorded_from_open_clip(quick_gelu: bool) -> None:
    model = small(quick_gelu=quick_gelu)
    pretrained.initialise(model, found(published()))
    index = torch.arange(2 * 3 * 32 * 32, dtype=torch.float64)
    pictures = torch.cos(0.37 * index**2).reshape(2, 3, 32, 32).float() / 2 + 0.5
    tokens = torch.tensor([[28, 3, 17, 29, 0, 0, 0, 0], [28, 9, 8, 7, 6, 5, 4, 29]])
    images, texts = (torch.tensor(rows) for rows in RECORDED[quick_gelu])
    with torch.no_grad():
        torch.testing.assert_close(model.encode_image(pictures), images, atol=1e-5, rtol=0)
        torch.testing.assert_close(model.encode_text(tokens), texts, atol=1e-5, rtol=0)


def test_multilingual_embeddings_recorded_from_open_clip() -> None:
    model = small(text="xlm-roberta", text_hidden=24)
    state = {n.removeprefix("text."): t for n, t in model.state_dict().items() if n.startswith("text.")}
    model.text.load_state_dict(filled(state))
    # Theirs: [[0, 9, 20, 7, 2, 1, 1, 1], [0, 3, 4, 5, 6, 7, 8, 2]], padding 1, start 0; ours exchanges these two.
    tokens = torch.tensor([[1, 9, 20, 7, 2, 0, 0, 0], [1, 3, 4, 5, 6, 7, 8, 2]])
    with torch.no_grad():
        vectors = model.encode_text(tokens)
    torch.testing.assert_close(vectors, torch.tensor(RECORDED_MULTILINGUAL), atol=1e-5, rtol=0)


def test_sizes_are_read_off_the_shapes() -> None:
    sizes = pretrained.sizes_of(published(), subject="small")
    told = {name: SIZES[name] for name in sizes if name in SIZES and "heads" not in name}
    assert {name: sizes[name] for name in told} == told
    assert set(SIZES) - set(told) == {"vision_heads", "text_heads", "markers", "pool", "text_projection"}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_gives_back_its_weights(tmp_path: Path, prefix: str) -> None:
    save_file({prefix + name: tensor for name, tensor in published().items()}, tmp_path / "a.safetensors")
    checkpoint = pretrained.read(str(tmp_path / "a.safetensors"))
    model = small()
    pretrained.initialise(model, checkpoint)
    for name, tensor in top_level(model.state_dict()).items():
        assert torch.equal(tensor, published()[name]), name


def test_a_folder_of_open_clip_tells_its_heads(tmp_path: Path) -> None:
    save_file(published(), tmp_path / "open_clip_model.safetensors")
    vision = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32}
    text = {"context_length": 8, "vocab_size": 30, "width": 16, "heads": 4, "layers": 2}
    config = {"model_cfg": {"embed_dim": 8, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    sizes = pretrained.read(str(tmp_path)).sizes
    assert (sizes["vision_heads"], sizes["text_heads"], sizes["quick_gelu"]) == (2, 4, True)
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(DataError, match=r"open_clip_config\.json"):
        pretrained.read(str(tmp_path))


def test_the_first_tensor_that_does_not_fit_is_named() -> None:
    model = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = published()
    state["ln_final.weight"] = torch.zeros(17)
    with pytest.raises(DataError) as caught:
        pretrained.initialise(model, found(state))
    text = str(caught.value)
    assert "small.safetensors" in text
    assert "'text.ln_final.weight' should have the shape (16,), but has (17,)" in text
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    state = published()
    del state["visual.proj"]
    with pytest.raises(DataError, match=r"no tensor 'visual\.proj', which the model needs as \(64, 8\)"):
        pretrained.initialise(model, found(state))
    with pytest.raises(DataError, match=r"'visual\.extra' \(3,\), for which the model has no place"):
        pretrained.initialise(model, found({**published(), "visual.extra": torch.zeros(3)}))
    with pytest.raises(DataError, match=r"visual\.transformer\.resblocks\.2"):
        pretrained.initialise(small(vision_layers=3), found(published()))


def test_positions_follow_the_models_grid_and_length() -> None:
    model = small(image_size=48, max_length=6)
    pretrained.initialise(model, found(published()))
    table = published()["visual.positional_embedding"]
    assert model.visual.positional_embedding.shape == (10, 64)
    assert torch.equal(model.visual.positional_embedding[0], table[0])
    assert torch.equal(model.text.positional_embedding, published()["positional_embedding"][:6])


def test_an_adapter_keeps_its_own_values() -> None:
    config = pe_rsitr.Config(**{**SIZES, "bottleneck": 4})
    model = pe_rsitr.Model(config).eval()
    down = model.adapter.down["image"].weight.clone()
    pretrained.initialise(model, found(published()))
    assert torch.equal(model.adapter.down["image"].weight, down)
    assert torch.equal(model.visual.proj, published()["visual.proj"])


def test_other_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"pickle")
    with pytest.raises(DataError, match="never loaded") as caught:
        pretrained.read(str(tmp_path / "a.pt"))
    assert "geoglot convert-checkpoint" in caught.value.remedy
    with pytest.raises(UsageError, match="neither a file nor a known model"):
        pretrained.read("remotclip")
    with pytest.raises(DataError, match="no checkpoint"):
        pretrained.read(str(tmp_path))
    with pytest.raises(DataError, match=r"none\.safetensors"):
        pretrained.read(str(tmp_path / "none.safetensors"))
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"is no CLIP of two transformers: it has no tensor"):
        pretrained.read(str(tmp_path / "other.safetensors"))


def test_convolutional_models_of_open_clip_are_refused() -> None:
    config = {"embed_dim": 8, "vision_cfg": {"layers": [3, 4, 6, 3], "width": 64}, "text_cfg": {}}
    with pytest.raises(DataError, match="convolutional"):
        pretrained.sizes_of_open_clip(config, subject="RN50")
    with pytest.raises(DataError, match="timm_model_name"):
        pretrained.sizes_of_open_clip({**config, "vision_cfg": {"timm_model_name": "x"}}, subject="x")


def test_a_name_without_open_clip_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    for name in ("openai", "remoteclip", "ViT-L-14:openai"):
        with pytest.raises(UsageError, match="open_clip, which is not installed") as caught:
            pretrained.read(name)
        assert "safetensors" in caught.value.remedy
