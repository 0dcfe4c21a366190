"""timm and transformers as references, where they are installed; and weights that are the same everywhere."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

SWIN: dict[str, Any] = {"embed": 16, "depths": (2, 2), "heads": (2, 4), "window": 4}
SWIN_SIZE = (80, 96)
"""20 x 24 places, then 10 x 12: with windows of 4 the second stage is padded by 2, as much as windows shift."""
TEXT: dict[str, Any] = {"vocabulary": 40, "width": 16, "layers": 2, "heads": 2, "hidden": 64}
TOKENS = [[3, 17, 29, 5, 0, 0], [21, 8, 0, 0, 0, 0], [4, 5, 6, 7, 8, 9]]
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


def reference(name: str) -> Any:
    """A module, or skip the test."""
    # A CPU build of torch meets torchvision wheels that expect CUDA kernels; nothing here calls these two.
    for signature in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        try:
            _LIBRARY.define(signature)
        except RuntimeError:
            break
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, exc_type=ImportError)


def filled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every tensor as 0.3 cos(1 + 0.37 i^2 + length of its name); scales of norms near 1."""
    out = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            out[name] = tensor
            continue
        index = torch.arange(tensor.numel(), dtype=torch.float64)
        values = 0.3 * torch.cos(1 + 0.37 * index * index + len(name))
        if name.endswith(".weight") and "norm" in name.lower():
            values = 1 + values / 3
        out[name] = values.reshape(tensor.shape).to(tensor.dtype)
    return out


def picture() -> torch.Tensor:
    """(1, 3, 80, 96), a pattern."""
    index = torch.arange(3 * SWIN_SIZE[0] * SWIN_SIZE[1], dtype=torch.float64)
    return torch.sin(0.013 * index + 0.0007 * (index % 311) ** 2).reshape(1, 3, *SWIN_SIZE).float()


def digest(tensor: torch.Tensor) -> list[float]:
    """Five numbers of a tensor: mean, mean square, and three entries."""
    flat = tensor.double().flatten()
    picked = [flat[0], flat[len(flat) // 2], flat[-1]]
    return [round(float(value), 5) for value in (flat.mean(), flat.square().mean(), *picked)]
