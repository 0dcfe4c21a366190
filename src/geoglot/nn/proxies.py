"""Classes as directions: one proxy each, images are told apart by their cosine to them; and cosines as odds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NEWTON_STEPS = 100
_EVEN = 1e-10


def proxy_logits(embeddings: Tensor, proxies: Tensor, temperature: float) -> Tensor:
    """Cosine of every embedding with every proxy over the temperature. (B, D), (K, D) -> (B, K).

    Example:
        >>> proxy_logits(torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 9.0]]), 0.1)  # 0.6 and 0.8
        tensor([[6., 8.]])
    """
    return functional.normalize(embeddings, dim=1) @ functional.normalize(proxies, dim=1).T / temperature


def normalised_softmax(embeddings: Tensor, proxies: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of a softmax over cosines to proxies. (B, D), (K, D), (B,) int64 -> (B,).

    Example:
        >>> proxies = torch.eye(2)
        >>> loss = normalised_softmax(torch.tensor([[1.0, 0.0]]), proxies, torch.tensor([0]), 0.5)
        >>> bool(torch.isclose(loss, torch.log(1 + torch.exp(torch.tensor([-2.0])))))
        True
    """
    return functional.cross_entropy(proxy_logits(embeddings, proxies, temperature), labels, reduction="none")


class CosineOdds(nn.Module):
    """Log odds that two unit vectors are of one kind: exp(log_scale) cosine + offset, which rises with the cosine.

    Args:
        scale: At the start.
        offset: At the start.
    """

    def __init__(self, scale: float = 10.0, offset: float = -5.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, cosines: Tensor) -> Tensor:
        """(P,) -> (P,)."""
        return self.log_scale.exp() * cosines + self.offset

    @torch.no_grad()
    def fit(self, cosines: Tensor, same: Tensor) -> None:
        """Set scale and offset to what :func:`fitted_odds` finds; a scale that is not positive leaves both as they are.

        Args:
            cosines: (P,) of pairs that no parameter was trained on.
            same: (P,) bool.
        """
        scale, offset = fitted_odds(cosines, same)
        if scale > 0:
            self.log_scale.fill_(scale).log_()
            self.offset.fill_(offset)


def fitted_odds(cosines: Tensor, same: Tensor) -> tuple[float, float]:
    """Scale and offset of the logistic curve through pairs, pairs of both kinds weighing alike (Platt 1999).

    Targets are (n + 1) / (n + 2) and 1 / (n + 2), with n the number of pairs of a kind, so that the curve is no step
    where the cosines separate the two kinds. Found by Newton's method with halved steps.

    Args:
        cosines: (P,).
        same: (P,) bool; both kinds must occur, or nothing can be learned and (0, 0) is returned.

    Example:
        >>> scale, offset = fitted_odds(torch.tensor([1.0, -1.0]), torch.tensor([True, False]))
        >>> round(scale, 4), abs(offset) < 1e-9  # one pair of a kind: the target at 1 is 2 / 3, its log odds log 2
        (0.6931, True)
    """
    cosines, same = cosines.double(), same.bool()
    matching, others = int(same.sum()), int((~same).sum())
    if matching == 0 or others == 0:
        return 0.0, 0.0
    one = torch.ones_like(cosines)
    targets = torch.where(same, one * (matching + 1) / (matching + 2), one / (others + 2))
    weights = torch.where(same, one / (2 * matching), one / (2 * others))
    inputs = torch.stack([cosines, one], 1)

    def loss(at: Tensor) -> Tensor:
        return (weights * functional.binary_cross_entropy_with_logits(inputs @ at, targets, reduction="none")).sum()

    found = torch.zeros(2, dtype=torch.float64, device=cosines.device)
    for _ in range(NEWTON_STEPS):
        chances = torch.sigmoid(inputs @ found)
        gradient = inputs.T @ (weights * (chances - targets))
        curvature = (inputs * (weights * chances * (1 - chances))[:, None]).T @ inputs
        step = torch.linalg.solve(curvature + _EVEN * torch.eye(2).to(curvature), gradient)
        length, before = 1.0, loss(found)
        while length > _EVEN and loss(found - length * step) > before:
            length /= 2
        found = found - length * step
        if float(step.abs().max()) * length < 1e-12:
            break
    return float(found[0]), float(found[1])
