"""What is LAVT's own: its count, what is idle in it, and that words reach every stage."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from geoglot.engine.optimisers import parameter_groups
from geoglot.engine.recipe import Optimiser
from geoglot.methods.segmentation.lavt import SMALL, Config, Model, paper_parameters

TOKENS = torch.tensor([[4, 5, 0], [6, 7, 8]])


def build(**more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, "vocabulary": 12, "max_length": 8, **more}))


def test_parameters_are_the_papers() -> None:
    """Trunk 86,880,376 (see the count of Swin-B), reading and gates 11,316,480, decoder 20,651,010: 118.85 million."""
    assert paper_parameters() == 86_880_376 + 11_316_480 + 20_651_010 == 118_847_866
    assert round(paper_parameters() / 1e6, 2) == 118.85


def test_words_are_berts_at_the_paper_sizes() -> None:
    with torch.device("meta"):
        model = Model(Config())
    assert sum(p.numel() for p in model.text.parameters()) == 108_891_648
    # the first ten blocks learn: 7,087,872 each
    assert sum(p.numel() for p in model.text.parameters() if p.requires_grad) == 10 * 7_087_872
    idle = sum(p.numel() for name, p in model.named_parameters() if name.startswith(model.idle))
    assert idle == 2 * 1024**2


@torch.no_grad()
def test_idle_gate_changes_no_mask() -> None:
    model = build().eval()
    images = torch.rand(2, 3, 64, 64)
    before = model.logits(images, TOKENS)
    for name, parameter in model.named_parameters():
        if name.startswith(model.idle):
            parameter.add_(1)
    assert torch.equal(model.logits(images, TOKENS), before)


@pytest.mark.parametrize("stage", range(4))
@torch.no_grad()
def test_every_stage_reads_the_phrase(stage: int) -> None:
    model = build().eval()
    images = torch.rand(1, 3, 64, 64)
    real = torch.ones(1, 3, dtype=torch.bool)
    words = torch.randn(2, 1, 3, SMALL["text_width"])
    one, two = (model.trunk(images, part, real)[stage] for part in words)
    assert (one - two).abs().max() > 1e-4


@pytest.mark.parametrize("text", ["transformer", "recurrent"])
@torch.no_grad()
def test_one_word_alone_is_read(text: str) -> None:
    """Among one word there is no choice, so every place would read the same and the norm would make nothing of it."""
    model = build(text=text).eval()
    with torch.no_grad():
        model.text.embedding.weight.normal_()
    images = torch.rand(1, 3, 64, 64)

    def seen(tokens: list[int]) -> torch.Tensor:
        marked = model.config.marked(torch.tensor([tokens]))
        return model.trunk(images, model.text(marked), marked != 0)[0]

    assert (seen([4]) - seen([9])).abs().max() > 1e-2
    assert torch.allclose(seen([4]), seen([4, 0, 0]), atol=1e-4)
    alone = model.text(torch.tensor([[4]])), model.text(torch.tensor([[9]]))
    bare = [model.trunk(images, words, torch.ones(1, 1, dtype=torch.bool))[0] for words in alone]
    assert (bare[0] - bare[1]).abs().max() < 1e-3  # what the marks are for


def test_longest_phrase_fits_between_its_marks() -> None:
    model = build().eval()
    assert model.logits(torch.rand(1, 3, 64, 64), torch.full((1, 8), 11)).shape == (1, 64, 64)
    assert build(text="bert", trained_text_layers=None).config.words.vocabulary == 12
    assert model.config.words.vocabulary == 14


def test_weights_of_classes_are_used() -> None:
    from geoglot.nn.segmenter import SegmentationBatch

    batch = SegmentationBatch(images=torch.rand(2, 3, 64, 64), tokens=TOKENS, masks=torch.rand(2, 64, 64) > 0.9)
    with torch.no_grad():
        one = build().eval().losses(batch)["total"]
        two = build(class_weights=(0.1, 10.0)).eval().losses(batch)["total"]
    assert (one - two).abs() > 1e-4


def test_norms_and_position_biases_are_not_decayed() -> None:
    model = build()
    groups = parameter_groups(model, Optimiser(weight_decay=0.01))
    by_decay: dict[float, set[int]] = {0.0: set(), 0.01: set()}
    for group in groups:
        by_decay[group["weight_decay"]] |= {id(p) for p in group["params"]}
    named = {id(p): name for name, p in model.named_parameters()}
    kept = {named[found] for found in by_decay[0.0]}
    assert "trunk.swin.layers.0.blocks.0.attn.relative_position_bias_table" in kept
    assert "trunk.swin.norm3.weight" in kept
    assert all("norm" in name or name.endswith("bias_table") for name in kept)
    assert len(by_decay[0.0]) + len(by_decay[0.01]) == len(named)


@pytest.mark.parametrize("text", ["bert", "xlm-roberta", "recurrent"])
def test_other_encoders_of_words(text: str) -> None:
    model = build(text=text, trained_text_layers=None)
    model.logits(torch.rand(2, 3, 64, 64), TOKENS).sum().backward()
    assert all(parameter.grad is not None for parameter in model.text.parameters() if parameter.ndim > 1)


def test_visual_network_may_learn_slower() -> None:
    model = build(visual_rate=0.1)
    named = {id(p): name for name, p in model.named_parameters()}
    for group in parameter_groups(model, Optimiser()):
        expected = {named[id(p)].startswith("trunk.swin.") for p in group["params"]}
        assert expected == {group["factor"] == 0.1}


def test_residual_network_in_place_of_swin() -> None:
    """It reads the phrase between its stages, for pictures of any size, and all of it but the last gate learns."""
    model = build(visual="compact", channels=(8, 12, 12, 16)).train()
    images = torch.rand(2, 3, 50, 71)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    assert model.logits(images, TOKENS).shape == (2, 50, 71)
    model.logits(images, TOKENS).square().mean().backward()
    unmoved = {n for n, p in model.named_parameters() if p.grad is None or not bool((p.grad != 0).any())}
    assert all(name.startswith((*model.idle, "text.embedding")) for name in unmoved)
    model.eval()
    with torch.no_grad():
        one, two = (model.logits(images[:1], torch.tensor([tokens])) for tokens in ([4, 5], [8, 9]))
    assert (one - two).abs().max() > 1e-6
