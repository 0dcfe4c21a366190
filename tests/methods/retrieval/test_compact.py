import math
from typing import Any

import pytest
import torch

from geoglot.methods.retrieval import compact
from geoglot.nn.batch import PairBatch
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


def pair_batch(**more: Any) -> PairBatch:
    """Four pictures, each with its own sentence, every second one of the same category."""
    generator = torch.Generator().manual_seed(0)
    return PairBatch(
        images=torch.rand(4, 3, 32, 32, generator=generator),
        items=torch.arange(4),
        tokens=torch.randint(1, 40, (4, 8), generator=generator),
        sentences=torch.arange(4),
        translations=torch.zeros(0, 2, dtype=torch.int64),
        categories=torch.tensor([0, 1, 0, 2]),
        words=torch.eye(4, 5),
        **more,
    )


def small_model() -> compact.Model:
    """In evaluation mode: nothing is dropped, so that losses can be compared."""
    torch.manual_seed(0)
    model = compact.Model(compact.Config(**{**compact.SMALL, "memory_from": 2.0})).eval()
    model.sentences_of_item = torch.arange(8)[:, None].repeat(1, 5)
    return model


def test_what_holds_of_a_mixed_picture_is_shared_by_area() -> None:
    batch = pair_batch(partners=torch.tensor([1, 0, 3, 2]), own_area=0.75)
    # picture 0 keeps three quarters: 0.75 of its own row and 0.25 of row 1
    assert compact.of_both(torch.eye(4), batch)[0].tolist() == [0.75, 0.25, 0.0, 0.0]
    assert torch.equal(compact.of_both(torch.eye(4), pair_batch()), torch.eye(4))


def test_losses_of_a_mixed_batch_are_the_weighted_sum_of_both_readings() -> None:
    """Cross-entropy is linear in its target: 0.75 of the losses with own answers, 0.25 with the partners'."""
    model, partners = small_model(), torch.tensor([1, 0, 3, 2])
    own = model.losses(pair_batch())
    theirs = model.losses(pair_batch(partners=partners, own_area=0.0))
    both = model.losses(pair_batch(partners=partners, own_area=0.75))
    for name in ("image_to_text", "text_to_image", "category", "words"):
        assert torch.allclose(both[name], 0.75 * own[name] + 0.25 * theirs[name], atol=1e-5)
        assert not torch.allclose(own[name], theirs[name])


def test_a_mixed_picture_is_not_remembered() -> None:
    model = small_model()
    model.losses(pair_batch(partners=torch.tensor([1, 0, 3, 2]), own_area=0.5))
    assert model.image_memory.filled().tolist() == []
    model.losses(pair_batch())
    assert model.image_memory.filled().tolist() == [0, 1, 2, 3]
