"""AMFMN: published totals, its margin and its gates by hand and by nested loops."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from geoglot.methods.retrieval import amfmn
from geoglot.metrics.text_similarity import caption_similarity
from geoglot.nn.batch import PairBatch
from geoglot.nn.guidance import Attention
from geoglot.nn.hinge import bidirectional_hinge

ATTENTIONS: tuple[Attention, ...] = ("soft", "fusion", "similarity")
VARIANTS = ("released", "paper")


def model(attention: Attention, variant: str = "released") -> amfmn.Model:
    torch.manual_seed(0)
    return amfmn.Model(amfmn.Config(**{**amfmn.SMALL, "attention": attention, "variant": variant})).eval()


def pyramid(count: int, sizes: tuple[int, ...] = (16, 8, 4, 2)) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    widths = amfmn.SMALL["channels"]
    return tuple(torch.rand(count, w, s, s, generator=generator) for w, s in zip(widths, sizes, strict=True))


def batch(count: int) -> PairBatch:
    tokens = torch.randint(1, 40, (count, 6), generator=torch.Generator().manual_seed(2))
    tokens[0, 3:] = 0
    empty = torch.zeros(count, 0)
    return PairBatch(
        images=empty,
        pyramid=pyramid(count),
        items=torch.arange(count),
        tokens=tokens,
        sentences=torch.arange(count),
        translations=torch.zeros(0, 2, dtype=torch.int64),
        categories=torch.zeros(count, dtype=torch.int64),
        words=empty,
    )


def test_totals_are_those_of_the_released_code() -> None:
    # ResNet-18 with classifier 11,689,512; words 620 per row; uni-skip 21,751,200; Linear(2400, 512) 1,229,312;
    # salience 5,187 + 2,307 + 14 + 131,584 + 262,656; unused gate 524,800; guidance 262,656 (soft).
    by_hand = 11_689_512 + 1226 * 620 + 21_751_200 + 1_229_312 + 401_748 + 524_800 + 262_656
    assert amfmn.paper_parameters() == by_hand == 36_619_348
    assert amfmn.paper_parameters(vocabulary=1350) == 36_696_228
    assert amfmn.paper_parameters(attention="fusion") == 37_406_292
    assert amfmn.paper_parameters(attention="similarity") == 36_882_004


def test_the_papers_own_configuration_is_counted_as_it_reads() -> None:
    # ResNet-18 11,176,512; words 300 x 1226; two GRUs to 512 and one for keywords, 1,250,304 each; keyword layers
    # 2 x 262,656; salience 401,748 and two PReLU; guidance 262,656; gate of sentence and keywords 524,800.
    by_hand = 11_176_512 + 367_800 + 3 * 1_250_304 + 525_312 + 401_750 + 262_656 + 524_800
    assert amfmn.paper_parameters("paper") == by_hand


def test_margin_at_its_ends_and_between() -> None:
    # (e^3 - e^(3/4)) / (e^3 - 1) = (20.0855 - 2.1170) / 19.0855 = 0.94147
    similarity = torch.tensor([0.0, 0.25, 1.0])
    margin = amfmn.dynamic_margin(similarity, largest=0.4, bend=3.0)
    assert margin.tolist() == pytest.approx([0.4, 0.4 * 0.94147, 0.0], abs=1e-5)


def test_margin_falls_ever_faster_and_never_overflows() -> None:
    margin = amfmn.dynamic_margin(torch.linspace(0, 1, 50), largest=1.0, bend=5.0)
    steps = margin.diff()
    assert (steps < 0).all()
    assert (steps.diff() < 1e-6).all()
    assert torch.isfinite(amfmn.dynamic_margin(torch.rand(9), largest=1.0, bend=500.0)).all()


def test_a_margin_for_every_pair_by_nested_loops() -> None:
    generator = torch.Generator().manual_seed(3)
    scores, margins = torch.rand(5, 5, generator=generator), torch.rand(5, 5, generator=generator)
    duplicates = torch.rand(5, 5, generator=generator) > 0.7
    rows, columns = amfmn.margin_hinge(scores, margins, duplicates)
    for one in range(5):
        row = column = 0.0
        for other in range(5):
            if other != one and not duplicates[one, other]:
                row += max(0.0, float(margins[one, other] + scores[one, other] - scores[one, one]))
            if other != one and not duplicates[other, one]:
                column += max(0.0, float(margins[other, one] + scores[other, one] - scores[one, one]))
        assert float(rows[one]) == pytest.approx(row, abs=1e-6)
        assert float(columns[one]) == pytest.approx(column, abs=1e-6)


def test_equal_margins_are_the_plain_hinge() -> None:
    scores = torch.rand(6, 6, generator=torch.Generator().manual_seed(4))
    for one, other in zip(
        amfmn.margin_hinge(scores, torch.full((6, 6), 0.2)), bidirectional_hinge(scores, margin=0.2), strict=True
    ):
        assert torch.allclose(one, other)


def guided(m: amfmn.Model, image: Tensor, text: Tensor) -> Tensor:
    """The gates as the equations say it, one pair at a time."""
    layers = m.guidance
    if m.config.attention == "soft":
        return torch.sigmoid(layers.gate(image)) * text
    if m.config.attention == "fusion":
        both = torch.cat([image, text])
        return torch.sigmoid(layers.gate(both)) * layers.value(both)
    projected = layers.text(text)
    return torch.sigmoid(layers.image(image) * projected) * projected


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_scores_are_those_of_one_pair_at_a_time(
    attention: Attention, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoglot.nn.guidance.VALUES_PER_BLOCK", 100)  # two images at a time
    m = model(attention, variant)
    with torch.no_grad():
        images, tokens = pyramid(5), batch(4).tokens
        scores = m.similarity(m.image_features(images), m.text_features(tokens))
        vectors, texts = m.image(images), m.text(tokens)
        for i in range(5):
            for j in range(4):
                text = guided(m, vectors[i], texts[0][j])
                if m.gate is not None:
                    keywords = guided(m, vectors[i], texts[1][j])
                    both = torch.cat([text / text.norm(), keywords / keywords.norm()])
                    weight = torch.sigmoid(m.gate.weight(both))
                    text = text * weight + keywords * (1 - weight)
                expected = cosine_similarity(vectors[i], text, dim=0)
                assert float(scores[i, j]) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_reading_learns(attention: Attention, variant: str) -> None:
    m, b = model(attention, variant).train(), batch(5)
    optimiser = torch.optim.Adam(m.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = m.losses(b)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in m.parameters())
    assert losses[-1] < 0.6 * losses[0]


def test_the_dynamic_margin_reads_rows_as_images() -> None:
    # A text that repeats part of another is more like it than the other way round: BLEU is not symmetric.
    m, b = model("soft", "paper"), batch(3)
    b.tokens[1] = torch.tensor([5, 6, 7, 8, 9, 10])
    b.tokens[2] = torch.tensor([5, 6, 7, 0, 0, 0])
    alike = caption_similarity(b.tokens.numpy())
    assert alike[2, 1] != pytest.approx(alike[1, 2])
    with torch.no_grad():
        scores = m.similarity(m.image_features(b.pyramid), m.text_features(b.tokens))
        row = m.losses(b)["image_to_text"][1]
    margin = [0.6 * (math.exp(3) - math.exp(3 * alike[text, 1])) / (math.exp(3) - 1) for text in range(3)]
    expected = sum(max(0.0, margin[text] + float(scores[1, text] - scores[1, 1])) for text in (0, 2))
    assert float(row) == pytest.approx(expected, abs=1e-5)


def test_stop_words_are_no_keywords() -> None:
    m = model("soft", "paper")
    assert isinstance(m.text, amfmn.PaperText)
    tokens = torch.tensor([[7, 3, 9, 0], [3, 3, 0, 0]])
    assert torch.equal(m.text.only_keywords(tokens), tokens)
    m.set_stop_words([3])
    assert m.text.only_keywords(tokens).tolist() == [[7, 9, 0, 0], [0, 0, 0, 0]]
    model("soft").set_stop_words([3])  # nothing to tell the released variant


def test_duplicates_cost_nothing_when_masked() -> None:
    m, b = model("soft"), batch(2)
    b.sentences[1] = b.sentences[0]
    assert float(m.losses(b)["total"].detach()) > 0
    masked = amfmn.Model(amfmn.Config(**{**amfmn.SMALL, "mask_duplicates": True})).eval()
    assert float(masked.losses(b)["total"].detach()) == 0


def test_maps_of_any_size_are_taken() -> None:
    m = model("soft")
    for sizes in ((36, 18, 9, 5), (30, 15, 8, 4), (64, 32, 16, 8), (4, 2, 1, 1)):
        assert m.image_features(pyramid(2, sizes))[0].shape == (2, 16)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_traced_score_takes_other_numbers_of_images_and_texts(attention: Attention) -> None:
    m = model(attention)
    maps, tokens = pyramid(5), batch(4).tokens

    class Score(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = m

        def forward(self, *maps_and_texts: Tensor) -> Tensor:
            return m.similarity(m.image_features(maps_and_texts[:4]), maps_and_texts[4:])

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(Score(), (*(f[:2] for f in maps), *m.text_features(tokens[:1])), check_trace=False)  # type: ignore[no-untyped-call]
        texts = m.text_features(tokens)
        assert torch.allclose(traced(*maps, *texts), m.similarity(m.image_features(maps), texts), atol=1e-6)
