import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.nn.augmentation import paste_rectangles, random_colours, random_views
from geoglot.nn.losses import multi_positive_cross_entropy, symmetric_contrastive
from geoglot.nn.memory import EmbeddingMemory
from geoglot.nn.pooling import AttentionPool2d, masked_max, masked_mean
from geoglot.nn.residual import BasicBlock, ResidualNetwork
from geoglot.nn.text_transformer import TextTransformer, by_length


def naive_multi_positive(logits: torch.Tensor, positives: torch.Tensor) -> list[float]:
    losses = []
    for i in range(len(logits)):
        total = sum(math.exp(float(v)) for v in logits[i])
        own = [j for j in range(logits.shape[1]) if positives[i, j]]
        losses.append(-sum(math.log(math.exp(float(logits[i, j])) / total) for j in own) / max(1, len(own)))
    return losses


def test_two_orthogonal_pairs() -> None:
    # U = V = I2, tau = 1: l = log(1 + e^-1) = 0.313262
    rows, columns = symmetric_contrastive(torch.eye(2), torch.eye(2, dtype=torch.bool))
    assert rows.tolist() == pytest.approx([0.313262, 0.313262], abs=1e-6)
    assert columns.tolist() == pytest.approx([0.313262, 0.313262], abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10_000))
def test_multi_positive_equals_naive_loops(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, columns, generator=generator)
    positives = torch.rand(rows, columns, generator=generator) > 0.5
    expected = naive_multi_positive(logits, positives)
    assert multi_positive_cross_entropy(logits, positives).tolist() == pytest.approx(expected, abs=1e-5)


def test_masked_pooling_ignores_padding() -> None:
    features = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [100.0, 100.0]]])
    mask = torch.tensor([[True, True, False]])
    assert masked_mean(features, mask).tolist() == [[2.0, -6.0]]
    assert masked_max(features, mask).tolist() == [[3.0, -5.0]]


def test_attention_pool_with_equal_weights_is_the_mean() -> None:
    pool = AttentionPool2d(2, heads=1)
    torch.nn.init.zeros_(pool.attention.weight)
    features = torch.arange(8.0).view(1, 2, 2, 2)  # channel means (0+1+2+3)/4 = 1.5 and (4+5+6+7)/4 = 5.5
    assert pool(features).tolist() == [[1.5, 5.5, 1.5, 5.5]]


def test_new_residual_block_is_the_identity_on_positive_features() -> None:
    block = BasicBlock(4, 4).eval()
    features = torch.rand(2, 4, 5, 5)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize("side", [64, 80, 96, 112, 128])
def test_residual_network_stride_is_32(side: int) -> None:
    network = ResidualNetwork((4, 4, 4, 6), (1, 1, 1, 1)).eval()
    assert network(torch.zeros(1, 3, side, side)).shape[1] == 6


def test_stochastic_depth_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    block = BasicBlock(2, 2, drop_probability=0.5).train()
    torch.nn.init.ones_(block.second[1].weight)
    features = torch.rand(4000, 2, 1, 1) + 10  # far from the ReLU's kink
    with torch.no_grad():
        change = float((block(features) - features).mean())
        block.drop_probability = 0.0
        expected = float((block(features) - features).mean())
    assert change == pytest.approx(expected, abs=0.05)


def test_padding_does_not_change_a_text() -> None:
    encoder = TextTransformer(vocabulary=30, width=8, layers=2, heads=2, max_length=9, outputs=4).eval()
    short = torch.tensor([[5, 6, 7]])
    padded = torch.tensor([[5, 6, 7, 0, 0, 0]])
    assert torch.allclose(encoder(short), encoder(padded), atol=1e-6)


def test_grouping_by_length_changes_nothing() -> None:
    torch.manual_seed(1)
    encoder = TextTransformer(vocabulary=30, width=8, layers=1, heads=2, max_length=9, outputs=4).eval()
    tokens = torch.randint(1, 30, (100, 9))
    for row, length in zip(tokens, torch.randint(1, 10, (100,)), strict=True):
        row[length:] = 0
    assert torch.allclose(by_length(encoder, tokens), encoder(tokens), atol=1e-6)


def test_views_are_reproducible_and_stay_in_range() -> None:
    images = torch.rand(6, 3, 40, 40)
    first = random_views(images, 24, generator=torch.Generator().manual_seed(3))
    second = random_views(images, 24, generator=torch.Generator().manual_seed(3))
    assert torch.equal(first, second)
    assert first.shape == (6, 3, 24, 24)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert not torch.equal(first, random_views(images, 24, generator=torch.Generator().manual_seed(4)))


@pytest.mark.parametrize("seed", range(12))
def test_a_pasted_rectangle_is_the_partners_and_of_the_area_that_is_told(seed: int) -> None:
    images = torch.arange(3.0)[:, None, None, None].expand(3, 3, 20, 28).contiguous()
    partners = torch.tensor([1, 2, 0])
    mixed, own = paste_rectangles(images, partners, generator=torch.Generator().manual_seed(seed))
    for picture in range(3):
        kept = mixed[picture] == picture
        assert torch.equal(mixed[picture][~kept], torch.full_like(mixed[picture][~kept], float(partners[picture])))
        assert float(kept.float().mean()) == pytest.approx(own, abs=1e-6)
        rows, columns = (~kept[0]).any(1), (~kept[0]).any(0)
        assert int((~kept[0]).sum()) == int(rows.sum()) * int(columns.sum())  # one rectangle, no holes
    assert float(images[0].sum()) == 0  # what was given stays as it was


def test_colour_changes_keep_the_layout_of_a_picture() -> None:
    images = torch.rand(3, 3, 16, 16)
    changed = random_colours(images, generator=torch.Generator().manual_seed(0))
    for before, after in zip(images.mean(1), changed.mean(1), strict=True):
        correlation = torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]
        assert float(correlation) > 0.95


def test_memory_holds_the_latest_without_gradient() -> None:
    memory = EmbeddingMemory(4, 2)
    value = torch.ones(1, 2, requires_grad=True)
    memory.write(torch.tensor([2]), value)
    memory.write(torch.tensor([2]), value * 3)
    assert memory.filled().tolist() == [2]
    assert memory.vectors[2].tolist() == [3.0, 3.0]
    assert not memory.vectors.requires_grad
