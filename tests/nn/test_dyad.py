"""The residual-dyad against its equations, computed by hand and by naive loops."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from geoglot.nn.dyad import BlockA, BlockB, Change, Dyad, ResizedIdentity, Shortcut, as_printed, composed, resizing


def normalised(features: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Batch normalisation in eval mode, written out."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    shape = (1, -1, 1, 1)
    centred = (features - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
    return centred * norm.weight.view(shape) + norm.bias.view(shape)


def convolved(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """A convolution by nested loops over output pixels and filter taps."""
    assert layer.bias is not None
    (side, _), (stride, _), (border, _) = layer.kernel_size, layer.stride, layer.padding
    height, width = features.shape[2:]
    rows, columns = (height + 2 * int(border) - side) // stride + 1, (width + 2 * int(border) - side) // stride + 1
    out = layer.bias.view(1, -1, 1, 1).expand(len(features), -1, rows, columns).clone()
    for row, column, i, j in itertools.product(range(rows), range(columns), range(side), range(side)):
        y, x = row * stride + i - int(border), column * stride + j - int(border)
        if 0 <= y < height and 0 <= x < width:
            out[:, :, row, column] += features[:, :, y, x] @ layer.weight[:, :, i, j].T
    return out


def transposed(features: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """A transposed convolution by nested loops: every input pixel adds the filter, times itself, to the output."""
    assert layer.bias is not None
    (side, _), (border, _) = layer.kernel_size, layer.padding
    height, width = features.shape[2:]
    out = layer.bias.view(1, -1, 1, 1).expand(len(features), -1, 2 * height, 2 * width).clone()
    for row, column, i, j in itertools.product(range(height), range(width), range(side), range(side)):
        y, x = 2 * row + i - int(border), 2 * column + j - int(border)
        if 0 <= y < 2 * height and 0 <= x < 2 * width:
            out[:, :, y, x] += features[:, :, row, column] @ layer.weight[:, :, i, j]
    return out


def layered(features: Tensor, layer: nn.Module) -> Tensor:
    if isinstance(layer, nn.Conv2d):
        return convolved(features, layer)
    assert isinstance(layer, nn.ConvTranspose2d)
    return transposed(features, layer)


def changed(features: Tensor, change: Change) -> Tensor:
    between = layered(normalised(features, change.first_norm).clamp(min=0), change.first)
    return layered(normalised(between, change.second_norm).clamp(min=0), change.second)


def lively(network: nn.Module) -> nn.Module:
    """Give every normalisation statistics and scales of its own, so that leaving one out would show."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.running_mean, -0.5), (module.bias, -0.5), (module.running_var, 0.5)):
                assert tensor is not None
                tensor.data = low + torch.rand(tensor.shape, generator=generator)
            module.weight.data = 0.5 + torch.rand(module.weight.shape, generator=generator)
    return network.eval()


@pytest.mark.parametrize("step", ["down", "up"])
@pytest.mark.parametrize("shortcut", ["3x3", "1x1"])
@torch.no_grad()
def test_a_dyad_is_equations_10_and_11_by_nested_loops(step: str, shortcut: Shortcut) -> None:
    torch.manual_seed(0)
    dyad = Dyad(3, 5, step="down" if step == "down" else "up", shortcut=shortcut)
    lively(dyad)
    features = torch.randn(2, 3, 6, 5)
    inner = features + changed(features, dyad.block_a.change)
    expected = layered(inner, dyad.block_b.shortcut) + changed(inner, dyad.block_b.change)
    assert torch.allclose(dyad(features), expected, atol=1e-5)
    assert torch.equal(
        dyad(features), composed(features, dyad.block_a.change, dyad.block_b.shortcut, dyad.block_b.change)
    )


@torch.no_grad()
def test_equation_12_as_printed_holds_where_the_second_block_is_linear() -> None:
    """Without biases: H(u) and F_B(u) of a sum are the sums of H and F_B, F_A may be what it likes."""
    torch.manual_seed(0)
    change_a = lively(Change(4, 4))
    shortcut, linear = (nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False) for _ in range(2))
    features = torch.randn(2, 4, 8, 8)
    assert torch.allclose(
        composed(features, change_a, shortcut, linear), as_printed(features, change_a, shortcut, linear), atol=1e-5
    )


