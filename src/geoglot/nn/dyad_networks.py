"""Encoder, decoder and discriminator built of residual-dyads, or of the plain pairs they are compared with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from geoglot.core.errors import UsageError
from geoglot.nn.dyad import DOWN, UP, Dyad, Shortcut, resizing

Stem = Literal["convolutions", "resnet"]
Latent = Literal["8x8x512", "1x1x1024", "8x8x20"]

STRIDE: Final = 32
NARROW: Final = 20


def latent_shape(side: int, widths: Sequence[int], latent: Latent) -> tuple[int, int, int]:
    """(C, H, W) of what the encoder makes of a picture; ``latent`` is named by what it is at 256 pixels.

    Raises:
        UsageError: The side is no multiple of 32, or no power of two of them where the map shrinks to one pixel.

    Example:
        >>> [latent_shape(128, (64, 128, 256, 512), name) for name in ("8x8x512", "1x1x1024", "8x8x20")]
        [(512, 4, 4), (1024, 1, 1), (20, 4, 4)]
    """
    cells = side // STRIDE
    if side % STRIDE or cells < 1:
        raise UsageError(f"side={side}", cause="the encoder divides a side by 32", remedy="give a multiple of 32")
    if latent == "1x1x1024":
        if cells & (cells - 1) or cells == 1:
            cause = "a map is halved until one pixel is left"
            raise UsageError(f"side={side}", cause=cause, remedy="give 64, 128, 256 or 512")
        return 2 * widths[-1], 1, 1
    return (NARROW if latent == "8x8x20" else widths[-1]), cells, cells


def activated(channels: int, layer: nn.Module) -> nn.Sequential:
    """Normalise, rectify, then a layer. (B, channels, H, W) -> what the layer makes."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True), layer)


def start_convolutions(network: nn.Module) -> None:
    """Draw weights as He et al. 2015 for rectified units; biases start at zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Encoder(nn.Module):
    """Stem of stride 4, three dyads, and where the latent is no 8x8x512 a last part that makes it smaller.

    Args:
        side: Side of the pictures, a multiple of 32.
        widths: Channels behind the stem and behind each dyad.
        stem: ``convolutions`` are two of 3x3 and stride 2; ``resnet`` is one of 7x7 and a maximum over 3x3.
        latent: By its name at 256 pixels.
        shortcut: That of every block B; ``identity`` makes plain residual blocks of all.

    Example:
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in Encoder(256).parameters())
        7788352
    """

    def __init__(
        self,
        side: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        *,
        stem: Stem = "convolutions",
        latent: Latent = "8x8x512",
        shortcut: Shortcut = "3x3",
    ) -> None:
        super().__init__()
        self.shape = latent_shape(side, widths, latent)
        first = widths[0]
        if stem == "convolutions":
            self.stem = nn.Sequential(resizing(3, first, DOWN), activated(first, resizing(first, first, DOWN)))
        else:
            large = nn.Conv2d(3, first, 7, stride=2, padding=3)
            self.stem = nn.Sequential(large, activated(first, nn.MaxPool2d(3, stride=2, padding=1)))
        self.dyads = nn.Sequential(*(Dyad(a, b, shortcut=shortcut) for a, b in itertools.pairwise(widths)))
        self.last = nn.Sequential(*_narrowing(side, widths[-1], latent))
        start_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) in [0, 1] -> (B, C, H, W)."""
        features: Tensor = self.last(self.dyads(self.stem(images.contiguous(memory_format=torch.channels_last))))
        return features


