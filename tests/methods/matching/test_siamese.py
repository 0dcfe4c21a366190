"""What is the Siamese network's own: distances, the contrastive loss, one branch for both images."""

from __future__ import annotations

import torch

from geoglot.methods.matching.siamese import SMALL, Config, Model, contrast, distance_logits, distances


def small() -> Model:
    torch.manual_seed(0)
    return Model(Config(**SMALL))


def test_contrast_by_hand() -> None:
    """Margin 2. Match at 1: 1/2. No match at 1: (2-1)^2/2 = 1/2. At 0: 2. At the margin and beyond: 0."""
    found = torch.tensor([1.0, 1.0, 0.0, 2.0, 5.0])
    same = torch.tensor([True, False, False, False, False])
    assert contrast(found, same, margin=2.0).tolist() == [0.5, 0.5, 2.0, 0.0, 0.0]


def test_contrast_pulls_matches_and_pushes_others_inside_the_margin_only() -> None:
    found = torch.tensor([0.5, 0.5, 1.5], requires_grad=True)
    contrast(found, torch.tensor([True, False, False]), margin=1.0).sum().backward()
    assert found.grad is not None
    assert found.grad.tolist() == [0.5, -0.5, 0.0]


def test_distances_have_a_slope_at_zero() -> None:
    vectors = torch.ones(2, 3, requires_grad=True)
    distances(vectors, vectors.detach()).sum().backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_nearer_is_likelier_and_half_the_margin_is_even() -> None:
    logits = distance_logits(torch.linspace(0, 3, 7), margin=2.0)
    assert (logits.diff() < 0).all()
    assert distance_logits(torch.tensor([1.0]), margin=2.0) == 0


@torch.no_grad()
def test_one_branch_serves_both_images() -> None:
    model = small().eval()
    first, second = torch.randn(2, 4, *model.feature_shape)
    assert torch.equal(model.left(first), model.right(first))
    assert torch.equal(model.match(first, second), model.match(second, first))
    assert (model.match(first, first) > 0.98).all()


@torch.no_grad()
def test_the_loss_is_that_of_the_distances_of_both_branches() -> None:
    model = small().eval()
    first, second = torch.randn(2, 4, *model.feature_shape)
    same = torch.tensor([True, False, True, False])
    expected = contrast(distances(model.left(first), model.left(second)), same, model.config.margin)
    losses = model.pair_losses(first, second, same)
    assert torch.allclose(losses["contrast"], expected, atol=1e-6)
    assert torch.allclose(losses["total"], expected.mean())


def test_vectors_of_features_given_from_elsewhere() -> None:
    torch.manual_seed(0)
    model = Model(Config(features=(20, 1, 1), embedding=7))
    assert model.left(torch.randn(3, 20, 1, 1)).shape == (3, 7)
