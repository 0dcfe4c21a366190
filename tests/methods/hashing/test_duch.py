"""DUCH: golden parameter counts, and each equation against hand arithmetic or loops."""

from __future__ import annotations

import math

import pytest
import torch

from geoglot.methods.hashing import duch
from geoglot.nn.adversary import SideJudge, gradient_penalty
from geoglot.nn.hasher import HashBatch
from geoglot.nn.hashing import EpochCodes, nt_xent


@pytest.mark.parametrize(("bits", "count"), [(16, 5_398_560), (32, 5_529_664), (64, 5_791_872), (128, 6_316_288)])
def test_both_hash_networks_have_the_papers_size(bits: int, count: int) -> None:
    assert duch.paper_parameters(bits=bits) == count


def test_the_judge_has_the_papers_size() -> None:
    with torch.device("meta"):
        model = duch.Model(duch.Config())
    assert sum(p.numel() for p in model.adversary_parameters()) == 8_705


def nt_xent_by_loops(first: torch.Tensor, second: torch.Tensor, temperature: float, within: bool) -> list[float]:
    """SimCLR's loss row by row: everything in the denominator, the row itself (e to 1/T) taken out."""
    rows = [row / row.norm() for row in (*first, *second)]
    count = len(first)
    losses = []
    for a in range(2 * count):
        partner = (a + count) % (2 * count)
        total = 0.0
        for b in range(2 * count):
            same_side = (a < count) == (b < count)
            if b != a and (within or not same_side):
                total += math.exp(float(rows[a] @ rows[b]) / temperature)
        losses.append(math.log(total) - float(rows[a] @ rows[partner]) / temperature)
    return [losses[k] + losses[k + count] for k in range(count)]


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_nt_xent_against_loops(within: bool, temperature: float) -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    found = nt_xent(first, second, temperature=temperature, within=within)
    expected = torch.tensor(nt_xent_by_loops(first, second, temperature, within), dtype=torch.float64)
    assert torch.allclose(found, expected, atol=1e-12)


def test_nt_xent_does_not_depend_on_length() -> None:
    first, second = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(nt_xent(first, second), nt_xent(3 * first, second / 7), atol=1e-6)


def test_four_quantisations_and_balances() -> None:
    """B = (1, -1); images (0.5, -0.5): 0.25 + 0.25; views (1, 1): 4; texts (-1, -1): 4; their views equal B: 0.

    Balances: 0, 4, 4 and 0.
    """
    codes = tuple(torch.tensor([row]) for row in ([0.5, -0.5], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]))
    assert duch.four_quantisations(codes, torch.tensor([[1.0, -1.0]])).tolist() == [8.5]
    assert duch.four_balances(codes).tolist() == [8.0]
    # ((0.5 + 1)/2 + (-1 + 1)/2)/2 = 0.375 and ((-0.5 + 1)/2 + (-1 - 1)/2)/2 = -0.375
    assert duch.consensus(codes).tolist() == [[0.375, -0.375]]


def test_codes_are_random_signs_first_then_the_signs_of_the_epoch_before() -> None:
    torch.manual_seed(0)
    table = EpochCodes(3, 64)
    start = table.codes.clone()
    assert set(start.unique().tolist()) == {-1.0, 1.0}
    table.remember(torch.tensor([2, 0]), torch.cat([torch.full((1, 64), -0.1), torch.full((1, 64), 0.2)]))
    assert torch.equal(table.codes, start)
    table.refresh()
    assert (table.codes[2] == -1).all()
    assert (table.codes[0] == 1).all()
    assert torch.equal(table.codes[1], start[1])


def batch_of_eight() -> HashBatch:
    generator = torch.Generator().manual_seed(0)
    images, views, texts, text_views = torch.randn(4, 8, 10, generator=generator)
    return HashBatch(
        images=images,
        image_views=views,
        texts=texts,
        text_views=text_views,
        items=torch.arange(8),
        categories=torch.zeros(8, dtype=torch.int64),
    )


@pytest.mark.parametrize(("variant", "moved"), [("paper", "image"), ("released", "text")])
def test_which_side_is_asked_to_fool_the_judge(variant: str, moved: str) -> None:
    """The paper asks images to pass for texts; the published code pushes texts, which are the real side already."""
    torch.manual_seed(0)
    sizes = {**duch.SMALL, "image_width": 10, "variant": variant}
    model = duch.Model(duch.Config(**sizes)).train()
    fooling = model.losses(batch_of_eight())["fooling"].sum()
    for side in ("image", "text"):
        weight = getattr(model, side).hidden.weight
        (gradient,) = torch.autograd.grad(fooling, weight, retain_graph=True, allow_unused=True)
        assert (gradient is not None) == (side == moved)


def test_total_is_the_weighted_sum_over_pairs() -> None:
    torch.manual_seed(0)
    config = duch.Config(**{**duch.SMALL, "image_width": 10}, alpha=0.5, beta=0.25, gamma=0.125)
    losses = duch.Model(config).train().losses(batch_of_eight())
    expected = sum(
        weight * losses[name].sum()
        for name, weight in {"contrast": 1, "fooling": 0.5, "quantisation": 0.25, "balance": 0.125}.items()
    )
    assert torch.allclose(losses["total"], torch.as_tensor(expected))


def test_the_judge_learns_to_tell_the_sides() -> None:
    torch.manual_seed(0)
    judge = SideJudge(8)
    texts, images = torch.rand(64, 8), -torch.rand(64, 8)
    optimiser = torch.optim.Adam(judge.parameters(), lr=1e-2, betas=(0.5, 0.9))
    for _ in range(60):
        loss = duch.judge_loss(judge, texts, images, penalty=10.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    logits = judge(torch.cat([texts, images]))
    assert (logits[:64] > 0).float().mean() > 0.95
    assert (logits[64:] < 0).float().mean() > 0.95


def test_gradient_penalty_of_a_known_slope() -> None:
    """judge(x) = 3 x1 + 4 x2 has slope 5 everywhere: (5 - 1)^2 = 16."""
    judge = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        judge.weight.copy_(torch.tensor([[3.0, 4.0]]))
    found = gradient_penalty(judge, torch.randn(5, 2), torch.randn(5, 2))
    assert torch.allclose(found, torch.full((5,), 16.0))
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w| = 8 (0.6, 0.8)
    (gradient,) = torch.autograd.grad(found.mean(), judge.weight)
    assert torch.allclose(gradient, torch.tensor([[4.8, 6.4]]))