@torch.no_grad()
def test_equation_12_as_printed_is_another_function_for_real_blocks() -> None:
    torch.manual_seed(0)
    dyad = Dyad(4, 6)
    lively(dyad)
    features = torch.randn(2, 4, 8, 8)
    parts = dyad.block_a.change, dyad.block_b.shortcut, dyad.block_b.change
    assert (composed(features, *parts) - as_printed(features, *parts)).abs().max() > 0.1


@torch.no_grad()
def test_equation_12_as_printed_counts_the_bias_of_the_shortcut_twice() -> None:
    """With H(x) = 2x + 3, F_A(x) = x, F_B = 0 and phi = 1: composed 2 * 2 + 3 = 7; printed (2 + 3) + (2 + 3) = 10."""
    one = torch.ones(1)
    functions = (lambda x: x, lambda x: 2 * x + 3, torch.zeros_like)
    assert composed(one, *functions) == 7
    assert as_printed(one, *functions) == 10


def test_block_a_is_the_identity_where_its_change_is_nothing() -> None:
    block = BlockA(3)
    nn.init.zeros_(block.change.second.weight)
    assert block.change.second.bias is not None
    nn.init.zeros_(block.change.second.bias)
    features = torch.randn(2, 3, 4, 4)
    assert torch.equal(block(features), features)


def test_gradients_pass_block_b_through_the_shortcut_alone() -> None:
    """What the dyad is for: with F_B dead the convolution of the shortcut still learns; a plain pair has nothing to."""
    for shortcut, learns in (("3x3", True), ("identity", False)):
        block = BlockB(2, 4, shortcut=shortcut)  # type: ignore[arg-type]
        nn.init.zeros_(block.change.second.weight)
        block(torch.randn(2, 2, 4, 4)).square().sum().backward()
        gradients = [p.grad for p in block.shortcut.parameters() if p.grad is not None]
        assert any(bool((g != 0).any()) for g in gradients) is learns


def test_resized_identity_by_hand() -> None:
    """Downwards the even pixels and zeros for new channels; upwards every pixel four times, the first channels only."""
    picture = torch.arange(9.0).view(1, 1, 3, 3)
    down = ResizedIdentity(1, 2, "down")(picture)
    assert down.tolist() == [[[[0, 2], [6, 8]], [[0, 0], [0, 0]]]]
    two = torch.stack([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])])[None]
    assert ResizedIdentity(2, 1, "up")(two).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]


@pytest.mark.parametrize("side", [1, 2, 5, 8])
@pytest.mark.parametrize("shortcut", ["3x3", "1x1", "identity"])
def test_sizes_of_both_ways_of_a_block_agree(side: int, shortcut: Shortcut) -> None:
    for kernel in (1, 3):
        features = torch.randn(2, 3, side, side)
        half = -(-side // 2)
        assert Dyad(3, 4, shortcut=shortcut, kernel=kernel)(features).shape == (2, 4, half, half)
        assert Dyad(3, 2, step="up", shortcut=shortcut, kernel=kernel)(features).shape == (2, 2, 2 * side, 2 * side)


def test_a_transposed_convolution_is_the_adjoint_of_the_convolution() -> None:
    """<conv(x), y> = <x, conv^T(y)> with one weight: the decoder's step really mirrors the encoder's."""
    down, up = resizing(3, 4, "down"), resizing(4, 3, "up")
    assert isinstance(down, nn.Conv2d)
    assert isinstance(up, nn.ConvTranspose2d)
    x, y = torch.randn(1, 3, 8, 8, dtype=torch.float64), torch.randn(1, 4, 4, 4, dtype=torch.float64)
    weight = down.weight.detach().double()
    there = functional.conv2d(x, weight, stride=down.stride, padding=down.padding)  # type: ignore[arg-type]
    back = functional.conv_transpose2d(
        y,
        weight,
        stride=up.stride,  # type: ignore[arg-type]
        padding=up.padding,  # type: ignore[arg-type]
        output_padding=up.output_padding,  # type: ignore[arg-type]
    )
    assert torch.allclose((there * y).sum(), (x * back).sum())


def test_inplace_rectifiers_leave_the_input_alone() -> None:
    features = torch.randn(2, 3, 4, 4)
    kept = features.clone()
    Dyad(3, 4)(features)
    assert torch.equal(features, kept)
