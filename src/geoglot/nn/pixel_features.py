"""From the stage maps of a backbone to one feature per fourth pixel: a feature pyramid with context.

Top-down pathway with lateral connections (Lin et al., Feature Pyramid Networks, CVPR 2017); the coarsest map also gets
the mean of the picture, so that a pixel knows what kind of place it lies in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def separable(width: int) -> nn.Sequential:
    """3 x 3 by channel, then 1 x 1 across them, normalised and rectified. (B, width, H, W) -> the same."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class FeaturePyramid(nn.Module):
    """Stage maps to one map at the finest stage's stride.

    Args:
        channels: Of the stages, finest first.
        width: Of all maps within.
        outputs: D, numbers per position.

    Example:
        >>> pyramid = FeaturePyramid((4, 8, 8), 6, 5).eval()
        >>> pyramid([torch.zeros(2, c, 8 // 2**k, 8 // 2**k) for k, c in enumerate((4, 8, 8))]).shape
        torch.Size([2, 5, 8, 8])
    """

    def __init__(self, channels: Sequence[int], width: int, outputs: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width)) for c in channels
        )
        self.context = nn.Linear(channels[-1], width)
        self.smooth = nn.ModuleList(separable(width) for _ in channels)
        self.refine = separable(width)
        self.output = nn.Conv2d(width, outputs, 1)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_k, ceil(H / 2^k), ceil(W / 2^k)) -> (B, D, H, W)."""
        features = self.lateral[-1](stages[-1]) + self.context(stages[-1].mean((2, 3)))[:, :, None, None]
        features = self.smooth[-1](features)
        for level in range(len(stages) - 2, -1, -1):
            finer = self.lateral[level](stages[level])
            features = F.interpolate(features, finer.shape[2:], mode="nearest") + finer
            features = self.smooth[level](features)
        out: Tensor = self.output(self.refine(features))
        return out


def pooled_evidence(logits: Tensor, sharpness: float = 4.0) -> Tensor:
    """How much a whole picture speaks for something: a soft maximum over its pixels.

    log-mean-exp(r x) / r lies between the mean (r -> 0) and the maximum (r -> infinity) (Pinheiro and Collobert,
    From Image-level to Pixel-level Labeling with Convolutional Networks, CVPR 2015, equation 2).

    Args:
        logits: (..., H, W).
        sharpness: r.

    Returns:
        (...,).

    Example:
        >>> round(pooled_evidence(torch.tensor([[0.0, 1.0]]), 1.0).item(), 4)  # log((1 + e) / 2)
        0.6201
    """
    flat = logits.flatten(-2)
    count = torch.tensor(float(flat.shape[-1]), device=logits.device).log()
    return (torch.logsumexp(sharpness * flat, -1) - count) / sharpness
