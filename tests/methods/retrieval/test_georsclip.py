"""GeoRSCLIP: the choice of a caption that turning the picture does not change."""

from __future__ import annotations

import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.methods.retrieval import georsclip


def test_the_steadiest_caption_by_hand() -> None:
    # Variances over two turns: image 0 (0.04, 0.01, 0.09) -> caption 1; image 1 all 0 -> the first.
    likeness = torch.tensor([[[0.9, 0.3, 0.1], [0.5, 0.5, 0.7]], [[0.2, 0.4, 0.6], [0.2, 0.4, 0.6]]])
    assert georsclip.rotation_invariant_captions(likeness).tolist() == [1, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000))
def test_the_steadiest_caption_is_the_nested_loop(images: int, turns: int, captions: int, seed: int) -> None:
    likeness = torch.rand(images, turns, captions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    chosen = georsclip.rotation_invariant_captions(likeness)
    for image, choice in enumerate(chosen.tolist()):
        spread = [statistics.pvariance(likeness[image, :, c].tolist()) for c in range(captions)]
        assert spread[choice] == pytest.approx(min(spread), abs=1e-12)
