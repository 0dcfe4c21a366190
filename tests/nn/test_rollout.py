from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.nn.rollout import image_relevance, layer_flow, patch_grid, relevance, rollout


def random_maps(layers: int, batch: int, heads: int, tokens: int, seed: int, *, causal: bool = False) -> list:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(layers, batch, heads, tokens, tokens, generator=generator) * 3
    if causal:
        logits = logits.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), float("-inf"))
    return list(logits.softmax(-1))


def naive_rollout(maps: list, first_layer: int) -> list:
    """Every product and every mean as a loop over numbers."""
    batch, heads, tokens = maps[0].shape[:3]
    results = []
    for b in range(batch):
        total = [[float(i == j) for j in range(tokens)] for i in range(tokens)]
        for layer in range(first_layer - 1, len(maps)):
            flow = []
            for i in range(tokens):
                row = []
                for j in range(tokens):
                    mean = sum(float(maps[layer][b, h, i, j]) for h in range(heads)) / heads
                    row.append(0.5 * mean + 0.5 * (i == j))
                flow.append([value / sum(row) for value in row])
            total = [
                [sum(flow[i][m] * total[m][j] for m in range(tokens)) for j in range(tokens)] for i in range(tokens)
            ]
        results.append(total)
    return results


def test_two_tokens_two_layers_by_hand() -> None:
    # Layer 1, two heads: [[1, 0], [.5, .5]] and [[.6, .4], [.1, .9]]; mean [[.8, .2], [.3, .7]];
    #   half and half with I: [[.9, .1], [.15, .85]].
    # Layer 2, one pattern in both heads: [[.4, .6], [1, 0]]; with I: [[.7, .3], [.5, .5]].
    # Product, layer 2 times layer 1:
    #   row 0: .7*.9 + .3*.15 = .675   .7*.1 + .3*.85 = .325
    #   row 1: .5*.9 + .5*.15 = .525   .5*.1 + .5*.85 = .475
    first = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]], [[0.6, 0.4], [0.1, 0.9]]]])
    second = torch.tensor([[[[0.4, 0.6], [1.0, 0.0]], [[0.4, 0.6], [1.0, 0.0]]]])
    flow = rollout([first, second], first_layer=1)
    assert flow.flatten().tolist() == pytest.approx([0.675, 0.325, 0.525, 0.475])
    # Mean row: (.675 + .525) / 2 = .6, (.325 + .475) / 2 = .4.
    both = torch.ones(1, 2, dtype=torch.bool)
    assert relevance(flow, kept=both)[0].tolist() == pytest.approx([0.6, 0.4])
    assert relevance(flow, kept=both, query=1)[0].tolist() == pytest.approx([0.525, 0.475])
    # From layer 2 on, only its own map counts.
    assert rollout([first, second], first_layer=2).flatten().tolist() == pytest.approx([0.7, 0.3, 0.5, 0.5])


def test_start_and_padding_of_a_causal_text_are_dropped_by_hand() -> None:
    # Tokens: start, a, b, padding. One causal layer, one head:
    #   start [1, 0, 0, 0]; a [.5, .5, 0, 0]; b [.2, .4, .4, 0]; padding [.25, .25, .25, .25].
    # With I: a [.25, .75, 0, 0]; b [.1, .2, .7, 0]. Mean of a and b: [.175, .475, .35, 0].
    # Start and padding dropped: .475 and .35 of .825.
    rows = [[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.4, 0.4, 0], [0.25, 0.25, 0.25, 0.25]]
    flow = rollout([torch.tensor([[rows]])])
    weights = relevance(flow, kept=torch.tensor([[False, True, True, False]]))
    assert weights[0].tolist() == pytest.approx([0, 0.475 / 0.825, 0.35 / 0.825, 0])
    # The row of b alone: .2 and .7 of .9.
    weights = relevance(flow, kept=torch.tensor([[False, True, True, False]]), query=2)
    assert weights[0].tolist() == pytest.approx([0, 2 / 9, 7 / 9, 0])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 2), st.integers(1, 3), st.integers(1, 5), st.integers(0, 9999))
