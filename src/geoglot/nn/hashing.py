"""Mathematics of learning to hash: networks that end in codes, and what makes codes good."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def signs(values: Tensor) -> Tensor:
    """+1 where a value is at least 0, else -1: a bit is never 0. Any shape, same dtype.

    Example:
        >>> signs(torch.tensor([-0.2, 0.0, 3.0]))
        tensor([-1.,  1.,  1.])
    """
    return torch.where(values >= 0, torch.ones_like(values), -torch.ones_like(values))


class HashNetwork(nn.Module):
    """A feature vector to a soft code: Linear, batch normalisation, ReLU, Linear, tanh.

    Args:
        inputs: Width of the feature.
        hidden: Width of the hidden layer.
        bits: Length of the code.

    Example:
        >>> sum(p.numel() for p in HashNetwork(512, 4096, 64).parameters())  # 2,101,248 + 8,192 + 262,208
        2371648
    """

    def __init__(self, inputs: int, hidden: int, bits: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.output = nn.Linear(hidden, bits)

    def forward(self, features: Tensor) -> Tensor:
        """(M, inputs) -> (M, bits) in (-1, 1)."""
        return torch.tanh(self.output(torch.relu(self.norm(self.hidden(features)))))


def nt_xent(first: Tensor, second: Tensor, *, temperature: float = 1.0, within: bool = True) -> Tensor:
    """Normalised temperature-scaled cross-entropy of M pairs (SimCLR, Chen et al. 2020), one value per pair.

    With z the 2M unit rows of both sides and s_ab = <z_a, z_b> / T, the loss of row a with partner p is
    -s_ap + log sum_b exp(s_ab); b runs over all rows but a itself, or (``within=False``) over the other side alone.
    A pair's value is the sum of its two rows'.

    Args:
        first: (M, D), any length; row k belongs to row k of ``second``.
        second: (M, D).
        temperature: T.
        within: Whether rows of the same side count as wrong answers too.

    Returns:
        (M,)

    Example:
        One pair has no wrong answer, so it costs nothing; of two orthogonal pairs each row sees e^1 and twice e^0,
        so a pair costs 2 (log(e + 2) - 1).

        >>> rows = torch.eye(2)
        >>> nt_xent(rows[:1], rows[:1]), nt_xent(rows, rows)
        (tensor([0.]), tensor([1.1029, 1.1029]))
    """
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    across = first @ second.T / temperature
    own = across.diagonal()
    if not within:
        return across.logsumexp(1) + across.logsumexp(0) - 2 * own
    itself = torch.eye(len(first), dtype=torch.bool, device=first.device)
    first_others = (first @ first.T / temperature).masked_fill(itself, -torch.inf)
    second_others = (second @ second.T / temperature).masked_fill(itself, -torch.inf)
    forth = torch.cat([across, first_others], 1).logsumexp(1)
    back = torch.cat([across.T, second_others], 1).logsumexp(1)
    return forth + back - 2 * own


def quantisation(soft: Tensor, codes: Tensor) -> Tensor:
    """Squared distance of soft codes from binary ones. (M, bits), (M, bits) -> (M,).

    Example:
        >>> quantisation(torch.tensor([[0.5, -1.0]]), torch.tensor([[1.0, 1.0]]))  # 0.5^2 + 2^2
        tensor([4.2500])
    """
    return (codes - soft).square().sum(1)


def bit_balance(soft: Tensor) -> Tensor:
    """Squared sum of a sample's bits: 0 where as many are up as down. (M, bits) -> (M,).

    Example:
        >>> bit_balance(torch.tensor([[1.0, -1.0], [1.0, 0.5]]))
        tensor([0.0000, 2.2500])
    """
    return soft.sum(1).square()


class EpochCodes(nn.Module):
    """The binary code that each training pair is pulled to, held fixed for an epoch at a time.

    Before the first :meth:`refresh` the codes are random signs. Soft codes met during an epoch are remembered and
    become the next epoch's codes.

    Args:
        items: Number of training pairs.
        bits: Length of a code.
    """

    codes: Tensor
    met: Tensor

    def __init__(self, items: int, bits: int) -> None:
        super().__init__()
        random = torch.randint(2, (items, bits), dtype=torch.float32) * 2 - 1
        self.register_buffer("codes", random)
        self.register_buffer("met", random.clone())

    @torch.no_grad()
    def remember(self, items: Tensor, soft: Tensor) -> None:
        """Note what pairs look like now. (M,) int64, (M, bits)."""
        self.met[items] = soft.to(self.met.dtype)

    @torch.no_grad()
    def refresh(self) -> None:
        """Take the signs of what was remembered; a pair that was not met keeps its code."""
        self.codes.copy_(signs(self.met))
