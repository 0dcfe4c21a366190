"""Embeddings equal to open_clip's own forward, from the same small random checkpoints, down to 1e-5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip_reference import filled, open_clip

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import pretrained
from geoglot.methods.retrieval import multilanguage
from geoglot.text.clip_tokens import ClipTokenizer

SIZES: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 128, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 60, "width": 64, "heads": 2, "layers": 2},
}
OURS: dict[str, Any] = {"text_heads": 2, "pool": "cls_eot", "text_projection": True, "markers": True}


def clip(*, quick_gelu: bool) -> torch.nn.Module:
    """A small open_clip model with random weights."""
    torch.manual_seed(1)
    model: torch.nn.Module = open_clip().CLIP(**SIZES, quick_gelu=quick_gelu)
    model.load_state_dict(filled(model.state_dict()))
    return model.eval()


def tokens() -> torch.Tensor:
    """Start 58, words, end 59 (the largest id), padding."""
    rows = [[58, 3, 17, 40, 59], [58, 59], [58, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 59]]
    return torch.tensor([row + [0] * (12 - len(row)) for row in rows])


@pytest.mark.parametrize("quick_gelu", [True, False])
@pytest.mark.parametrize("layout", ["top level", "custom text", "in a file"])
def test_embeddings_are_open_clips(quick_gelu: bool, layout: str, tmp_path: Path) -> None:
    theirs = clip(quick_gelu=quick_gelu)
    state = theirs.state_dict()
    if layout == "custom text":
        state = {n if n.startswith(("visual.", "logit")) else f"text.{n}": t for n, t in state.items()}
    if layout == "in a file":
        from safetensors.torch import save_file

        save_file(state, tmp_path / "small.safetensors")
        found = pretrained.read(str(tmp_path / "small.safetensors"))
        sizes, state = found.sizes, dict(found.tensors)
    else:
        sizes = pretrained.sizes_of(state, subject="small")
    model = multilanguage.Model(multilanguage.Config(**{**sizes, **OURS, "quick_gelu": quick_gelu})).eval()
    model.load_state_dict(state)
    pictures = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    normalised = (pictures - model.visual.mean) / model.visual.deviation
    with torch.no_grad():
        assert_close(model.encode_image(pictures), theirs.encode_image(normalised, normalize=True))
        assert_close(model.encode_text(tokens()), theirs.encode_text(tokens(), normalize=True))
        assert_close(model.scale, theirs.logit_scale.exp())


def test_multilingual_embeddings_are_open_clips() -> None:
    transformers = pytest.importorskip("transformers")
    module = open_clip()
    theirs = multilingual(module, transformers)
    state = theirs.state_dict()
    sizes = pretrained.sizes_of(state, subject="small")
    assert sizes["text"] == "xlm-roberta"
    assert sizes["max_length"] == 20
    config = multilanguage.Config(**{**sizes, "text_heads": 2, "pool": "cls_eot", "quick_gelu": False})
    model = multilanguage.Model(config).eval()
    pretrained.initialise(model, pretrained.Checkpoint(source="small", tensors=state, sizes=sizes))
    # Theirs: start 0, end 2, padding 1. Ours: start 1, end 2, padding 0.
    their_tokens = torch.tensor([[0, 9, 30, 7, 2, 1, 1], [0, 5, 2, 1, 1, 1, 1], [0, 3, 4, 5, 6, 7, 2]])
    our_tokens = torch.where(their_tokens < 2, 1 - their_tokens, their_tokens)
    with torch.no_grad():
        assert_close(model.encode_text(our_tokens), theirs.encode_text(their_tokens, normalize=True))
        narrow = model.encode_text(our_tokens[1:2, :3])
        assert_close(narrow, model.encode_text(our_tokens)[1:2])


def multilingual(module: Any, transformers: Any) -> torch.nn.Module:
    """open_clip's two towers with a small XLM-R text side."""
    config = transformers.XLMRobertaConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=22,
        type_vocab_size=1,
        pad_token_id=1,
        layer_norm_eps=1e-5,
    )
    small = {**SIZES, "text_cfg": {"context_length": 12, "vocab_size": 60, "width": 64, "heads": 2, "layers": 2}}
    model = module.CustomTextCLIP(**small)
    text = module.hf_model.HFTextEncoder("", output_dim=24, config=config, pooler_type="mean_pooler", proj_type="mlp")
    model.text = text
    state = {name: tensor for name, tensor in model.state_dict().items() if "pooler" not in name}
    model.load_state_dict(filled(state), strict=False)
    text.transformer.pooler = None
    return model.eval()


def test_parameters_of_named_models_are_open_clips() -> None:
    module = open_clip()
    for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14"):
        with torch.device("meta"):
            theirs = sum(p.numel() for p in module.CLIP(**module.get_model_config(name)).parameters())
            sizes = pretrained.sizes_of_open_clip(module.get_model_config(name), subject=name)
            model = multilanguage.Model(multilanguage.Config(**sizes))
        assert sum(p.numel() for p in model.parameters()) == theirs


def test_tokens_are_open_clips() -> None:
    open_clip()
    from open_clip.tokenizer import SimpleTokenizer

    theirs = SimpleTokenizer()
    ours = ClipTokenizer.installed()
    assert ours.size == theirs.vocab_size == 49_408
    texts = [
        "Many planes are parked beside the terminal, don't you see?!",
        "plusieurs réservoirs de stockage près d’une rivière",
        "طائرات كثيرة متوقفة بجانب المبنى",
        "un porto con molte barche & 12 navi   bianche.",
        "it's 50% &amp; rising ... #tags @home",
        "“quoted” ﬁelds",
        "a word " * 60,
        "",
    ]
    rows = ours.encode(texts)
    assert (rows == theirs(texts).numpy()).all()  # both 77 wide: one of the texts is longer


def test_names_are_downloaded_or_the_error_is_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is the only part that is replaced."""
    module = open_clip()
    from safetensors.torch import save_file

    model = module.CLIP(**{**SIZES, "text_cfg": {**SIZES["text_cfg"]}})
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    asked = []

    def download(entry: dict[str, Any]) -> str:
        asked.append(entry)
        return str(tmp_path / "weights.safetensors")

    monkeypatch.setattr(module.pretrained, "download_pretrained", download)
    found = pretrained.read("openai")
    assert "openai" in str(asked[0])
    assert found.sizes["quick_gelu"] is True
    assert (found.sizes["vision_heads"], found.sizes["text_heads"]) == (12, 8)
    assert pretrained.read("laion").sizes["quick_gelu"] is False
    monkeypatch.setattr(module.pretrained, "download_pretrained", lambda entry: str(tmp_path / "weights.pt"))
    with pytest.raises(DataError, match="never loaded"):
        pretrained.read("openai")

    def offline(entry: dict[str, Any]) -> str:
        raise OSError("no network")

    monkeypatch.setattr(module.pretrained, "download_pretrained", offline)
    with pytest.raises(DataError, match="cannot be downloaded"):
        pretrained.read("openai")
    with pytest.raises(UsageError, match="no weights 'nobody'"):
        pretrained.read("ViT-B-32:nobody")
    with pytest.raises(UsageError, match="no model 'ViT-Z'"):
        pretrained.read("ViT-Z:openai")


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), atol=1e-5)