def test_rollout_equals_loops_and_its_rows_sum_to_one(layers: int, batch: int, heads: int, n: int, seed: int) -> None:
    maps = random_maps(layers, batch, heads, n, seed)
    first = seed % layers + 1
    flow = rollout(maps, first_layer=first)
    assert torch.allclose(flow, torch.tensor(naive_rollout(maps, first)), atol=1e-5)
    assert torch.allclose(flow.sum(-1), torch.ones(batch, n), atol=1e-5)
    assert (flow >= 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 9999))
def test_causal_maps_stay_causal(tokens: int, seed: int) -> None:
    flow = rollout(random_maps(3, 1, 2, tokens, seed, causal=True), first_layer=1)
    assert torch.equal(flow, flow.tril())


def test_order_of_heads_and_neighbours_in_the_batch_do_not_matter() -> None:
    maps = random_maps(3, 2, 4, 5, seed=1)
    flow = rollout(maps, first_layer=1)
    assert torch.allclose(rollout([m[:, [2, 0, 3, 1]] for m in maps], first_layer=1), flow, atol=1e-6)
    assert torch.allclose(rollout([m[1:] for m in maps], first_layer=1)[0], flow[1], atol=1e-6)


def test_tokens_in_another_order_give_the_same_flow_in_that_order() -> None:
    maps, order = random_maps(3, 1, 2, 4, seed=2), torch.tensor([2, 0, 3, 1])
    moved = [m[:, :, order][:, :, :, order] for m in maps]
    expected = rollout(maps, first_layer=1)[:, order][:, :, order]
    assert torch.allclose(rollout(moved, first_layer=1), expected, atol=1e-6)


def test_tokens_that_only_look_at_themselves_stay_where_they_are() -> None:
    maps = [torch.eye(4).expand(1, 2, 4, 4)] * 5
    assert torch.equal(rollout(maps), torch.eye(4)[None])


def test_uniform_attention_pulls_everything_together() -> None:
    # A_l = .5 I + .5 U with U uniform: A^5 = 2^-5 I + (1 - 2^-5) U.
    maps = [torch.full((1, 1, 4, 4), 0.25)] * 12
    expected = torch.eye(4) / 32 + (1 - 1 / 32) / 4
    assert torch.allclose(rollout(maps)[0], expected, atol=1e-6)


def test_without_a_word_the_paper_starts_at_layer_8_of_12() -> None:
    maps = random_maps(12, 1, 2, 3, seed=3)
    assert torch.equal(rollout(maps), rollout(maps, first_layer=8))
    assert not torch.allclose(rollout(maps), rollout(maps, first_layer=7))


def test_image_relevance_drops_the_class_token_and_knows_rows_from_columns() -> None:
    # Class token and 2 x 2 patches; one layer, every token looks at patch 2 (second row, first column).
    look = torch.zeros(1, 1, 5, 5)
    look[..., 3] = 1
    # Patches: half of each row stays, half goes to patch 2. Mean row over patches: .125 + .5 * [patch 2] = .625.
    grid = image_relevance([look])
    assert grid[0].flatten().tolist() == pytest.approx([0.125, 0.125, 0.625, 0.125])
    # The class token's own column is dropped, so it sees patch 2 alone.
    assert image_relevance([look], query=0)[0].flatten().tolist() == pytest.approx([0, 0, 1, 0])
    assert patch_grid(197) == (14, 1)


@pytest.mark.parametrize("first", [0, 4, -1])
def test_a_layer_that_is_not_there(first: int) -> None:
    with pytest.raises(UsageError, match=r"is none of the 3 layers\. Remedy: choose 1 to 3"):
        rollout(random_maps(3, 1, 1, 2, seed=0), first_layer=first)


def test_maps_that_make_no_sense() -> None:
    with pytest.raises(GeoglotError, match="not \\(B, heads, N, N\\)"):
        layer_flow(torch.ones(2, 3, 4))
    with pytest.raises(GeoglotError, match="NaN"):
        layer_flow(torch.full((1, 1, 2, 2), float("nan")))
    with pytest.raises(GeoglotError, match="keeps no token"):
        relevance(torch.eye(2)[None], kept=torch.zeros(1, 2, dtype=torch.bool))
    with pytest.raises(UsageError, match="none of the 0 layers"):
        rollout([])
