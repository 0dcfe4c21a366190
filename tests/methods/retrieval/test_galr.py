"""GaLR: the published total, the fusion and the graph by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from geoglot.methods.retrieval import galr


def model(**overrides: object) -> galr.Model:
    torch.manual_seed(0)
    return galr.Model(galr.Config(**{**galr.SMALL, **overrides})).eval()  # type: ignore[arg-type]


def pyramid(count: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    shapes = zip(galr.SMALL["channels"], (16, 8, 4, 2), strict=True)
    return tuple(torch.rand(count, width, side, side, generator=generator) for width, side in shapes)


@pytest.mark.parametrize("variant", galr.METHOD.variants)
def test_the_published_total(variant: str) -> None:
    assert galr.paper_parameters(variant) == 46_892_998
    assert galr.paper_parameters(variant, vocabulary=1226) == 46_816_118


def test_parts_of_the_total() -> None:
    # Self block: 4 x 262,656 + (512 + 1) 1024 + (1024 + 1) 512 + 2 x 1024 = 2,102,784; a guided one adds an attention
    # and a norm: 3,154,432. With Linear(512, 512) and Linear(512, 2): 10,778,114. Graph: 400 + 200 + 200.
    with torch.device("meta"):
        m = galr.Model(galr.Config(graphs="given"))
    assert sum(p.numel() for p in m.fusion.parameters()) == 2 * 2_102_784 + 2 * 3_154_432 + 262_656 + 1_026
    assert sum(p.numel() for p in m.graph.parameters()) == 800


def test_local_information_changes_the_embedding() -> None:
    m = model(graphs="given")
    nodes, adjacency = torch.rand(3, 20, 20), torch.eye(20).expand(3, 20, 20)
    maps = pyramid(3)
    with torch.no_grad():
        one = m.encode_image((*maps, nodes, adjacency))
        other = m.encode_image((*maps, nodes.flip(1), adjacency))
    assert one.shape == (3, 16)
    assert not torch.allclose(one, other, atol=1e-4)


def test_variants_differ_in_the_second_weight_alone() -> None:
    maps = pyramid(2)
    paper, released = model(), model(variant="released")
    released.load_state_dict(paper.state_dict())
    with torch.no_grad():
        assert not torch.allclose(paper.encode_image(maps), released.encode_image(maps), atol=1e-4)
        for m in (paper, released):  # equal weights: both read one half
            m.fusion.weights.weight.zero_()
            m.fusion.weights.bias.zero_()
        assert torch.allclose(paper.encode_image(maps), released.encode_image(maps), atol=1e-6)


def test_mix_by_hand() -> None:
    # g = 2, l = 0: g' = sigmoid(0) x 2 = 1, l' = 2.
    part, sum_of_both = galr.InformationFusion.mixed(torch.tensor([[2.0]]), torch.tensor([[0.0]]))
    assert (float(part), float(sum_of_both)) == (1.0, 2.0)


def test_global_side_hears_the_updated_local_side() -> None:
    # Order of the exchange: local asks first; global then asks the answer, so changing the local block alone changes g.
    fusion = model().fusion
    one, other = torch.rand(2, 16), torch.rand(2, 16)
    heard = {}
    for name in ("local_guided", "global_guided"):
        getattr(fusion, name).register_forward_hook(lambda _, given, out, name=name: heard.update({name: (given, out)}))
    with torch.no_grad():
        fusion(one, other)
    assert torch.equal(heard["global_guided"][0][1], heard["local_guided"][1])
    assert torch.equal(heard["local_guided"][0][1], heard["global_guided"][0][0])
