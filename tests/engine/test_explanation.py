"""A trained run, looked into: rollout of its transformers, attention of words to regions, occlusion of anything."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from geoglot.core.errors import UsageError
from geoglot.engine.composition import Composed
from geoglot.engine.explanation import RunExplainer, region_maps, token_spans
from geoglot.methods.retrieval import compact, multilanguage, scan
from geoglot.nn.backbone import build_backbone
from geoglot.nn.rollout import image_relevance, relevance, rollout
from geoglot.text.tokenizer import Tokenizer

SENTENCES = ["many planes near the terminal", "boats in a harbour", "طائرات كثيرة قرب المبنى", "deux ponts d'acier"] * 5
WORDS = "many planes near harbour".split()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(SENTENCES, vocabulary_size=120, max_length=16)


def trained(module, tokenizer: Tokenizer, *, side: int, **changes: object) -> SimpleNamespace:
    torch.manual_seed(0)
    sizes = {**module.SMALL, "vocabulary": tokenizer.size, "max_length": 16, **changes}
    known = {field.name for field in fields(module.Config)}
    model = module.Model(module.Config(**{name: size for name, size in sizes.items() if name in known})).eval()
    recipe = SimpleNamespace(method=module.__name__.rpartition(".")[2], validation_side=side)
    return SimpleNamespace(model=model, method=model, tokenizer=tokenizer, recipe=recipe, folder=Path("runs/one"))


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def test_rollout_of_a_run_is_the_rollout_of_its_maps(tokenizer: Tokenizer, picture: np.ndarray) -> None:
    run = trained(multilanguage, tokenizer, side=64, vision_layers=6, text_layers=6)
    explainer = RunExplainer(run)
    assert explainer.ways == ("rollout", "occlusion")
    assert (explainer.id, explainer.side) == ("multilanguage (one)", 64)
    found = explainer.find("rollout", picture, WORDS)
    images = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    tokens = torch.from_numpy(tokenizer.encode([" ".join(WORDS)]))
    with torch.no_grad():
        maps = run.model.image_attention(images)
        assert len(maps) == 6
        assert np.allclose(found.heat, image_relevance(maps, first_layer=2)[0].numpy())
        flow = rollout(run.model.text_attention(tokens), first_layer=2)
        shares = relevance(flow, kept=torch.ones(flow.shape[:2], dtype=torch.bool))[0]
        expected = [float(shares[a:b].sum()) for a, b in token_spans(tokenizer, WORDS)[1]]
        score = (run.model.encode_image(images) @ run.model.encode_text(tokens).T).item()
    assert found.weights.tolist() == pytest.approx(expected, abs=1e-6)
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.heat.sum() == pytest.approx(1, abs=1e-5)
    assert found.weights.sum() == pytest.approx(1, abs=1e-5)
    deeper = RunExplainer(run, first_layer=6).find("rollout", picture, WORDS)
    assert np.allclose(deeper.heat, image_relevance(maps, first_layer=6)[0].numpy())
    assert not np.allclose(deeper.heat, found.heat)


def test_class_token_pooling_asks_the_class_token_and_the_last_word(tokenizer: Tokenizer, picture: np.ndarray) -> None:
    run = trained(multilanguage, tokenizer, side=64, pool="cls_eot")
    found = RunExplainer(run).find("rollout", picture, WORDS)
    images = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = image_relevance(run.model.image_attention(images), query=0)[0].numpy()
    assert np.allclose(found.heat, expected)


def test_any_method_is_explained_by_occlusion(tokenizer: Tokenizer) -> None:
    run = trained(compact, tokenizer, side=48)
    explainer = RunExplainer(run)
    assert explainer.ways == ("occlusion",)
    pixels = np.random.default_rng(1).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    found = explainer.find("occlusion", pixels, WORDS)
    assert found.heat.shape == (48, 48)
    assert found.weights.shape == (4,)
    assert found.score == pytest.approx(explainer.scores(pixels[None], [" ".join(WORDS)])[0, 0])


def test_vision_without_attention_says_so(tokenizer: Tokenizer) -> None:
    run = trained(compact, tokenizer, side=48)
    run.method = SimpleNamespace(image_attention=lambda images: [], text_attention=lambda tokens: [])
    with pytest.raises(UsageError, match=r"has no attention in its image side\. Remedy: choose --how occlusion"):
        RunExplainer(run).find("rollout", np.zeros((48, 48, 3), np.uint8), WORDS)


def test_word_to_region_attention_becomes_a_map_per_word(tokenizer: Tokenizer) -> None:
    run = trained(compact, tokenizer, side=48)
    spans = token_spans(tokenizer, WORDS)[1]

    def word_region_attention(images, tokens):
        # The first word looks at the first of four regions, all others at the last.
        attention = torch.zeros(1, 1, tokens.shape[1], 4)
        attention[..., 3] = 1
        attention[:, :, : spans[0][1]] = torch.tensor([1.0, 0, 0, 0])
        return attention

    run.method = SimpleNamespace(word_region_attention=word_region_attention)
    explainer = RunExplainer(run)
    assert explainer.ways == ("attention", "occlusion")
    pixels = np.random.default_rng(1).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    found = explainer.find("attention", pixels, WORDS)
    assert found.word_heat is not None
    assert found.word_heat[0].tolist() == [[1, 0], [0, 0]]
    assert found.word_heat[1].tolist() == [[0, 0], [0, 1]]
    assert found.heat.sum() == pytest.approx(1)
    assert found.heat[0, 0] == pytest.approx(max(found.weights[0], 0) / found.weights.clip(0).sum(), abs=1e-5)


@pytest.mark.parametrize("variant", ["t2i", "i2t"])
def test_scan_shows_where_each_word_looks(tokenizer: Tokenizer, variant: str) -> None:
    torch.manual_seed(0)
    run = trained(scan, tokenizer, side=64, variant=variant)
    backbone = build_backbone("compact", channels=scan.SMALL["channels"]).eval()
    run.model = Composed(backbone, run.method).eval()
    explainer = RunExplainer(run)
    assert explainer.ways == ("attention", "occlusion")
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    found = explainer.find("attention", pixels, WORDS)
    tokens = torch.from_numpy(tokenizer.encode([" ".join(WORDS)]))
    with torch.no_grad():
        images = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        attention = run.method.word_region_attention(backbone(images), tokens)[0]
        score = run.model.similarity(run.model.image_features(images), run.model.text_features(tokens)).item()
    assert found.word_heat is not None
    for word, (start, stop) in enumerate(token_spans(tokenizer, WORDS)[1]):
        mean = attention[start:stop].mean(0)
        assert found.word_heat[word].ravel().tolist() == pytest.approx((mean / mean.sum()).tolist(), abs=1e-5)
    assert found.score == pytest.approx(score, abs=1e-4)
    assert np.isfinite(found.heat).all()


@pytest.mark.parametrize(
    "text", ["many planes near the terminal", "طائرات كثيرة قرب المبنى", "deux ponts d'acier", "zzz planes"]
)
def test_spans_cover_the_tokens_word_by_word(tokenizer: Tokenizer, text: str) -> None:
    words = text.split()
    tokens, spans = token_spans(tokenizer, words)
    assert spans[0][0] == 0
    assert spans[-1][1] == tokens.shape[1]
    for word, (start, stop) in zip(words, spans, strict=True):
        assert tokens[0, start:stop].tolist() == tokenizer.encode([word])[0].tolist()


class Marked:
    """A tokenizer with a start (8) and an end (9), one token per letter."""

    max_length = 12

    def encode(self, texts):
        letters = [[ord(c) for c in text if c != " "] for text in texts]
        rows = [[8, *word[: self.max_length - 2], 9] for word in letters]
        tokens = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return tokens


def test_spans_leave_out_markers_and_words_that_were_cut_off() -> None:
    assert token_spans(Marked(), ["abc", "de"])[1] == [(1, 4), (4, 6)]
    assert token_spans(Marked(), ["a"])[1] == [(1, 2)]
    # Twelve places: a start, ten letters, an end.
    assert token_spans(Marked(), ["abcdef", "ghijkl", "mn"])[1] == [(1, 7), (7, 11), (11, 11)]


class Choosy:
    """A tokenizer that leaves out short words, and gives one unknown token for a text without others."""

    max_length = 12

    def encode(self, texts):
        rows = [[len(word) for word in text.split() if len(word) > 3] or [1] for text in texts]
        return np.array([row + [0] * (12 - len(row)) for row in rows])


def test_spans_of_words_that_the_tokenizer_leaves_out() -> None:
    assert token_spans(Choosy(), ["a", "boat", "at", "the", "pier"])[1] == [(0, 0), (0, 1), (1, 1), (1, 1), (1, 2)]
    assert token_spans(Choosy(), ["a", "at"])[1] == [(0, 0), (0, 0)]


def test_regions_that_are_no_square() -> None:
    with pytest.raises(UsageError, match="looks at 5 regions"):
        region_maps(torch.ones(2, 5), [(0, 1)])
    even = region_maps(torch.zeros(2, 4), [(0, 0)])
    assert even.tolist() == [[[0.25, 0.25], [0.25, 0.25]]]
