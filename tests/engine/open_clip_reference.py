"""open_clip as a reference, where it is installed; the tests that need it skip elsewhere."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch


def open_clip() -> Any:
    """The module, or skip the test."""
    # A CPU build of torch meets torchvision wheels that expect CUDA kernels; open_clip calls neither of these two.
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
        return pytest.importorskip("open_clip", exc_type=ImportError)


_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


def filled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights everywhere: 0.3 cos(1 + 0.37 i^2 + place in sorted order), norms' scales near 1."""
    out = {}
    for place, name in enumerate(sorted(state)):
        tensor = state[name]
        if not tensor.is_floating_point():
            out[name] = tensor
            continue
        index = torch.arange(tensor.numel(), dtype=torch.float64)
        values = 0.3 * torch.cos(1 + 0.37 * index * index + place)
        if _is_scale(name):
            values = 1 + values / 3
        out[name] = values.reshape(tensor.shape).to(tensor.dtype)
    return out


def _is_scale(name: str) -> bool:
    return name.endswith(".weight") and ("ln_" in name or "LayerNorm" in name)
