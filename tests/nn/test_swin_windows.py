"""Windows, shifts and positions against definitions written out in loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.nn.swin import Block, PatchMerging, Swin, SwinSizes
from geoglot.nn.windows import WindowAttention, join_windows, relative_positions, shift_mask, split_windows


def test_relative_positions_written_out() -> None:
    side = 3
    found = relative_positions(side)
    for query in range(side * side):
        for key in range(side * side):
            down, right = query // side - key // side, query % side - key % side
            assert found[query, key] == (down + side - 1) * (2 * side - 1) + right + side - 1


@given(rows=st.integers(1, 3), columns=st.integers(1, 3), side=st.integers(1, 4))
def test_windows_join_to_what_was_split(rows: int, columns: int, side: int) -> None:
    features = torch.arange(2 * rows * columns * side * side * 3.0).view(2, rows * side, columns * side, 3)
    windows = split_windows(features, side)
    assert torch.equal(join_windows(windows, side, (rows * side, columns * side)), features)
    assert torch.equal(windows[0], features[0, :side, :side].reshape(-1, 3))


@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 3), columns=st.integers(1, 3), shift=st.sampled_from([(2, 2), (2, 0), (0, 2)]))
def test_mask_parts_what_rolling_brought_together(rows: int, columns: int, shift: tuple[int, int]) -> None:
    """Two places of a window see each other where they lie less than a window apart in the map that was rolled."""
    side, height, width = 4, 4 * rows, 4 * columns
    place = torch.arange(height * width).view(1, height, width, 1)
    rolled = split_windows(torch.roll(place, (-shift[0], -shift[1]), (1, 2)), side).squeeze(-1)
    line, column = rolled // width, rolled % width
    for values, moved in ((line, shift[0]), (column, shift[1])):
        apart = (values[:, :, None] - values[:, None, :]).abs() >= side
        if not moved:
            assert not apart.any()
    expected = (line[:, :, None] - line[:, None, :]).abs() >= side
    expected |= (column[:, :, None] - column[:, None, :]).abs() >= side
    found = shift_mask((height, width), side, shift)
    if rows > 1 and columns > 1:  # along a line of one window no distance tells the strips apart
        assert torch.equal(found, expected)
    assert not found.diagonal(dim1=1, dim2=2).any()


@torch.no_grad()
def test_attention_written_out() -> None:
    torch.manual_seed(0)
    side, heads, width = 2, 2, 6
    layer = WindowAttention(width, heads, side)
    windows = torch.randn(1, side * side, width)
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 0, 3] = True
    found = layer(windows, mask)
    qkv = windows[0] @ layer.qkv.weight.T + layer.qkv.bias
    out = torch.zeros(4, width)
    for head in range(heads):
        part = slice(head * 3, head * 3 + 3)
        query, key, value = qkv[:, :6][:, part], qkv[:, 6:12][:, part], qkv[:, 12:][:, part]
        for place in range(4):
            logits = torch.tensor(
                [
                    float(query[place] @ key[other] / 3**0.5)
                    + float(layer.relative_position_bias_table[relative_positions(side)[place, other], head])
                    for other in range(4)
                ]
            )
            if place == 0:
                logits[3] = -torch.inf
            out[place, part] = logits.softmax(0) @ value
    assert torch.allclose(found[0], out @ layer.proj.weight.T + layer.proj.bias, atol=1e-6)


@torch.no_grad()
def test_a_shifted_block_looks_across_windows() -> None:
    """A change in the first window reaches the second through the shifted block alone."""
    torch.manual_seed(0)
    features = torch.randn(1, 8, 8, 6)
    changed = features.clone()
    changed[0, 3, 3, 0] += 5
    for shifted in (False, True):
        block = Block(6, 2, window=4, shifted=shifted).eval()
        reached = (block(features) - block(changed)).abs().amax(-1)[0] > 1e-6
        assert reached[:4, :4].any()
        assert bool(reached[4:, 4:].any()) == shifted


@torch.no_grad()
def test_one_window_is_not_shifted() -> None:
    """Shifting a single window would only part it into four."""
    torch.manual_seed(0)
    plain, shifted = (Block(6, 2, window=4, shifted=value).eval() for value in (False, True))
    shifted.load_state_dict(plain.state_dict())
    features = torch.randn(2, 4, 4, 6)
    assert torch.equal(plain(features), shifted(features))


@torch.no_grad()
def test_neighbours_are_merged_in_the_published_order() -> None:
    merge = PatchMerging(2)
    merge.reduction.weight.copy_(torch.eye(8)[:4])
    features = torch.arange(2 * 3 * 2.0).view(1, 2, 3, 2)
    found = merge(features)
    assert found.shape == (1, 1, 2, 4)
    # top left (0, 1), bottom left (6, 7), top right (2, 3), bottom right (8, 9); mean 4.5, variance 10.25
    expected = (torch.tensor([0.0, 1.0, 6.0, 7.0]) - 4.5) / 10.25**0.5
    assert torch.allclose(found[0, 0, 0], expected, atol=1e-5)


def test_depth_is_dropped_more_towards_the_end() -> None:
    swin = Swin(SwinSizes(embed=8, depths=(1, 2, 2), heads=(1, 1, 1), window=2, drop_path=0.4))
    rates = [block.drop_path for layer in swin.layers for block in layer.get_submodule("blocks").children()]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_dropped_rows_keep_the_mean() -> None:
    torch.manual_seed(0)
    block = Block(4, 1, window=2, shifted=False, drop_path=0.25).train()
    kept = block.dropped(torch.ones(4000, 1, 1, 1))
    assert sorted(kept.unique().tolist()) == pytest.approx([0.0, 1 / 0.75])
    assert kept.mean() == pytest.approx(1.0, abs=0.05)


def test_heads_must_be_told_for_every_stage() -> None:
    with pytest.raises(ValueError, match="2 numbers of heads for 1 stages"):
        Swin(SwinSizes(depths=(1,), heads=(1, 2)))


def test_masks_made_without_gradients_serve_in_training() -> None:
    """A mask is kept from validation to the next epoch."""
    block = Block(6, 2, window=2, shifted=True)
    shift_mask.cache_clear()
    with torch.inference_mode():
        block(torch.randn(1, 6, 4, 6))
    block(torch.randn(1, 6, 4, 6)).sum().backward()
    assert block.attn.qkv.weight.grad is not None
