"""Random views of overhead pictures.

Seen from above there is no preferred up: every quarter turn and mirror image is as likely as the original. One affine
sampling does crop, turn and flip together; colours are then varied. All draws come from the given generator, so a
resumed run sees the same views.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def _uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def random_views(images: Tensor, side: int, *, generator: torch.Generator, smallest_area: float = 0.4) -> Tensor:
    """Random crop, stretch, quarter turn, small turn and flip, resampled to ``side`` pixels.

    Args:
        images: (B, 3, H, W) float in [0, 1].
        side: Output side in pixels.
        generator: Source of randomness (CPU).
        smallest_area: Smallest share of the picture that a crop keeps.

    Returns:
        (B, 3, side, side) float in [0, 1].

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> random_views(torch.full((2, 3, 32, 32), 0.5), 16, generator=g).shape
        torch.Size([2, 3, 16, 16])
    """
    count = len(images)
    area = _uniform(generator, (count,), smallest_area, 1).sqrt()
    stretch = _uniform(generator, (count,), -0.2, 0.2).exp()
    across, down = (area * stretch).clamp(max=1), (area / stretch).clamp(max=1)
    turns = torch.randint(0, 4, (count,), generator=generator) * (math.pi / 2)
    angle = turns + _uniform(generator, (count,), -0.2, 0.2)
    mirror = torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1.0
    shift_x = _uniform(generator, (count,), -1, 1) * (1 - across)
    shift_y = _uniform(generator, (count,), -1, 1) * (1 - down)
    cosine, sine = angle.cos(), angle.sin()
    first = torch.stack([cosine * across * mirror, -sine * down, shift_x], 1)
    second = torch.stack([sine * across * mirror, cosine * down, shift_y], 1)
    transform = torch.stack([first, second], 1).to(images.device)
    grid = F.affine_grid(transform, [count, 3, side, side], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def random_colours(images: Tensor, *, generator: torch.Generator, strength: float = 0.3) -> Tensor:
    """Random brightness, contrast, saturation and white balance. (B, 3, H, W) -> (B, 3, H, W), not clipped.

    Args:
        images: Float, about [0, 1].
        generator: Source of randomness (CPU).
        strength: Largest relative change of brightness, contrast and saturation.
    """
    count = len(images)

    def factor(spread: float, channels: int = 1) -> Tensor:
        return _uniform(generator, (count, channels, 1, 1), 1 - spread, 1 + spread).to(images.device)

    mean = images.mean((2, 3), keepdim=True)
    images = (images - mean) * factor(strength) + mean * factor(strength)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * factor(strength)
    return images * factor(0.08, channels=3)


def paste_rectangles(images: Tensor, partners: Tensor, *, generator: torch.Generator) -> tuple[Tensor, float]:
    """Put one rectangle of every picture's partner into the picture, the same rectangle for the whole batch.

    The share that stays is drawn uniformly; where the rectangle leaves the picture it is cut off (CutMix, Yun et al.,
    ICCV 2019, section 3).

    Args:
        images: (B, 3, H, W) float.
        partners: (B,) int64, whose rectangle each picture receives.
        generator: Source of randomness (CPU).

    Returns:
        The pictures (B, 3, H, W), and the share of the area that is their own, in [0, 1].

    Example:
        >>> two = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
        >>> mixed, own = paste_rectangles(two, torch.tensor([1, 0]), generator=torch.Generator().manual_seed(0))
        >>> round(float(mixed[1].mean()), 6) == round(own, 6)
        True
    """
    height, width = images.shape[-2:]
    share, down, across = torch.rand(3, generator=generator).tolist()
    half_height, half_width = height * math.sqrt(1 - share) / 2, width * math.sqrt(1 - share) / 2
    top, bottom = (round(min(max(down * height + step, 0), height)) for step in (-half_height, half_height))
    left, right = (round(min(max(across * width + step, 0), width)) for step in (-half_width, half_width))
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
