"""Occlusion: what the score loses without a place or a word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.models.explainer import BundleExplainer, by_occlusion, hidden, sliding_windows, spread, word_weights


def test_two_windows_by_hand() -> None:
    # A picture of 2 x 2, left column red (200, 0, 0), right column black: the mean colour is (100, 0, 0).
    # The score is the mean of red / 100: whole 1.0; all hidden 1.0.
    #   left hidden:  (100 + 0) / 2   -> 0.5; left alone (right painted):  (200 + 100) / 2 -> 1.5
    #   right hidden: (200 + 100) / 2 -> 1.5; right alone:                 (100 + 0) / 2   -> 0.5
    # left: ((1 - 0.5) + (1.5 - 1)) / 2 = 0.5; right: ((1 - 1.5) + (0.5 - 1)) / 2 = -0.5, which counts as 0.
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[:, 0, 0] = 200

    def scores(pixels, texts):
        return np.repeat(pixels[..., 0].mean((1, 2))[:, None] / 100, len(texts), axis=1).astype(np.float32)

    masks = np.array([[[True, False], [True, False]], [[False, True], [False, True]]])
    assert hidden(picture, masks)[..., 0].tolist() == [[[100, 0], [100, 0]], [[200, 100], [200, 100]]]
    assert scores(hidden(picture, ~masks), ["x"])[:, 0].tolist() == [1.5, 0.5]
    found = by_occlusion(scores, np.kron(picture, np.ones((6, 6, 1), np.uint8)), ["red"])
    assert found.score == 1
    assert found.heat.shape == (12, 12)
    assert (found.heat >= 0).all()
    assert found.heat[:, 0].min() > 0.1
    assert found.heat[:, -1].max() == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 24), st.integers(1, 6), st.floats(0.1, 1), st.integers(0, 999))
def test_spread_equals_loops_and_stays_between_the_values(side: int, across: int, share: float, seed: int) -> None:
    masks = sliding_windows(side, across=across, share=share)
    values = np.random.default_rng(seed).normal(size=len(masks))
    found = spread(values, masks)
    for y, x in [(0, 0), (side - 1, 0), (side // 2, side // 3)]:
        total = weight = 0.0
        for value, mask in zip(values, masks, strict=True):
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            bell = 1.0
            for place, inside in ((y, rows), (x, columns)):
                half = len(inside) / 2 / 1.5
                bell *= np.exp(-0.5 * ((place - inside.mean()) / half) ** 2) + 1e-12
            total, weight = total + value * bell, weight + bell
        assert found[y, x] == pytest.approx(total / weight, abs=1e-4)
    assert values.min() - 1e-5 <= found.min()
    assert found.max() <= values.max() + 1e-5


@pytest.mark.parametrize("side", [32, 144, 224])
def test_windows_cover_the_picture_and_stay_inside(side: int) -> None:
    masks = sliding_windows(side)
    assert masks.shape == (36, side, side)
    assert masks.any(0).all()
    assert {int(mask.sum()) for mask in masks} == {round(side / 3) ** 2}


def test_a_score_that_adds_up_gives_every_word_its_own_share() -> None:
    shares = {"a": 0.0, "big": 0.1, "red": 0.25, "roof": -0.2, "here": 0.05}

    def scores(texts):
        return np.array([sum(shares[word] for word in text.split()) for text in texts])

    assert word_weights(scores, list(shares)).tolist() == pytest.approx(list(shares.values()))


def test_two_words_that_say_the_same_share_it() -> None:
    # "boats" or "ships" is enough for a score of 1; leaving out either alone loses nothing.
    def scores(texts):
        return np.array([float("boats" in text or "ships" in text) for text in texts])

    words = ["boats", "and", "ships", "here"]
    weights = dict(zip(words, word_weights(scores, words), strict=True))
    # Three of four words go, in all 24 orders, so each word goes 18 times. "boats" takes the loss when "ships" went
    # before it: of the 12 orders with "ships" first, 6 have "boats" at the very end, where it stays; 6 / 18.
    assert weights == pytest.approx({"boats": 1 / 3, "and": 0, "ships": 1 / 3, "here": 0})


def test_one_word_two_words_and_a_word_that_comes_twice() -> None:
    def scores(texts):
        return np.array([float(len(text.split())) for text in texts])

    for words in (["one"], ["one", "two"], ["a", "field", "a"]):
        assert word_weights(scores, words).tolist() == [1.0] * len(words)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40))
def test_the_work_is_bounded_and_every_word_goes(count: int) -> None:
    asked: list[str] = []

    def scores(texts):
        asked.extend(texts)
        return np.array([float(len(text.split())) for text in texts])

    words = [f"w{number}" for number in range(count)]
    assert np.isfinite(word_weights(scores, words)).all()
    assert len(asked) == len(set(asked)) <= 400


def test_weights_repeat() -> None:
    def scores(texts):
        return np.array([np.sin(len(text)) for text in texts])

    words = "many white boats in the small harbour".split()
    assert word_weights(scores, words).tolist() == word_weights(scores, words).tolist()


def test_a_bundle_offers_occlusion_and_gives_the_cosines_of_a_search(colour_bundle) -> None:
    from geoglot.models.bundle import load_bundle

    bundle = load_bundle(colour_bundle)
    explainer = BundleExplainer(bundle)
    pixels = np.zeros((2, 32, 32, 3), np.uint8) + np.array([220, 20, 20], np.uint8)
    scores = explainer.scores(pixels, ["red", "blue", "rouge"])
    assert scores.shape == (2, 3)
    assert np.allclose(scores, bundle.encode_images(pixels) @ bundle.encode_queries(["red", "blue", "rouge"]).T)
    bare = BundleExplainer(bundle, bare=True).scores(pixels, ["red", "blue", "rouge"])
    assert np.allclose(bare, bundle.encode_images(pixels) @ bundle.encode_texts(["red", "blue", "rouge"]).T)
    assert explainer.ways == ("occlusion",)
    assert explainer.find("occlusion", pixels[0], ["red"]).score == pytest.approx(scores[0, 0])