class Decoder(nn.Module):
    """The encoder backwards: three transposed dyads, then two transposed convolutions, and a sigmoid."""

    def __init__(
        self,
        side: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        *,
        latent: Latent = "8x8x512",
        shortcut: Shortcut = "3x3",
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(*_widening(side, widths[-1], latent))
        backwards = itertools.pairwise(reversed(widths))
        self.dyads = nn.Sequential(*(Dyad(a, b, step=UP, shortcut=shortcut) for a, b in backwards))
        last = widths[0]
        self.last = nn.Sequential(activated(last, resizing(last, last, UP)), activated(last, resizing(last, 3, UP)))
        start_convolutions(self)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 3, side, side) in [0, 1]."""
        return torch.sigmoid(self.last(self.dyads(self.first(features))))


def _narrowing(side: int, width: int, latent: Latent) -> list[nn.Module]:
    if latent == "8x8x20":
        return [activated(width, nn.Conv2d(width, NARROW, 3, padding=1))]
    if latent == "1x1x1024":
        steps = int(math.log2(side // STRIDE))
        outputs = [width] * (steps - 1) + [2 * width]
        return [activated(width, resizing(width, out, DOWN)) for out in outputs]
    return []


def _widening(side: int, width: int, latent: Latent) -> list[nn.Module]:
    if latent == "8x8x20":
        return [nn.Conv2d(NARROW, width, 3, padding=1)]
    if latent == "1x1x1024":
        inputs = [2 * width] + [width] * (int(math.log2(side // STRIDE)) - 1)
        return [activated(given, resizing(given, width, UP)) for given in inputs]
    return []


class PairConvolution(nn.Conv2d):
    """A convolution over two maps stacked by channel, which can be had in two parts, one of each map.

    It is linear: what it makes of the stack is the sum of what its first half of the filters makes of the first map,
    and its second half of the second. Q queries against N images cost Q + N convolutions instead of Q x N.

    Args:
        channels: Of one map.
        outputs: Channels that go out.
        kernel: Side of the filters.

    Example:
        >>> both, a, b = PairConvolution(4, 6), torch.rand(1, 4, 5, 5), torch.rand(1, 4, 5, 5)
        >>> torch.allclose(both(torch.cat([a, b], 1)), both.of_first(a) + both.of_second(b), atol=1e-6)
        True
    """

    def __init__(self, channels: int, outputs: int, *, kernel: int = 3) -> None:
        super().__init__(2 * channels, outputs, kernel, padding=kernel // 2)
        self.channels = channels

    def of_first(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, H, W); the bias is in this half."""
        return functional.conv2d(features, self.weight[:, : self.channels], self.bias, padding=self.padding)

    def of_second(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, H, W)."""
        return functional.conv2d(features, self.weight[:, self.channels :], padding=self.padding)


class Trunk(nn.Module):
    """What the discriminator does behind its first convolution: normalise, rectify, dyad, rectify, convolve, connect.

    Args:
        shape: (C, H, W) of what comes in.
        widths: Channels behind the dyad and behind the last convolution.
        outputs: Numbers that go out.
        shortcut: That of block B.
        kernel: Side of the convolutions.
    """

    def __init__(
        self, shape: tuple[int, int, int], widths: tuple[int, int], outputs: int, *, shortcut: Shortcut, kernel: int
    ) -> None:
        super().__init__()
        channels, height, width = shape
        self.norm = nn.BatchNorm2d(channels)
        self.dyad = Dyad(channels, widths[0], shortcut=shortcut, kernel=kernel)
        self.last = nn.Conv2d(widths[0], widths[1], kernel, padding=kernel // 2)
        self.connected = nn.Linear(widths[1] * math.ceil(height / 2) * math.ceil(width / 2), outputs)
        start_convolutions(self)

    def forward(self, features: Tensor) -> Tensor:
        """(P, C, H, W) -> (P, outputs)."""
        inner = self.dyad(functional.relu(self.norm(features), inplace=True))
        out: Tensor = self.connected(self.last(functional.relu(inner, inplace=True)).flatten(1))
        return out


def kernel_for(shape: tuple[int, int, int]) -> int:
    """3, or 1 for a vector, of which filters of 3x3 would see their middle only.

    Example:
        >>> kernel_for((512, 8, 8)), kernel_for((1024, 1, 1))
        (3, 1)
    """
    return 1 if shape[1:] == (1, 1) else 3


class Discriminator(nn.Module):
    """Two maps to the two numbers of a softmax: of not matching, and of matching.

    Args:
        shape: (C, H, W) of one image's features.
        widths: Channels behind the first convolution, the dyad and the last convolution.
        shortcut: That of block B.
    """

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, int, int], *, shortcut: Shortcut) -> None:
        super().__init__()
        kernel = kernel_for(shape)
        self.pair = PairConvolution(shape[0], widths[0], kernel=kernel)
        inner = (widths[0], shape[1], shape[2])
        self.trunk = Trunk(inner, widths[1:], 2, shortcut=shortcut, kernel=kernel)
        start_convolutions(self.pair)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (P, widths[0], H, W), parts of the first convolution -> (P, 2)."""
        out: Tensor = self.trunk(left + right)
        return out
