"""What is the residual-dyad method's own: its loss, its variants, given features, pairs in both orders."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from geoglot.core.errors import UsageError
from geoglot.methods.matching import residual_dyad, siamese
from geoglot.methods.matching.residual_dyad import (
    SMALL,
    VARIANTS,
    Config,
    Model,
    cross_entropy,
    match_logits,
    printed_cross_entropy,
    reconstruction_errors,
)
from geoglot.nn.dyad import ResizedIdentity

SAME = torch.tensor([True, False, False])


def small(**overrides: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, **overrides}))


def test_cross_entropy_by_hand() -> None:
    """p = 3/4 at a logit of log 3: a match costs -log 3/4, no match -log 1/4."""
    logits = torch.full((2,), math.log(3))
    expected = torch.tensor([-math.log(3 / 4), -math.log(1 / 4)])
    assert torch.allclose(cross_entropy(logits, torch.tensor([True, False])), expected)


def test_cross_entropy_of_the_logit_is_that_of_the_softmax() -> None:
    outputs = torch.randn(3, 2)
    expected = nn.functional.cross_entropy(outputs, SAME.long(), reduction="none")
    assert torch.allclose(cross_entropy(match_logits(outputs), SAME), expected, atol=1e-6)


def test_cross_entropy_stays_finite_where_the_network_is_sure() -> None:
    for logits in (torch.full((3,), 1e4), torch.full((3,), -1e4)):
        assert torch.isfinite(cross_entropy(logits, SAME)).all()


def test_the_printed_loss_is_least_where_the_answer_is_always_match() -> None:
    """Descended, it ends at 'match' for all pairs and costs nothing there; the whole cross-entropy does not."""
    ends = {}
    for name, loss in (("printed", printed_cross_entropy), ("whole", cross_entropy)):
        bias = torch.zeros(1, requires_grad=True)
        optimiser = torch.optim.SGD([bias], 5.0)
        for _ in range(400):
            optimiser.zero_grad()
            loss(bias.expand(3), SAME).mean().backward()
            optimiser.step()
        ends[name] = float(torch.sigmoid(bias.detach()))
    always = torch.full((3,), 50.0)
    assert printed_cross_entropy(always, SAME).sum() < 1e-20
    assert ends["printed"] > 0.99
    # A single number for all pairs can do no better than the share of matches, 1/3.
    assert math.isclose(ends["whole"], 1 / 3, abs_tol=1e-3)
    answers = torch.tensor([4.0, -4.0, -4.0])
    assert printed_cross_entropy(always, SAME).sum() < printed_cross_entropy(answers, SAME).sum()
    assert cross_entropy(always, SAME).sum() > cross_entropy(answers, SAME).sum()


def test_reconstruction_errors_by_hand() -> None:
    """One of 12 values is off by 0.6: 0.36 / 12 = 0.03. A norm would be 0.6."""
    images = torch.zeros(2, 3, 2, 2)
    restored = images.clone()
    restored[1, 2, 0, 1] = 0.6
    assert torch.allclose(reconstruction_errors(images, restored), torch.tensor([0.0, 0.03]))


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_variants_are_the_four_cells_of_the_first_table(variant: str) -> None:
    model = small(**VARIANTS[variant])
    plain = {name for name, module in model.named_modules() if isinstance(module, ResizedIdentity)}
    assert any(name.startswith(("encoder", "decoder")) for name in plain) == ("ResAE" in variant)
    assert any(name.startswith("discriminator") for name in plain) == ("ResDML" in variant)


def test_variants_differ_in_shortcuts_only() -> None:
    """ResAE has every parameter of ResDyadAE but those of the convolutions H."""
    dyads, plain = (
        dict(small(**VARIANTS[name]).named_parameters()) for name in ("ResDyadAE-ResDyadDML", "ResAE-ResDML")
    )
    assert set(plain) < set(dyads)
    assert all(".block_b.shortcut." in name for name in set(dyads) - set(plain))
    assert all(plain[name].shape == dyads[name].shape for name in plain)


@torch.no_grad()
def test_both_orders_are_learnt_where_symmetric() -> None:
    """In eval mode: the loss of a pair is the mean of the losses of its two orders, so it has no order itself."""
    model = small().eval()
    first, second = torch.randn(2, 3, *model.feature_shape)
    there, back = (
        cross_entropy(model.compare(model.left(a), model.right(b)), SAME) for a, b in ((first, second), (second, first))
    )
    found = model.pair_losses(first, second, SAME)
    assert torch.allclose(found["match"], (there + back) / 2, atol=1e-6)
    assert torch.allclose(found["match"], model.pair_losses(second, first, SAME)["match"], atol=1e-6)
    assert torch.allclose(found["total"], found["match"].mean())
    one_way = small(symmetric=False).eval()
    assert torch.allclose(one_way.pair_losses(first, second, SAME)["match"], there, atol=1e-6)
    assert not torch.allclose(there, back)


@pytest.mark.parametrize("shape", [(54, 1, 1), (9, 2, 2), (10, 5, 5)])
@pytest.mark.parametrize("unit", ["dyad", "residual"])
def test_given_features_need_no_encoder(shape: tuple[int, int, int], unit: str) -> None:
    model = small(features=shape, discriminator=unit)
    assert model.feature_shape == shape
    assert not any(name.startswith(("encoder", "decoder")) for name in model.state_dict())
    features = torch.randn(6, *shape)
    losses = model.train().pair_losses(features, features.flip(0), torch.arange(6) % 2 == 0)
    losses["total"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    assert model.eval().match(features, features.flip(0)).shape == (6,)
    for refused in (model.encode, model.decode, model.reconstruction_losses):
        with pytest.raises(UsageError, match="given features"):
            refused(features)


def test_vectors_can_be_learnt_to_match() -> None:
    """Vectors of three kinds, far apart: a discriminator of vectors tells pairs of unseen vectors."""
    model = small(features=(12, 1, 1), discriminator_widths=(16, 16, 8)).train()
    centres = 2 * torch.randn(3, 12)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)

    def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        kinds = torch.randint(3, (2, count))
        vectors = (centres[kinds] + 0.3 * torch.randn(2, count, 12))[..., None, None]
        return vectors[0], vectors[1], kinds[0] == kinds[1]

    for _ in range(80):
        loss = model.pair_losses(*drawn(64))["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    first, second, same = drawn(200)
    with torch.no_grad():
        answers = model.eval().match(first, second) > 0.5
    assert (answers == same).float().mean() > 0.95


@pytest.mark.parametrize(
    "overrides", [{"stem": "resnet"}, {"latent": "1x1x1024"}, {"latent": "8x8x20"}, {"shortcut": "1x1"}, {"side": 128}]
)
def test_switches_make_models_that_run(overrides: dict[str, Any]) -> None:
    model = small(**overrides).train()
    images = torch.rand(2, 3, model.side, model.side)
    features = model.encode(images)
    assert features.shape == (2, *model.feature_shape)
    total = model.reconstruction_losses(images)["total"]
    (total + model.pair_losses(features, features.flip(0), torch.tensor([True, False]))["total"]).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_paper_s_feature_shape() -> None:
    with torch.device("meta"):
        assert Model(Config()).feature_shape == (512, 8, 8)
        assert Model(Config(side=128)).feature_shape == (512, 4, 4)


def test_the_siamese_encoder_starts_from_an_autoencoder_s_weights_by_name() -> None:
    """As many encoder tensors, of the same names and shapes, and afterwards the same features."""
    autoencoder = small()
    branch = siamese.Model(siamese.Config(**siamese.SMALL))
    assert siamese.SMALL.items() >= residual_dyad.SMALL.items()
    given = {name: value for name, value in autoencoder.state_dict().items() if name.startswith("encoder.")}
    wanted = {name for name in branch.state_dict() if name.startswith("encoder.")}
    assert set(given) == wanted
    left_out = branch.load_state_dict(given, strict=False)
    assert not left_out.unexpected_keys
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(autoencoder.eval().encode(images), branch.eval().encode(images))
