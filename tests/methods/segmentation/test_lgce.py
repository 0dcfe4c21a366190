"""What is LGCE's own: its counts, its readings, its ablations, and the step that cannot change a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from geoglot.methods.segmentation.lgce import SMALL, Config, Model, paper_parameters
from geoglot.nn.segmenter import SegmentationBatch

TOKENS = torch.tensor([[4, 5, 0], [6, 7, 8]])


def build(**more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, "vocabulary": 12, "max_length": 8, **more}))


def batch_of() -> SegmentationBatch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 64, 64, generator=generator)
    return SegmentationBatch(images=images, tokens=TOKENS, masks=torch.rand(2, 64, 64, generator=generator) > 0.8)


def test_parameters_are_counted() -> None:
    """Over LAVT: both projections of the mean word, a block a scale (12 d^2 + 13 d), and the step across scales."""
    baseline = 118_847_866
    projections = 769 * 512 + 769 * 1024
    blocks = sum(12 * width**2 + 13 * width for width in (512, 1024))
    across = 513 * 1024 + 1025 * 512 + sum(4 * width**2 + 4 * width + 2 * width for width in (512, 1024))
    assert paper_parameters("baseline") == baseline
    assert paper_parameters("without-cross") == baseline + projections + blocks == 135_777_658
    assert paper_parameters() == paper_parameters("without-cross") + across == 142_079_866
    assert paper_parameters("without-language") == paper_parameters() + 768  # the learnt vector


def test_both_readings_have_one_count() -> None:
    counts = {sum(p.numel() for p in build(cross=cross).parameters()) for cross in ("crossvit", "full")}
    assert len(counts) == 1


@torch.no_grad()
@pytest.mark.parametrize("cross", ["crossvit", "full"])
def test_step_across_scales(cross: str) -> None:
    """The dead path: under ``crossvit`` no weight of the step changes a mask; under ``full`` they do."""
    model = build(cross=cross).eval()
    before = model.logits(batch_of().images, TOKENS)
    moved = 0
    for name, parameter in model.named_parameters():
        if name.startswith(("exchange.cross.", "exchange.across.")):
            parameter.normal_()
            moved += parameter.numel()
    assert moved > 1000
    assert torch.equal(model.logits(batch_of().images, TOKENS), before) == (cross == "crossvit")


def test_step_across_scales_learns_only_in_full() -> None:
    for cross in ("crossvit", "full"):
        model = build(cross=cross).train()
        model.losses(batch_of())["total"].backward()
        learnt = [
            name
            for name, parameter in model.named_parameters()
            if name.startswith(("exchange.cross.", "exchange.across."))
            and parameter.grad is not None
            and bool((parameter.grad != 0).any())
        ]
        assert bool(learnt) == (cross == "full")


@torch.no_grad()
def test_crossvit_gives_what_no_step_gives() -> None:
    """With the same weights elsewhere: the ablation of the step ablates nothing."""
    model, without = build().eval(), build(variant="without-cross").eval()
    shared = {name: t for name, t in model.state_dict().items() if name in without.state_dict()}
    without.load_state_dict(shared)
    assert torch.equal(model.logits(batch_of().images, TOKENS), without.logits(batch_of().images, TOKENS))


@torch.no_grad()
def test_leading_vector_of_each_variant() -> None:
    words, real = torch.randn(2, 3, 8), TOKENS != 0
    model = build()
    assert torch.allclose(model.leading(words, real)[0], words[0, :2].mean(0))
    assert torch.allclose(build(mean="all").leading(words, real)[0], words[0].mean(0))
    learnt = build(variant="without-language").leading(words, real)
    assert torch.equal(learnt[0], learnt[1])


@torch.no_grad()
def test_without_language_still_reads_in_the_stages() -> None:
    model = build(variant="without-language").eval()
    images = batch_of().images[:1]
    one, two = (model.logits(images, torch.tensor([tokens])) for tokens in ([4, 5], [8, 9]))
    assert (one - two).abs().max() > 1e-6
