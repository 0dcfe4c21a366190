"""The residual-dyad: a block with an identity shortcut, then one whose shortcut is a convolution that halves the map.

Both are full pre-activation blocks: normalise, rectify, convolve, twice, and add. A twin with transposed convolutions
doubles the map, for decoders; a plain pair, whose second shortcut has no parameters, is what the dyad is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from torch import Tensor, nn
from torch.nn import functional

Step = Literal["down", "up"]
Shortcut = Literal["3x3", "1x1", "identity"]
Map = Callable[[Tensor], Tensor]

DOWN: Final[Step] = "down"
UP: Final[Step] = "up"


def resizing(inputs: int, outputs: int, step: Step, *, kernel: int = 3) -> nn.Module:
    """A convolution of stride 2, or a transposed one. (B, inputs, H, W) -> (B, outputs, ceil(H/2) or 2H, ...).

    Example:
        >>> import torch
        >>> for step in ("down", "up"):
        ...     print(tuple(resizing(4, 6, step)(torch.zeros(1, 4, 8, 8)).shape))
        (1, 6, 4, 4)
        (1, 6, 16, 16)
    """
    if step == DOWN:
        return nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2)
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, output_padding=1)


class Change(nn.Module):
    """The residual function F: normalise, rectify, convolve, twice; the first convolution may change the size.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        step: ``down`` halves the map, ``up`` doubles it, ``None`` keeps it.
        kernel: Side of the convolutions.
    """

    def __init__(self, inputs: int, outputs: int, *, step: Step | None = None, kernel: int = 3) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(inputs)
        self.first = (
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
            if step is None
            else resizing(inputs, outputs, step, kernel=kernel)
        )
        self.second_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, kernel, padding=kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        between = self.first(functional.relu(self.first_norm(features), inplace=True))
        out: Tensor = self.second(functional.relu(self.second_norm(between), inplace=True))
        return out


class BlockA(nn.Module):
    """phi + F(phi), equation 10: full pre-activation with an identity shortcut. Keeps (B, C, H, W)."""

    def __init__(self, channels: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.change = Change(channels, channels, kernel=kernel)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out: Tensor = features + self.change(features)
        return out


class ResizedIdentity(nn.Module):
    """A shortcut without parameters that fits another size.

    Downwards every second pixel is kept and channels that are missing are zeros; upwards every pixel is repeated and
    channels that are too many are left out.
    """

    def __init__(self, inputs: int, outputs: int, step: Step) -> None:
        super().__init__()
        self.inputs, self.outputs, self.step = inputs, outputs, step

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H/2) or 2H, ...)."""
        kept = features[:, : self.outputs]
        if self.step == UP:
            return functional.interpolate(kept, scale_factor=2, mode="nearest")
        return functional.pad(kept[:, :, ::2, ::2], (0, 0, 0, 0, 0, max(0, self.outputs - self.inputs)))


class BlockB(nn.Module):
    """H(u) + F(u), equation 11: full pre-activation with a convolution H in the shortcut; halves or doubles the map.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        step: ``down`` or ``up``.
        shortcut: ``3x3`` or ``1x1``, the filter of H; ``identity`` puts a shortcut without parameters in its place.
        kernel: Side of the convolutions of F, and of H where it is ``3x3``.
    """

    def __init__(
        self, inputs: int, outputs: int, *, step: Step = DOWN, shortcut: Shortcut = "3x3", kernel: int = 3
    ) -> None:
        super().__init__()
        self.shortcut: nn.Module
        if shortcut == "identity":
            self.shortcut = ResizedIdentity(inputs, outputs, step)
        else:
            self.shortcut = resizing(inputs, outputs, step, kernel=kernel if shortcut == "3x3" else 1)
        self.change = Change(inputs, outputs, step=step, kernel=kernel)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H/2) or 2H, ...)."""
        out: Tensor = self.shortcut(features) + self.change(features)
        return out


class Dyad(nn.Module):
    """Block A, then block B; ``step="up"`` is the transposed twin of a decoder.

    With ``shortcut="identity"`` it is what networks without dyads have in its place: as many convolutions on the way,
    and shortcuts that are identities throughout.

    Args:
        inputs: Channels that come in, and of block A.
        outputs: Channels that go out.
        step: ``down`` halves the map, ``up`` doubles it.
        shortcut: That of block B.
        kernel: Side of the convolutions; 1 is for features that are a vector, (B, C, 1, 1), where it is all of 3x3
            that ever meets a number.

    Example:
        >>> import torch
        >>> Dyad(4, 8)(torch.zeros(2, 4, 8, 8)).shape, Dyad(8, 4, step="up")(torch.zeros(2, 8, 4, 4)).shape
        (torch.Size([2, 8, 4, 4]), torch.Size([2, 4, 8, 8]))
        >>> sum(p.numel() for p in Dyad(64, 128).parameters()) == 90 * 64**2 + 18 * 64
        True
    """

    def __init__(
        self, inputs: int, outputs: int, *, step: Step = DOWN, shortcut: Shortcut = "3x3", kernel: int = 3
    ) -> None:
        super().__init__()
        self.block_a = BlockA(inputs, kernel=kernel)
        self.block_b = BlockB(inputs, outputs, step=step, shortcut=shortcut, kernel=kernel)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H/2) or 2H, ...)."""
        out: Tensor = self.block_b(self.block_a(features))
        return out


def composed(features: Tensor, change_a: Map, shortcut: Map, change_b: Map) -> Tensor:
    """Equations 10 and 11 one after the other: u = phi + F_A(phi), then H(u) + F_B(u). What :class:`Dyad` computes."""
    inner = features + change_a(features)
    return shortcut(inner) + change_b(inner)


def as_printed(features: Tensor, change_a: Map, shortcut: Map, change_b: Map) -> Tensor:
    """Equation 12: H(phi) + F_B(phi) + H(F_A(phi)) + F_B(F_A(phi)). For comparison; no network here computes it.

    It follows from :func:`composed` by taking both maps of the sum apart, H(phi + F_A(phi)) = H(phi) + H(F_A(phi)) and
    the same of F_B. The first step is right for a convolution without bias (a bias is then counted twice). The second
    is right only where F_B is linear as well, and F_B rectifies: relu(a + b) is not relu(a) + relu(b). A network built
    as printed would also run F_B twice. The print swaps the two letters phi of equation 10 besides, and gives the
    residual functions of blocks A and B parameters of one name, though the blocks differ in stride and width.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> def negate(x): return -2 * x
        >>> def twice(x): return 2 * x
        >>> composed(one, negate, twice, twice), as_printed(one, negate, twice, twice)
        (tensor([-4.]), tensor([-4.]))
        >>> composed(one, negate, twice, torch.relu), as_printed(one, negate, twice, torch.relu)
        (tensor([-2.]), tensor([-1.]))
    """
    change = change_a(features)
    return shortcut(features) + change_b(features) + shortcut(change) + change_b(change)
