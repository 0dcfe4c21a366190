"""What is JTTS's own: its phases, its tables, and what its ablations differ in."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from geoglot.methods.captioning.jtts import METHOD, SMALL, Config, Model, paper_parameters
from geoglot.nn.captioner import CaptionBatch

TOKENS = torch.tensor([[1, 5, 6, 2, 0], [1, 7, 8, 9, 2], [1, 4, 2, 0, 0], [1, 4, 4, 2, 0]])


def build(variant: str = "sg+MSO+Ld", **more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, "variant": variant, **more}))


def batch_of(progress: float = 0.99, seed: int = 0) -> CaptionBatch:
    generator = torch.Generator().manual_seed(seed)
    return CaptionBatch(
        grids=torch.randn(4, 12, 3, 3, generator=generator),
        tokens=TOKENS,
        attributes=(torch.rand(4, 6, generator=generator) > 0.5).float(),
        items=torch.arange(4),
        categories=torch.zeros(4, dtype=torch.int64),
        languages=torch.zeros(4, dtype=torch.int64),
        progress=progress,
    )


def gradients(model: Model, batch: CaptionBatch) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    torch.manual_seed(1)
    model.losses(batch)["total"].backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_the_baseline_has_the_size_of_the_paper() -> None:
    """30.7 million. By hand, with D = 1000, E = 300, 512 in the attention, C = 2048 and V = 273:

    two projections 2 * (2048 + 1) * 1000 = 4,098,000; LSTM1 4000 * (1000 + 1000 + 1000 + 300 + 1) = 13,204,000;
    LSTM2 4000 * (1000 + 1000 + 1000 + 1) = 12,004,000; attention 2 * (1000 + 1) * 512 + 512 = 1,025,536;
    words 300 V and output 1001 V = 355,173. Together 30,686,709; the pooled image without its own projection: 28.6.
    """
    assert paper_parameters("b") == 4_098_000 + 13_204_000 + 12_004_000 + 1_025_536 + 355_173 == 30_686_709
    with torch.device("meta"):
        shared = Model(Config(variant="b", own_pooled=False))
    assert sum(p.numel() for p in shared.parameters()) == 30_686_709 - 2_049_000


def test_the_gates_cost_what_their_equations_say() -> None:
    """Gates 3 * 2000 * (1000 + 300 + 1), two inputs of the LSTMs 2 * 4000 * 1000, attributes 73 * 300, classifier
    512 * 1001 + 512 * 513 + 73 * 513; ``sg/s`` has a projection of its own too, 2049 * 1000."""
    extra = 7_806_000 + 8_000_000 + 21_900 + 512_512 + 262_656 + 37_449
    for variant in METHOD.variants:
        expected = 30_686_709 + (0 if variant == "b" else extra) + (2_049_000 if variant == "sg/s" else 0)
        assert paper_parameters(variant) == expected


def test_separate_training_has_two_phases() -> None:
    model = build("sg/s", first_phase=0.3, dropout=0.5).train()
    names = {name for name, _ in model.named_parameters()}
    classifier = {name for name in names if name.startswith("classifier")}
    assert set(gradients(model, batch_of(0.0))) == set(gradients(model, batch_of(0.29))) == classifier
    assert set(gradients(model, batch_of(0.3))) == names - classifier
    assert list(model.losses(batch_of(0.0))) == ["total", "attributes"]
    assert list(model.losses(batch_of(0.5))) == ["total", "caption"]


def test_a_finished_classifier_gives_its_steady_answer() -> None:
    model = build("sg/s", dropout=0.5).train()
    batch = batch_of(0.5)
    answers = []
    for _ in range(2):
        context = model.context(batch.grids, batch.languages)
        answers.append(context["attributes"])
        model.losses(batch)
    assert torch.equal(*answers)
    assert model.training
    model.train()
    assert not torch.equal(*(model.losses(batch_of(0.0))["attributes"] for _ in range(2)))


@pytest.mark.parametrize("variant", ["sg+ls", "sg+MSO"])
def test_joint_training_carries_the_error_of_the_words_to_the_classifier(variant: str) -> None:
    found = gradients(build(variant, weights=(1.0, 0.0, 0.0)), batch_of())
    assert found["classifier.6.weight"].abs().max() > 0
    assert torch.isfinite(found["classifier.6.weight"]).all()


def test_logistic_sampling_holds_its_gradient() -> None:
    alone: dict[str, Any] = {"variant": "sg+ls", "weights": (1.0, 0.0, 0.0)}
    free, held, none = (
        gradients(build(**alone, gradient_limit=limit), batch_of())["classifier.6.bias"] for limit in (1e9, 1e-3, 1e-12)
    )
    assert free.abs().max() > 1e-2
    assert none.abs().max() < 1e-11
    # Four images, each held at 1e-3, times the slope of the sigmoid, at most a quarter.
    assert 1e-5 < held.abs().max() <= 4 * 1e-3 / 4


def test_the_variants_differ_where_they_say() -> None:
    batch = batch_of()
    terms = {variant: list(build(variant).losses(batch))[1:] for variant in METHOD.variants}
    assert terms == {
        "b": ["caption"],
        "sg/s": ["caption"],
        "sg+ls": ["caption", "attributes"],
        "sg+MSO": ["caption", "attributes"],
        "sg+ls+Ld": ["caption", "attributes", "contrast"],
        "sg+MSO+Ld": ["caption", "attributes", "contrast"],
    }
    logistic, margin = (build(variant).eval().context(batch.grids, batch.languages) for variant in ("sg+ls", "sg+MSO"))
    assert torch.allclose(logistic["sampled"], margin["sampled"], atol=1e-6)  # one mask, two gradients
    assert not torch.allclose(*(gradients(build(v), batch)["classifier.6.weight"] for v in ("sg+ls", "sg+MSO")))


def test_total_is_the_weighted_mean_of_the_terms() -> None:
    losses = build(weights=(1.0, 2.0, 3.0)).losses(batch_of())
    expected = losses["caption"].mean() + 2 * losses["attributes"].mean() + 3 * losses["contrast"].mean()
    assert torch.allclose(losses["total"], expected)
    by_word = build(weights=(1.0, 2.0, 3.0), caption_loss="mean").losses(batch_of())
    words = (TOKENS[:, 1:] != 0).sum()  # 12
    per_word = losses["caption"].sum() / words
    assert torch.allclose(by_word["total"], expected - losses["caption"].mean() + per_word)
    assert torch.equal(by_word["caption"], losses["caption"])


def test_attributes_can_share_the_vectors_of_their_words() -> None:
    tokens = (5, 6, 7, 8, 9, 10)
    model = build(attribute_tokens=tokens)
    assert model.attribute_table is None
    assert torch.equal(model.attribute_vectors(), model.embedding.weight[list(tokens)])
    assert set(model.word_tables()) == {"words"}
    assert set(build().word_tables()) == {"words", "attributes"}
    with pytest.raises(ValueError, match="attributes"):
        build(attribute_tokens=(5, 6))
    model.losses(batch_of())["total"].backward()  # type: ignore[no-untyped-call]
    assert model.embedding.weight.grad is not None
    assert model.embedding.weight.grad[10].abs().max() > 0  # no caption says 10; its attribute does


@torch.no_grad()
def test_what_the_sampling_keeps_is_what_guides() -> None:
    """Attribute 0 at sigmoid(5) = 0.99, the others near a half: it alone is within the band of 0.1."""
    model, batch = build().eval(), batch_of()
    assert model.classifier is not None
    model.get_parameter("classifier.6.bias")[0] += 5
    sampled = model.context(batch.grids, batch.languages)["sampled"]
    assert (sampled[:, 0] > 0.9999).all()
    assert (sampled[:, 1:] < 1e-6).all()
    before = model.losses(batch)["caption"]
    model.attribute_vectors()[1:] += 5
    assert torch.allclose(model.losses(batch)["caption"], before, atol=1e-4)
    model.attribute_vectors()[0] += 5
    assert (model.losses(batch)["caption"] - before).abs().min() > 1e-2


def test_margin_and_band_come_from_the_configuration() -> None:
    batch = batch_of()
    narrow = build(sampling=0.01).eval().context(batch.grids, batch.languages)["sampled"].sum()
    wide = build(sampling=10.0).eval().context(batch.grids, batch.languages)["sampled"].sum()
    assert narrow < wide
    assert float(wide.detach()) == pytest.approx(24, abs=0.1)  # 2 below the greatest: all of them
    small, large = (build(margin=margin).losses(batch)["contrast"] for margin in (0.2, 0.4))
    assert torch.allclose(large, small + 0.2, atol=1e-5)  # an untrained classifier has no distance anywhere


def test_words_that_are_not_there_yet_do_not_matter() -> None:
    """What is said first cannot depend on what follows."""
    model, batch = build().eval(), batch_of()
    other = batch.tokens.clone()
    other[1, 3] = 15
    said = []
    for tokens in (batch.tokens, other):
        context = model.context(batch.grids, batch.languages)
        state = model.start(context)
        for step in range(2):
            words, state = model.step(context, state, tokens[:, step])
            said.append(words)
    assert torch.equal(said[1], said[3])
    changed = dataclasses.replace(batch, tokens=other)
    first, second = model.losses(batch)["caption"], model.losses(changed)["caption"]
    assert torch.allclose(first[[0, 2, 3]], second[[0, 2, 3]], atol=1e-6)
    assert abs(float((first[1] - second[1]).detach())) > 1e-4
