"""Swin, BERT and XLM-R give what timm and transformers give, from the same small checkpoints in their own layouts.

The recorded numbers are those of timm 1.0.31 and transformers 5.23.0 with torch 2.13.0; where they are installed, they
are asked again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from published_networks import SWIN, SWIN_SIZE, TEXT, TOKENS, digest, filled, picture, reference
from torch import Tensor

from geoglot.nn.bert import Bert, BertSizes, bert_weights
from geoglot.nn.swin import Swin, SwinSizes, swin_weights

PATCHES = [-0.06652, 1.1598, 0.73533, -1.34248, 1.05302]
STAGES = [
    [-0.17151, 6.333, -4.8897, -2.72331, 3.02121],
    [-1.37939, 21.21962, -9.00289, -5.42274, -0.38964],
]
WORDS = {
    "bert": [0.06866, 0.96724, -0.37777, -1.37994, 0.19308],
    "xlm-roberta": [0.06726, 0.99572, 0.27409, -1.47302, 1.12346],
}
SIZES = {
    "bert": BertSizes(**TEXT, positions=12),
    "xlm-roberta": BertSizes(**TEXT, positions=14, segments=1, padding=1, epsilon=1e-5),
}


def swin_in_timms_layout() -> dict[str, Tensor]:
    """Names of timm: merges belong to the stage behind them; a last norm and a classifier."""
    own = Swin(SwinSizes(**SWIN), norms=False).state_dict()
    state = {name.replace("layers.0.downsample.", "layers.1.downsample."): tensor for name, tensor in own.items()}
    state |= {"norm.weight": torch.ones(32), "norm.bias": torch.ones(32), "head.fc.weight": torch.ones(5, 32)}
    return filled(state)


@torch.no_grad()
def stages(weights: dict[str, Tensor]) -> list[Tensor]:
    """Patches and both stages, before their norms."""
    swin = Swin(SwinSizes(**SWIN), norms=False).eval()
    swin.load_state_dict(swin_weights(weights, depths=SWIN["depths"]))
    features = swin.patches(picture())
    found = [features]
    for number in range(2):
        features = swin.stage(number, features)
        found.append(features)
        if number == 0:
            features = swin.merge(number, features)
    return found


def test_swin_gives_what_timm_gave() -> None:
    for found, recorded in zip(stages(swin_in_timms_layout()), [PATCHES, *STAGES], strict=True):
        assert digest(found) == pytest.approx(recorded, abs=5e-4)


def test_swin_in_the_authors_layout() -> None:
    """The same numbers under the other names, with what a checkpoint for detection holds besides."""
    timms = swin_in_timms_layout()
    authors = {
        f"backbone.{name.replace('layers.1.downsample.', 'layers.0.downsample.')}": tensor
        for name, tensor in timms.items()
    }
    authors["backbone.layers.0.blocks.1.attn_mask"] = torch.zeros(30, 16, 16)
    authors["backbone.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)
    for one, two in zip(stages(timms), stages(authors), strict=True):
        assert torch.equal(one, two)


def test_swin_is_timms() -> None:
    timm = reference("timm")
    theirs = timm.models.swin_transformer.SwinTransformer(
        img_size=SWIN_SIZE, embed_dim=16, depths=(2, 2), num_heads=(2, 4), window_size=4, num_classes=5
    ).eval()
    theirs.load_state_dict(filled(theirs.state_dict()))
    assert {name: tensor.shape for name, tensor in theirs.state_dict().items() if "head" not in name} == {
        name: tensor.shape for name, tensor in swin_in_timms_layout().items() if "head" not in name
    }
    found = stages(theirs.state_dict())
    with torch.no_grad():
        features = theirs.patch_embed(picture())
        for ours, layer in zip(found[1:], theirs.layers, strict=True):
            features = layer(features)
            assert torch.allclose(ours, features, atol=1e-5)


def encoder_weights(kind: str) -> dict[str, Tensor]:
    """In the layout of transformers, without a prefix; the pooler is there."""
    state = Bert(SIZES[kind]).state_dict()
    return filled({**state, "pooler.dense.weight": torch.ones(16, 16), "pooler.dense.bias": torch.ones(16)})


@torch.no_grad()
def words(kind: str, weights: dict[str, Tensor]) -> Tensor:
    """Vectors of the real tokens."""
    encoder = Bert(SIZES[kind]).eval()
    encoder.load_state_dict(bert_weights(weights))
    tokens = torch.tensor(TOKENS)
    found: Tensor = encoder(tokens)[tokens != 0]
    return found


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_words_are_what_transformers_gave(kind: str) -> None:
    assert digest(words(kind, encoder_weights(kind))) == pytest.approx(WORDS[kind], abs=1e-4)


@pytest.mark.parametrize(("kind", "prefix"), [("bert", "bert."), ("xlm-roberta", "roberta.")])
def test_words_of_a_masked_language_model(kind: str, prefix: str, tmp_path: Path) -> None:
    """The layout that is published: a prefix, heads, and in old files other names of norms."""
    from safetensors.torch import load_file, save_file

    plain = encoder_weights(kind)
    old = {
        prefix + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in plain.items()
    }
    old |= {"cls.predictions.bias": torch.ones(40), f"{prefix}embeddings.position_ids": torch.arange(12)[None]}
    save_file(old, tmp_path / "model.safetensors")
    assert torch.equal(words(kind, load_file(tmp_path / "model.safetensors")), words(kind, plain))


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_words_are_those_of_transformers(kind: str) -> None:
    transformers = reference("transformers")
    settings: dict[str, Any] = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": SIZES[kind].positions,
    }
    tokens = torch.tensor(TOKENS)
    if kind == "bert":
        theirs = transformers.BertModel(transformers.BertConfig(**settings)).eval()
        asked = tokens
    else:
        settings |= {"type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
        theirs = transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**settings)).eval()
        asked = torch.where(tokens == 0, 1, tokens)
    theirs.load_state_dict(filled(theirs.state_dict()))
    with torch.no_grad():
        expected = theirs(input_ids=asked, attention_mask=(tokens != 0).long()).last_hidden_state[tokens != 0]
    assert torch.allclose(words(kind, theirs.state_dict()), expected, atol=1e-5)


def test_published_sizes_are_counted() -> None:
    """On shapes alone. BERT-base has 109,482,240 with its pooler of 768 * 768 + 768; XLM-R base 278,043,648."""
    with torch.device("meta"):
        bert, multilingual = (
            Bert(BertSizes()),
            Bert(BertSizes(vocabulary=250_002, positions=514, segments=1, padding=1)),
        )
        swin = Swin(SwinSizes())
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in (bert, multilingual, swin)]
    assert counts[0] == 109_482_240 - 590_592 == 108_891_648
    assert counts[1] == 278_043_648 - 590_592
    # timm counts 87,903,584 in swin_base_patch4_window12_384: less the classifier of 1,025,000 and a norm of 2,048, and
    # with four output norms, 2 * (128 + 256 + 512 + 1024)
    assert counts[2] == 87_903_584 - 1_025_000 - 2_048 + 3_840 == 86_880_376


def test_only_first_blocks_of_a_frozen_encoder_learn() -> None:
    encoder = Bert(SIZES["bert"])
    encoder.freeze(1)
    trained = {name.split(".layer.")[-1].split(".")[0] for name, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {"0"}
