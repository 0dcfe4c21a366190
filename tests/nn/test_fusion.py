"""Graph convolution, fusion blocks and salience against hand-computed cases, loops and torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, conv2d, interpolate, normalize

from geoglot.nn.fusion import Attention, GuidedBlock, Normalisation, SelfBlock
from geoglot.nn.graph import CellGraph, GraphConvolutions, co_location
from geoglot.nn.guidance import guidance, pair_cosines, soft_cosines
from geoglot.nn.multiscale import MultiScaleSalience, convolve_enlarged
from geoglot.nn.pooling import average_onto_grid


def test_graph_convolution_on_two_nodes_by_hand() -> None:
    # A X = [[1, 0.5], [0.5, 1]] [[1, 2], [3, -8]] = [[2.5, -2], [3.5, -7]]; times W^T with W = [[2, 1], [0, -1]]:
    # [[5 - 2, 2], [7 - 7, 7]] = [[3, 2], [0, 7]]; the ReLU changes nothing there. With W = [[0, 1]] it is [[0], [0]].
    nodes = torch.tensor([[[1.0, 2.0], [3.0, -8.0]]])
    adjacency = torch.tensor([[[1.0, 0.5], [0.5, 1.0]]])
    layers = GraphConvolutions((2, 2))
    layers.layers[0].weight.data = torch.tensor([[2.0, 1.0], [0.0, -1.0]])
    assert layers(nodes, adjacency).tolist() == [[[3.0, 2.0], [0.0, 7.0]]]
    clipped = GraphConvolutions((2, 1))
    clipped.layers[0].weight.data = torch.tensor([[0.0, 1.0]])
    assert clipped(nodes, adjacency).tolist() == [[[0.0], [0.0]]]


def test_cell_graph_puts_a_node_where_its_evidence_is() -> None:
    # Channel k is evidence for node k alone, 50 at one cell: node 0 in cell 0, nodes 1 and 2 both in cell 3.
    graph = CellGraph(3, nodes=3)
    graph.evidence.weight.data, graph.evidence.bias.data = torch.eye(3), torch.zeros(3)
    features = torch.zeros(1, 3, 2, 2)
    features[0, 0, 0, 0] = features[0, 1, 1, 1] = features[0, 2, 1, 1] = 50.0
    nodes, adjacency = graph(features)
    assert torch.allclose(nodes[0], torch.tensor([[50.0, 0, 0], [0, 50, 50], [0, 50, 50]]))
    assert torch.allclose(adjacency[0], torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]), atol=1e-6)


def test_nodes_without_a_place_are_not_joined() -> None:
    assert torch.isfinite(co_location(torch.zeros(1, 2, 4))).all()


def test_attention_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(8, heads=2, dropout=0.0), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    layers = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([layer.weight.data for layer in layers])
    theirs.in_proj_bias.data = torch.cat([layer.bias.data for layer in layers])
    theirs.out_proj.load_state_dict(ours.merge.state_dict())
    asking, asked = torch.rand(3, 4, 8), torch.rand(3, 5, 8)
    expected = theirs(asking, asked, asked)[0]
    assert torch.allclose(ours(asking, asked), expected, atol=1e-6)


def test_normalisation_uses_the_unbiased_deviation() -> None:
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    expected = (features - features.mean(1, keepdim=True)) / (features.std(1, keepdim=True) + 1e-6)
    assert torch.allclose(Normalisation(7)(features), expected, atol=1e-6)


def test_a_constant_row_has_a_finite_gradient() -> None:
    features = torch.ones(2, 4, requires_grad=True)
    Normalisation(4)(features).sum().backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("block", [SelfBlock, GuidedBlock])
def test_blocks_end_normalised(block: type[SelfBlock] | type[GuidedBlock]) -> None:
    torch.manual_seed(0)
    sequence = torch.rand(2, 1, 8)
    made = block(8, heads=2, dropout=0.0)
    out = made(sequence) if isinstance(made, SelfBlock) else made(sequence, torch.rand(2, 3, 8))
    assert torch.allclose(out.mean(-1), torch.zeros(2, 1), atol=1e-6)
    assert torch.allclose(out.std(-1), torch.ones(2, 1), atol=1e-4)


def test_soft_cosines_are_pair_cosines() -> None:
    generator = torch.Generator().manual_seed(0)
    images = normalize(torch.rand(4, 6, generator=generator), dim=1)
    gates, texts = torch.rand(4, 6, generator=generator), torch.rand(5, 6, generator=generator)
    pairs = gates[:, None] * texts
    assert torch.allclose(soft_cosines(images, gates, texts), pair_cosines(images, pairs), atol=1e-6)


@pytest.mark.parametrize("attention", ["soft", "fusion", "similarity"])
def test_a_text_of_zeros_has_a_finite_gradient(attention: str) -> None:
    torch.manual_seed(0)
    gate = guidance(attention, 4)  # type: ignore[arg-type]
    texts = torch.zeros(1, 4, requires_grad=True)
    vectors = torch.rand(2, 4)
    pairs = gate.pairs(gate.image_part(vectors), gate.text_part(texts))
    pair_cosines(normalize(vectors, dim=1), pairs).sum().backward()  # type: ignore[no-untyped-call]
    assert texts.grad is not None
    assert torch.isfinite(texts.grad).all()


def test_the_papers_grid_passes_unchanged() -> None:
    # At 64, 32, 16 and 8 cells the fine convolution gives floor((64 - 3) / 4) + 1 = 16 cells: nothing is averaged.
    layer = MultiScaleSalience((2, 3, 4, 5), outputs=6)
    maps = tuple(torch.rand(1, c, s, s) for c, s in ((2, 64), (3, 32), (4, 16), (5, 8)))
    salience = layer.salience(maps)
    assert salience.shape == (1, 1, 16, 16)
    mask = torch.sigmoid(layer.mask(salience.flatten(1)))
    assert torch.allclose(layer(maps), mask * layer.projection(maps[3].mean((2, 3))))


def test_salience_cell_by_hand() -> None:
    # One channel per stage; fine weights 0 with bias 0, coarse row takes f3 only: x = [0 0 0 f3 f3 f3] + (f3 + f4) / 2.
    layer = MultiScaleSalience((1, 1, 1, 1), outputs=2, grid=4)
    for convolution in (layer.fine, layer.coarse, layer.value, layer.gate):
        convolution.weight.data.zero_()
        assert convolution.bias is not None
        convolution.bias.data.zero_()
    layer.coarse.weight.data[:, 0] = 1.0
    layer.value.weight.data[0, 5] = 1.0  # the last coarse channel
    maps = tuple(torch.rand(1, 1, s, s) for s in (16, 8, 4, 2))
    high = maps[3].repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = (maps[2] + (maps[2] + high) / 2) * 0.5  # a gate of zeros halves
    assert torch.allclose(layer.salience(maps), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("small", "full"), [((18, 18), (36, 36)), ((5, 4), (9, 7)), ((3, 3), (3, 3)), ((1, 2), (8, 5))]
)
def test_convolving_as_if_enlarged(small: tuple[int, int], full: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 4, *small, generator=generator, requires_grad=True)
    weight = torch.rand(5, 4, 3, 3, generator=generator, requires_grad=True)
    given = convolve_enlarged(features, weight, full, stride=4)
    expected = conv2d(interpolate(features, size=full, mode="nearest"), weight, stride=4)
    assert torch.allclose(given, expected, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(given.square().sum(), (features, weight)),
        torch.autograd.grad(expected.square().sum(), (features, weight)),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-3)


def test_salience_is_that_of_enlarged_and_joined_maps() -> None:
    torch.manual_seed(0)
    layer = MultiScaleSalience((2, 3, 4, 5), outputs=6)
    maps = tuple(torch.rand(2, c, s, s) for c, s in ((2, 36), (3, 18), (4, 9), (5, 5)))
    low = torch.cat([maps[0], interpolate(maps[1], size=36, mode="nearest")], 1)
    high = torch.cat([maps[2], interpolate(maps[3], size=9, mode="nearest")], 1)
    mixed = torch.cat([layer.fine(low), layer.coarse(high)], 1) + high.mean(1, keepdim=True)
    expected = layer.value(mixed) * torch.sigmoid(layer.gate(mixed))
    assert torch.allclose(layer.salience(maps), expected, atol=1e-6)


@pytest.mark.parametrize("sizes", [(36, 36, 9, 9), (9, 9, 16, 16), (5, 7, 3, 4), (1, 2, 4, 1), (4, 4, 4, 4)])
def test_average_onto_a_grid_is_adaptive_pooling(sizes: tuple[int, int, int, int]) -> None:
    height, width, rows, columns = sizes
    features = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    expected = adaptive_avg_pool2d(features, (rows, columns))
    assert torch.allclose(average_onto_grid(features, rows, columns), expected, atol=1e-6)
