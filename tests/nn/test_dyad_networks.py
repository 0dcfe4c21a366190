"""Sizes, counts and the linearity of the networks made of dyads."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from geoglot.core.errors import UsageError
from geoglot.nn.dyad_networks import (
    Decoder,
    Discriminator,
    Encoder,
    Latent,
    PairConvolution,
    Stem,
    kernel_for,
    latent_shape,
)

WIDTHS = (4, 6, 8, 10)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def dyad_count(width: int) -> int:
    """A dyad of c to 2c channels: A 2(9c^2 + c) + 4c, B (18c^2 + 2c) + (36c^2 + 2c) + (2c + 4c), H 18c^2 + 2c."""
    block_a = 2 * (9 * width**2 + width) + 4 * width
    block_b = (18 * width**2 + 2 * width) + (36 * width**2 + 2 * width) + 6 * width
    return block_a + block_b + 18 * width**2 + 2 * width


def test_parameters_of_the_paper_sizes_by_arithmetic() -> None:
    stem = (27 * 64 + 64) + 2 * 64 + (9 * 64 * 64 + 64)
    expected = stem + sum(dyad_count(width) for width in (64, 128, 256))
    with torch.device("meta"):
        assert count(Encoder(256)) == expected == 7_788_352
        assert count(Encoder(128)) == expected
        # The convolutions H alone are taken out of ResAE: 18c^2 + 2c each.
        assert count(Encoder(256, shortcut="identity")) == expected - sum(18 * c**2 + 2 * c for c in (64, 128, 256))
        assert count(Encoder(256, shortcut="1x1")) == expected - sum(16 * c**2 for c in (64, 128, 256))
        assert count(Encoder(256, stem="resnet")) == expected - stem + (49 * 3 * 64 + 64) + 2 * 64
        assert count(Decoder(256)) == 10_112_195
        # First convolution, its norm, a dyad of 128 to 256, last convolution, two numbers of 4 x 4 x 64.
        first, last = 9 * 1024 * 128 + 128 + 2 * 128, 9 * 256 * 64 + 64
        found = count(Discriminator((512, 8, 8), (128, 256, 64), shortcut="3x3"))
        assert found == first + dyad_count(128) + last + 2 * (16 * 64) + 2 == 2_806_466


@pytest.mark.parametrize("latent", ["8x8x512", "1x1x1024", "8x8x20"])
@pytest.mark.parametrize("side", [64, 128, 256])
def test_latents_have_the_paper_s_sizes_and_decode_to_pictures(side: int, latent: Latent) -> None:
    cells = side // 32
    expected = {"8x8x512": (10, cells, cells), "1x1x1024": (20, 1, 1), "8x8x20": (20, cells, cells)}[latent]
    encoder = Encoder(side, WIDTHS, latent=latent).eval()
    assert encoder.shape == expected
    features = encoder(torch.rand(2, 3, side, side))
    assert features.shape == (2, *expected)
    pictures = Decoder(side, WIDTHS, latent=latent).eval()(features)
    assert pictures.shape == (2, 3, side, side)
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_the_paper_s_names_are_its_sizes_at_256_pixels() -> None:
    for name in ("8x8x512", "1x1x1024", "8x8x20"):
        height, width, channels = map(int, name.split("x"))
        assert latent_shape(256, (64, 128, 256, 512), name) == (channels, height, width)  # type: ignore[arg-type]


@pytest.mark.parametrize(("side", "latent"), [(100, "8x8x512"), (0, "8x8x512"), (96, "1x1x1024"), (32, "1x1x1024")])
def test_sides_that_do_not_fit_are_refused(side: int, latent: Latent) -> None:
    with pytest.raises(UsageError, match=f"side={side}"):
        Encoder(side, WIDTHS, latent=latent)


@pytest.mark.parametrize("stem", ["convolutions", "resnet"])
def test_both_stems_divide_by_four(stem: Stem) -> None:
    assert Encoder(64, WIDTHS, stem=stem).stem(torch.rand(1, 3, 64, 64)).shape == (1, 4, 16, 16)


def test_a_side_is_refused_before_anything_is_built() -> None:
    with pytest.raises(UsageError, match="multiple of 32"):
        latent_shape(31, WIDTHS, "8x8x512")


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 2, 2), (3, 8, 8), (3, 5, 7)])
@torch.no_grad()
def test_the_first_convolution_in_two_halves_is_the_one_over_the_concatenation(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(shape, (8, 12, 6), shortcut="3x3").eval()
    nn.init.normal_(discriminator.pair.bias)  # type: ignore[arg-type]
    first, second = torch.randn(4, *shape), torch.randn(4, *shape)
    parts = discriminator.pair.of_first(first), discriminator.pair.of_second(second)
    whole = discriminator.pair(torch.cat([first, second], 1))
    assert torch.allclose(sum(parts), whole, atol=1e-5)  # type: ignore[arg-type]
    assert torch.allclose(discriminator(*parts), discriminator.trunk(whole), atol=1e-5)


def test_both_halves_share_one_weight_and_learn_as_the_whole_does() -> None:
    torch.manual_seed(0)
    pair = PairConvolution(3, 4)
    first, second = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 5, 5)
    gradients = []
    for out in (pair(torch.cat([first, second], 1)), pair.of_first(first) + pair.of_second(second)):
        pair.zero_grad()
        out.square().sum().backward()
        gradients.append([p.grad.clone() for p in pair.parameters() if p.grad is not None])
    assert [len(found) for found in gradients] == [2, 2]
    for whole, halves in zip(*gradients, strict=True):
        assert torch.allclose(whole, halves, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_on_a_vector_filters_of_one_are_all_that_filters_of_three_can_do() -> None:
    """A 3x3 filter on a 1x1 map meets a number with its middle tap only; copying that tap gives the same numbers."""
    assert kernel_for((7, 1, 1)) == 1
    small = nn.Conv2d(7, 5, 1)
    large = nn.Conv2d(7, 5, 3, padding=1)
    small.weight.copy_(large.weight[:, :, 1:2, 1:2])
    small.bias.copy_(large.bias)  # type: ignore[union-attr, arg-type]
    features = torch.randn(3, 7, 1, 1)
    assert torch.allclose(small(features), large(features), atol=1e-6)
