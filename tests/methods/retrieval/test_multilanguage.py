"""The multilanguage transformer: golden parameters, pooling by hand, the loss against nested loops, the switches."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from geoglot.core.errors import UsageError
from geoglot.engine.launch import method_recipe
from geoglot.methods.retrieval import multilanguage
from geoglot.methods.retrieval.multilanguage import Config, Model
from geoglot.nn.batch import PairBatch
from geoglot.nn.clip import resized_positions
from geoglot.nn.clip_losses import paired_contrast


def small(**changes: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**multilanguage.SMALL, **changes})).eval()


def batch(sentences: list[int], items: list[int] | None = None) -> PairBatch:
    generator = torch.Generator().manual_seed(0)
    size = len(sentences)
    return PairBatch(
        images=torch.rand(size, 3, 64, 64, generator=generator),
        items=torch.tensor(items or list(range(size))),
        tokens=torch.randint(2, 40, (size, 6), generator=generator),
        sentences=torch.tensor(sentences),
        translations=torch.zeros(0, 2, dtype=torch.int64),
        categories=torch.zeros(size, dtype=torch.int64),
        words=torch.zeros(size, 5),
    )


def test_golden_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    assert sum(p.numel() for p in model.visual.parameters()) == 87_849_216
    assert sum(p.numel() for p in model.text.parameters()) == 63_428_096
    assert multilanguage.paper_parameters() == 87_849_216 + 63_428_096 + 1 == 151_277_313


def test_paper_sizes() -> None:
    with torch.device("meta"):
        model = Model(Config())
    assert model.visual.positional_embedding.shape == (49 + 1, 768)
    assert model.visual.proj.shape == (768, 512)
    assert model.text.positional_embedding.shape == (77, 512)
    assert model.text.token_embedding.weight.shape == (49_408, 512)
    assert not model.text.text_projection.requires_grad


def test_images_are_averaged_without_the_class_token() -> None:
    model = small()
    pictures = batch([0, 1]).images
    with torch.no_grad():
        tokens = model.visual.tokens(model.visual.embeddings(pictures))
        assert tokens.shape == (2, 1 + 16, 16)
        mean = sum(tokens[:, k] for k in range(1, 17)) / 16 @ model.visual.proj
        assert torch.allclose(model.encode_image(pictures), mean / mean.norm(dim=1, keepdim=True), atol=1e-5)
        first = small(pool="cls_eot", text_projection=True)
        alone = tokens[:, 0] @ model.visual.proj
        assert torch.allclose(first.encode_image(pictures), alone / alone.norm(dim=1, keepdim=True), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "averaged"),
    [
        ({"markers": False}, [[0, 1, 2, 3, 4], [0, 1]]),
        ({"markers": True}, [[1, 2, 3], [1]]),  # a text of two markers has no word: its end stands for it
        ({"markers": False, "gap_over": "all77"}, [[0, 1, 2, 3, 4, 5, 6, 7]] * 2),
        ({"markers": True, "gap_over": "all77"}, [[1, 2, 3, 4, 5, 6, 7]] * 2),
    ],
)
def test_texts_are_averaged_over_the_tokens_asked_for(changes: dict[str, Any], averaged: list[list[int]]) -> None:
    model = small(**changes)
    tokens = torch.tensor([[38, 5, 6, 7, 39, 0], [38, 39, 0, 0, 0, 0]])
    with torch.no_grad():
        prepared = model.text.prepared(tokens)
        features = model.text.tokens(model.text.embeddings(prepared), prepared)
        for row, places in enumerate(averaged):
            mean = sum(features[row, k] for k in places) / len(places)
            assert torch.allclose(model.encode_text(tokens)[row], mean / mean.norm(), atol=1e-5)


def test_the_end_is_the_largest_id_in_clips_vocabulary_and_the_last_token_elsewhere() -> None:
    tokens = torch.tensor([[38, 5, 39, 2, 0, 0], [38, 39, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    assert small(markers=True).text.end(tokens).tolist() == [3, 1, 0]
    with torch.device("meta"):
        text = Model(Config()).text
    clip = torch.tensor([[49_406, 5, 49_407, 0], [49_406, 49_407, 0, 0]])
    assert text.config.has_markers
    assert text.end(clip).tolist() == [2, 1]


def test_a_causal_text_does_not_see_what_follows() -> None:
    tokens = torch.tensor([[5, 6, 7, 8]])
    changed = torch.tensor([[5, 6, 7, 9]])

    def features(model: Model, given: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model.text.tokens(model.text.embeddings(given), given)

    causal, both = small(), small(causal=False)
    assert torch.equal(features(causal, tokens)[:, :3], features(causal, changed)[:, :3])
    assert not torch.allclose(features(both, tokens)[:, :3], features(both, changed)[:, :3], atol=1e-4)
    padded = torch.tensor([[5, 6, 7, 8, 0, 0]])
    with torch.no_grad():
        assert torch.allclose(both.encode_text(tokens), both.encode_text(padded), atol=1e-5)
        assert torch.isfinite(both.encode_text(torch.zeros(1, 3, dtype=torch.int64))).all()


def naive(logits: list[list[float]], ignored: list[list[bool]]) -> list[float]:
    losses = []
    for i, row in enumerate(logits):
        total = sum(math.exp(value) for j, value in enumerate(row) if not ignored[i][j])
        losses.append(-math.log(math.exp(row[i]) / total))
    return losses


def test_contrast_is_the_nested_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(5, 5, generator=generator, dtype=torch.float64)
    ignored = torch.zeros(5, 5, dtype=torch.bool)
    ignored[0, 3] = ignored[3, 0] = ignored[2, 4] = True
    for mask in (torch.zeros_like(ignored), ignored):
        rows, columns = paired_contrast(logits, mask)
        assert torch.allclose(rows, torch.tensor(naive(logits.tolist(), mask.tolist()), dtype=torch.float64))
        turned = naive(logits.T.tolist(), mask.T.tolist())
        assert torch.allclose(columns, torch.tensor(turned, dtype=torch.float64))


def test_total_is_the_weighted_sum() -> None:
    given = batch([0, 1, 2])
    losses = small(image_to_text_weight=0.3, text_to_image_weight=0.7).losses(given)
    expected = 0.3 * losses["image_to_text"].mean() + 0.7 * losses["text_to_image"].mean()
    assert torch.allclose(losses["total"], expected)


def test_duplicates_are_negatives_unless_masked() -> None:
    plain, masked = small(), small(mask_duplicates=True)
    apart, twins, same_image = batch([0, 1, 2]), batch([0, 1, 0]), batch([0, 1, 2], items=[0, 1, 0])
    assert torch.equal(plain.losses(apart)["total"], plain.losses(twins)["total"])
    assert torch.equal(plain.losses(apart)["total"], masked.losses(apart)["total"])
    for doubled in (twins, same_image):
        eased = masked.losses(doubled)["image_to_text"] < plain.losses(doubled)["image_to_text"]
        assert eased.tolist() == [True, False, True]


def test_temperature_starts_at_its_value_and_stays_above_a_hundredth() -> None:
    model = small()
    assert float(model.scale.detach()) == pytest.approx(1 / 0.07)
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    model.losses(batch([0, 1]))["total"].backward()
    assert float(model.scale.detach()) == pytest.approx(100, rel=1e-5)
    assert float(model.logit_scale.grad) != 0  # it can come back


def test_other_sides_interpolate_the_positions() -> None:
    model = small()
    wide = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert model.encode_image(wide).shape == (1, 16)
    table = torch.arange(1 + 4.0)[:, None]  # class 0, then the grid 1 2 / 3 4
    assert torch.equal(resized_positions(table, 2, 2, 2), table)
    grown = resized_positions(table, 2, 4, 4)
    assert grown.shape == (17, 1)
    assert grown[0] == 0
    assert grown[1:].mean() == pytest.approx(2.5)


@pytest.mark.parametrize("gap_over", ["valid", "all77"])
def test_a_large_batch_in_training_has_the_vectors_of_evaluation(gap_over: str) -> None:
    """Training encodes texts of like length together; a 0 inside a text, CLIP's "!", does not cut it."""
    model = small(gap_over=gap_over)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 40, (96, 8), generator=generator)
    lengths = torch.randint(0, 9, (96, 1), generator=generator)
    tokens[torch.arange(8) >= lengths] = 0
    tokens[5] = torch.tensor([7, 0, 9, 0, 0, 0, 0, 0])
    with torch.no_grad():
        assert torch.allclose(model.train().encode_text(tokens), model.eval().encode_text(tokens), atol=1e-5)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="text_width 24"):
        small(text_width=24)
    with pytest.raises(UsageError, match="3 heads"):
        small(vision_heads=3)


def test_recipe_is_the_papers() -> None:
    recipe = method_recipe("multilanguage", {"datasets": ("rsicd",)})
    assert (recipe.epochs, recipe.batch, recipe.languages) == (60, 120, ("en", "ar", "fr", "it"))
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate, recipe.optimiser.clip) == ("sgd", 0.1, 0.1)
    assert recipe.schedule.milestones == (20, 40)
    for reading in multilanguage.SCHEDULES.values():
        method_recipe("multilanguage", {"datasets": ("rsicd",), **reading})
