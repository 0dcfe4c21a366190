"""LW-MCR: the budget, and what a teacher and views may and may not change."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from geoglot.methods.retrieval import lw_mcr
from geoglot.nn.batch import PairBatch
from geoglot.nn.grouped import GroupedWords
from geoglot.nn.light import LightNetwork


def model(variant: str = "b", **overrides: object) -> lw_mcr.Model:
    torch.manual_seed(0)
    return lw_mcr.Model(lw_mcr.Config(**{**lw_mcr.SMALL, "variant": variant, **overrides}))  # type: ignore[arg-type]


def pyramid(count: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    shapes = zip(lw_mcr.SMALL["channels"], (16, 8, 4, 2), strict=True)
    return tuple(torch.rand(count, width, side, side, generator=generator) for width, side in shapes)


def batch(count: int) -> PairBatch:
    tokens = torch.randint(1, 40, (count, 6), generator=torch.Generator().manual_seed(2))
    tokens[0, 3:] = 0
    empty = torch.zeros(count, 0)
    return PairBatch(
        images=empty,
        pyramid=pyramid(count),
        items=torch.arange(count),
        tokens=tokens,
        sentences=torch.arange(count),
        translations=torch.zeros(0, 2, dtype=torch.int64),
        categories=torch.zeros(count, dtype=torch.int64),
        words=empty,
    )


@pytest.mark.parametrize("variant", lw_mcr.METHOD.variants)
def test_budget(variant: str) -> None:
    assert lw_mcr.paper_parameters(variant) <= 1_650_000
    assert lw_mcr.paper_parameters(variant, vocabulary=1350) <= 1_650_000


def test_count_is_what_is_built() -> None:
    light = sum(p.numel() for p in LightNetwork().parameters())
    student = sum(p.numel() for p in lw_mcr.Model(lw_mcr.Config()).parameters())
    assert light == 722_496
    # Text: words 1226 x 256, convolutions 49,664 and 98,816. Image: filters 62,800, levels 41,472,
    # projection 262,656.
    assert student == 313_856 + 49_664 + 98_816 + 62_800 + 41_472 + 262_656
    assert lw_mcr.paper_parameters() == light + student == 1_551_760
    assert LightNetwork.channels == lw_mcr.Config().channels


@pytest.mark.parametrize("variant", lw_mcr.METHOD.variants)
def test_every_variant_learns(variant: str) -> None:
    m, b = model(variant).train(), batch(6)
    optimiser = torch.optim.Adam(m.parameters(), lr=3e-3)
    first = last = math.nan
    for step in range(40):
        losses = m.losses(b)
        optimiser.zero_grad()
        losses["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in m.parameters())
        assert all(term.shape == (6,) for name, term in losses.items() if name != "total")
        last = float(losses["total"].detach())
        first = last if step == 0 else first
    assert last < 0.6 * first


def test_the_student_never_moves_its_teacher() -> None:
    m = model("d")
    assert m.teaching is not None
    losses = m.losses(batch(5))
    (losses["hidden"].sum() + losses["outcome"].sum()).backward()
    assert all(p.grad is None for p in m.teaching.teacher.parameters())
    assert all(p.grad is not None for p in m.student.image.levels.parameters())


def test_the_base_is_the_student_of_every_variant() -> None:
    base, taught = model("b").eval(), model("u").eval()
    taught.student.load_state_dict(base.student.state_dict())
    with torch.no_grad():
        assert torch.equal(base.encode_image(pyramid(3)), taught.encode_image(pyramid(3)))
        assert torch.equal(base.encode_text(batch(3).tokens), taught.encode_text(batch(3).tokens))


def test_gaps_vanish_between_equals() -> None:
    scores = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(lw_mcr.score_gap(scores, scores, 0.2), torch.zeros(4), atol=1e-6)
    assert torch.allclose(lw_mcr.hidden_gap(scores, 3 * scores), torch.zeros(4), atol=1e-6)


def test_view_contrast_by_hand() -> None:
    # Orthogonal unit views at temperature 0.5: logits 2 on the diagonal, 0 beside: ln(1 + e^-2) = 0.126928.
    gap = lw_mcr.view_contrast(torch.eye(2), torch.eye(2), 0.5)
    assert gap.tolist() == pytest.approx([0.126928, 0.126928], abs=1e-6)


def test_views_are_the_same_window_of_every_stage() -> None:
    torch.manual_seed(3)
    # Each cell holds its own row as a share of the height, so windows can be read off.
    maps = tuple(((torch.arange(s) + 0.5) / s)[None, None, :, None].expand(1, 1, s, s) for s in (32, 16, 8))
    for _ in range(20):
        one = lw_mcr.view(maps, window=0.5, dropout=0.0)
        centres = [float(features.mean()) for features in one]
        assert max(centres) - min(centres) < 0.15
        assert all(features.shape[-1] >= side // 2 for features, side in zip(one, (32, 16, 8), strict=True))
    assert all(
        features.shape[-2:] == (1, 1) for features in lw_mcr.view((torch.ones(1, 2, 1, 1),), window=0.1, dropout=0)
    )


def test_groups_do_not_see_each_other_until_shuffled() -> None:
    torch.manual_seed(0)
    layer = GroupedWords(4, 4, kernel=3, groups=2)
    words, mask = torch.rand(1, 4, 5), torch.ones(1, 5, dtype=torch.bool)
    other = words.clone()
    other[:, :2] += 1  # the first group of inputs; its outputs 0 and 1 are dealt to places 0 and 2
    assert layer.convolution.bias is not None
    layer.convolution.bias.data.fill_(10.0)  # above the ReLU's corner
    changed = (layer(words, mask) != layer(other, mask)).flatten(2).any(2)[0]
    assert changed.tolist() == [True, False, True, False]
