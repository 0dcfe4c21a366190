import math

import pytest
import torch

from geoglot.methods.retrieval import compact
from geoglot.nn.memory import EmbeddingMemory


def test_parameter_count_of_the_shipped_sizes() -> None:
    # image network 4,372,180 (stem 3*20*9+40 + 20*40*9+80, four stages), pooling and heads beside it
    model = compact.Model(compact.Config())
    assert sum(p.numel() for p in model.image.network.parameters()) == 4_372_180
    assert sum(p.numel() for p in model.parameters()) == 7_785_678


def test_translation_gap_of_known_angles() -> None:
    # cos 60 degrees = 0.5, so the gap is 0.5; a text equal to its twin costs nothing
    texts = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)], [1.0, 0.0]])
    gaps = compact.translation_gap(texts, torch.tensor([[1, 0], [2, 0]]))
    assert gaps.tolist() == pytest.approx([0.5, 0.0], abs=1e-6)


def test_english_is_held_fixed_by_the_translation_gap() -> None:
    texts = torch.nn.functional.normalize(torch.randn(2, 4), dim=1).requires_grad_()
    compact.translation_gap(texts, torch.tensor([[1, 0]])).sum().backward()
    assert texts.grad is not None
    assert texts.grad[0].abs().sum() == 0
    assert texts.grad[1].abs().sum() > 0


def test_memory_contrast_looks_only_at_what_was_seen() -> None:
    memory = EmbeddingMemory(4, 2)
    memory.write(torch.tensor([0, 2]), torch.eye(2))
    positives = torch.tensor([[True, False, False, True]])
    loss = compact.memory_contrast(torch.tensor([[1.0, 0.0]]), memory, positives, torch.tensor(1.0))
    # logits 1 and 0 for items 0 and 2; the positive is item 0: log(1 + e^-1) = 0.313262
    assert loss.tolist() == pytest.approx([0.313262], abs=1e-6)


def test_temperature_is_clamped() -> None:
    model = compact.Model(compact.Config(**compact.SMALL))
    assert float(model.temperature.detach()) == pytest.approx(0.07)
    torch.nn.init.constant_(model.log_temperature, -100.0)
    assert float(model.temperature.detach()) == pytest.approx(0.01)
