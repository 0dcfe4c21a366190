"""HVSA: the derived total, its weights and its uniformity by nested loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from geoglot.methods.retrieval import hvsa
from geoglot.nn.batch import PairBatch


def model(**overrides: object) -> hvsa.Model:
    torch.manual_seed(0)
    return hvsa.Model(hvsa.Config(**{**hvsa.SMALL, **overrides}))  # type: ignore[arg-type]


def batch(count: int, progress: float = 0.0) -> PairBatch:
    generator = torch.Generator().manual_seed(1)
    empty = torch.zeros(count, 0)
    return PairBatch(
        images=empty,
        pyramid=(*(torch.zeros(count, c, 0, 0) for c in (8, 12, 16)), torch.rand(count, 24, 3, 3, generator=generator)),
        items=torch.arange(count),
        tokens=torch.randint(1, 40, (count, 6), generator=generator),
        sentences=torch.arange(count),
        translations=torch.zeros(0, 2, dtype=torch.int64),
        categories=torch.zeros(count, dtype=torch.int64),
        words=empty,
        progress=progress,
    )


def test_total_of_the_released_code() -> None:
    # ResNet-18 with classifier 11,689,512; words 837,000; uni-skip 21,751,200; Linear(2400, 512) 1,229,312; attention
    # 262,656 + 2 x 32,768 + 262,144 + 1,024; Linear(512, 512) 262,656; balance 128 + 8,192 + 256 + 2.
    attention = 262_656 + 2 * 32_768 + 262_144 + 1_024
    by_hand = 11_689_512 + 837_000 + 21_751_200 + 1_229_312 + attention + 262_656 + 8_578
    for variant in hvsa.METHOD.variants:
        assert hvsa.paper_parameters(variant) == by_hand == 36_369_618


@pytest.mark.parametrize("easiness", [0.0, 0.5, 3.0])
def test_weighted_hinge_by_nested_loops(easiness: float) -> None:
    scores = torch.rand(5, 5, generator=torch.Generator().manual_seed(2))
    rows, columns = hvsa.easy_first(scores, margin=0.2, easiness=easiness, fixed=True)
    for one in range(5):
        row = column = 0.0
        for other in set(range(5)) - {one}:
            cost = max(0.0, 0.2 + float(scores[one, other] - scores[one, one]))
            row += math.exp(-easiness * cost) * cost
            cost = max(0.0, 0.2 + float(scores[other, one] - scores[one, one]))
            column += math.exp(-easiness * cost) * cost
        assert float(rows[one]) == pytest.approx(row, abs=1e-6)
        assert float(columns[one]) == pytest.approx(column, abs=1e-6)


def test_fixed_weights_change_the_gradient_alone() -> None:
    # d/dc of e^-c c is e^-c (1 - c) with the weight in the graph, e^-c without. c = 0.2 + 0.6 - 0 = 0.8.
    slopes = {}
    for fixed in (True, False):
        scores = torch.tensor([[0.0, 0.6], [-9.0, 0.6]], requires_grad=True)
        row = hvsa.easy_first(scores, margin=0.2, easiness=1.0, fixed=fixed)[0][0]
        slopes[fixed] = float(torch.autograd.grad(row, scores)[0][0, 1])
    assert slopes[True] == pytest.approx(math.exp(-0.8), abs=1e-6)
    assert slopes[False] == pytest.approx(math.exp(-0.8) * 0.2, abs=1e-6)


def test_uniformity_by_nested_loops() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(3)), dim=1)
    expected = [
        sum(math.exp(-2 * float((one - other).square().sum())) for k, other in enumerate(vectors) if k != i) / 3
        for i, one in enumerate(vectors)
    ]
    assert hvsa.uniformity(vectors, 2.0).tolist() == pytest.approx(expected, abs=1e-5)
    assert hvsa.uniformity(vectors[:1], 2.0).tolist() == [0.0]


def test_the_curriculum_ends_with_the_plain_hinge() -> None:
    m = model().eval()
    with torch.no_grad():
        early, late = m.losses(batch(5, 0.0)), m.losses(batch(5, 1.0))
        scores = m.encode_image(batch(5).pyramid) @ m.encode_text(batch(5).tokens).T
    plain = hvsa.easy_first(scores, margin=0.2, easiness=0.0, fixed=True)
    assert torch.allclose(late["image_to_text"], plain[0], atol=1e-6)
    assert (early["image_to_text"] < late["image_to_text"]).all()


@pytest.mark.parametrize(("variant", "count"), [("paper", 6), ("released", 6), ("released", 3)])
def test_every_parameter_learns(variant: str, count: int) -> None:
    m = model(variant=variant).train()
    losses = m.losses(batch(count, 0.5))
    losses["total"].backward()  # type: ignore[no-untyped-call]
    assert len(losses["uniformity"]) == (count if variant == "paper" else -(-count // 5))
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in m.parameters())


def test_attention_by_the_equation() -> None:
    layer = model().entities.eval()
    features = torch.rand(2, 24, 2, 3)
    cells = (layer.before.weight[:, :, 0, 0] @ features.flatten(2)) + layer.before.bias[:, None]  # type: ignore[index]
    assert torch.equal(layer.values.weight[:, :, 0], layer.keys.weight[:, :, 0].T)
    weights: Tensor = (layer.keys.weight[:, :, 0] @ cells).exp()
    weights = weights / weights.sum(2, keepdim=True)
    weights = weights / weights.sum(1, keepdim=True)
    change = layer.after.weight[:, :, 0, 0] @ (layer.values.weight[:, :, 0] @ weights)
    expected = torch.relu(features + layer.norm(change.view_as(features)))
    assert torch.allclose(layer(features), expected, atol=1e-5)
