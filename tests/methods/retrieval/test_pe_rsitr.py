"""PE-RSITR: 161,088 trained parameters, an adapter that starts as nothing, and its hybrid loss."""

from __future__ import annotations

from typing import Any

import torch
from test_multilanguage import batch

from geoglot.engine import composition
from geoglot.engine.launch import method_recipe
from geoglot.methods.retrieval import multilanguage, pe_rsitr
from geoglot.methods.retrieval.pe_rsitr import Config, Model, SharedAdapter, intra_modal_contrast


def small(**changes: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**pe_rsitr.SMALL, **changes})).eval()


def test_golden_parameters() -> None:
    # image 768 x 64 + 64, text 512 x 64 + 64; up 64 x 704 + 704 and 64 x 448 + 448; shared 64 x 64 + 64
    assert 49_216 + 32_832 + 45_760 + 29_120 + 4_160 == 161_088
    assert pe_rsitr.paper_parameters() == 161_088
    with torch.device("meta"):
        model = Model(Config())
    assert sum(p.numel() for p in model.parameters()) == 151_277_313 + 161_088


def test_only_the_adapter_is_trained() -> None:
    trained = [name for name, p in small().named_parameters() if p.requires_grad]
    assert trained
    assert all(name.startswith("adapter.") for name in trained)


def test_it_starts_as_the_frozen_model() -> None:
    model = small()
    sizes = {**pe_rsitr.SMALL, "pool": "cls_eot", "text_projection": True}
    for name in ("bottleneck", "adapter_dropout"):
        sizes.pop(name)
    plain = multilanguage.Model(multilanguage.Config(**sizes)).eval()
    own = {n: t for n, t in model.state_dict().items() if not n.startswith("adapter.")}
    plain.load_state_dict(own)
    given = batch([0, 1, 2])
    with torch.no_grad():
        assert torch.equal(model.encode_image(given.images), plain.encode_image(given.images))
        assert torch.equal(model.encode_text(given.tokens), plain.encode_text(given.tokens))


def test_the_adapter_by_hand() -> None:
    adapter = SharedAdapter({"image": 3, "text": 2}, 1, dropout=0.5).eval()
    with torch.no_grad():
        adapter.down["image"].weight.copy_(torch.tensor([[1.0, 2.0, -1.0]]))
        adapter.up["image"].weight.copy_(torch.tensor([[2.0], [3.0]]))
        adapter.up_shared.weight.fill_(5.0)
        # (1, 1, 1) -> 1 + 2 - 1 = 2 -> (2 * 2, 3 * 2 | 5 * 2); (0, 0, 1) -> -1 -> ReLU 0
        out = adapter(torch.tensor([[[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]]]), "image")
    assert out.tolist() == [[[4.0, 6.0, 10.0], [0.0, 0.0, 0.0]]]


def test_the_adapter_reads_the_features_before_the_second_norm() -> None:
    """x <- x + MLP(LN(x)) + A(x), with x after attention: replayed block by block."""
    model = small()
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.uniform_(-0.2, 0.2)
        images = batch([0, 1]).images
        expected = model.visual.embeddings(images)
        for block in model.visual.transformer.resblocks:
            after = expected + block.attn(block.ln_1(expected), None, None)
            expected = after + block.mlp(block.ln_2(after)) + model.adapter(after, "image")
        found = model.visual.transformer(model.visual.embeddings(images), adapter=model.image_adapter)
        assert torch.allclose(found, expected, atol=1e-5)


def test_total_is_the_sum_of_three() -> None:
    model = small()
    losses = model.losses(batch([0, 1, 2]))
    assert set(losses) == {"total", "cross_modal", "image_twins", "text_twins"}
    expected = sum(losses[name].mean() for name in ("cross_modal", "image_twins", "text_twins"))
    assert torch.allclose(losses["total"], expected)


def test_twins_without_dropout_are_themselves() -> None:
    """In evaluation the augmented vectors are the clean ones: the loss is that of a batch against itself."""
    model = small()
    given = batch([0, 1, 2])
    vectors = model.encode_image(given.images)
    expected = intra_modal_contrast(vectors, vectors, model.scale)
    assert torch.allclose(model.losses(given)["image_twins"], expected, atol=1e-5)
    model.train()
    assert not torch.allclose(model.losses(given)["image_twins"], expected, atol=1e-5)


def test_a_run_of_the_multilanguage_transformer_is_its_start() -> None:
    changes = {"channels": (8, 12, 16, 24), "vocabulary": 40}
    torch.manual_seed(1)
    run = multilanguage.Model(multilanguage.Config(**{**multilanguage.LEADERBOARD, **changes}))
    method, sizes = pe_rsitr.LEADERBOARD_AFTER
    assert method == "multilanguage"
    model = Model(Config(**{**sizes, **changes}))
    left = composition.start_from(model, run.state_dict())
    assert left
    assert all(name.startswith("adapter.") for name in left)
    for name, tensor in run.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    method_recipe("pe_rsitr", {"datasets": ("rsicd",)})
