from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import oracle_captions as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import DataError
from geoglot.metrics.caption import caption_measures, common_subsequence, mean_score
from geoglot.metrics.caption_ngrams import corpus_bleu, image_bleu
from geoglot.text.ptb import caption_words

RECORDED = json.loads((Path(__file__).parent / "reference_captions.json").read_text(encoding="utf-8"))

word = st.sampled_from("a b c d e f".split())
sentence = st.lists(word, max_size=9).map(" ".join)
image = st.tuples(sentence, st.lists(sentence, min_size=1, max_size=4))
corpus = st.lists(image, min_size=1, max_size=6)


def measured(pairs):
    return caption_measures(
        {place: pair[0] for place, pair in enumerate(pairs)},
        {place: pair[1] for place, pair in enumerate(pairs)},
        tokenise=str.split,
    )


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_equal_to_the_public_evaluation(name):
    case = RECORDED["cases"][name]
    found = caption_measures(case["hypotheses"], case["references"], tokenise=caption_words)
    close = {"abs": 1e-9, "rel": 1e-9}
    assert found.bleu == pytest.approx(case["bleu"], **close)
    assert image_bleu(found.bleu_counts) == pytest.approx(np.array(case["image_bleu"]), **close)
    assert found.rouge_l == pytest.approx(case["rouge_l"], **close)
    assert found.image_rouge_l == pytest.approx(np.array(case["image_rouge_l"]), **close)
    assert found.cider == pytest.approx(case["cider"], **close)
    assert found.image_cider == pytest.approx(np.array(case["image_cider"]), **close)


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_words_are_those_of_the_public_evaluation(name):
    case = RECORDED["cases"][name]
    for identifier, caption in case["hypotheses"].items():
        assert " ".join(caption_words(caption)) == case["words"]["hypotheses"][identifier]
        ours = [" ".join(caption_words(text)) for text in case["references"][identifier]]
        assert ours == case["words"]["references"][identifier]


def test_bleu_by_hand():
    # Words: 4, of which "a red" and "roof" are in the reference and one "a" of two: 3 of 4.
    # Pairs: "a red", "red a", "a roof" against "a red", "red roof": 1 of 3. Closest reference: 3 words; no penalty.
    found = measured([("a red a roof", ["a red roof"])])
    assert found.bleu[0] == pytest.approx(3 / 4)
    assert found.bleu[1] == pytest.approx(math.sqrt(3 / 4 * 1 / 3))


def test_bleu_takes_the_shorter_of_two_equally_close_references():
    # Hypothesis 3 words, references 2 and 4: closest is 2, so no penalty although the other is longer.
    assert measured([("x y z", ["x y", "x y z w"])]).bleu[0] == pytest.approx(1.0)
    # Only the longer one: e^(1 - 4/3).
    assert measured([("x y z", ["x y z w"])]).bleu[0] == pytest.approx(math.exp(-1 / 3))


def test_bleu_clips_at_the_best_reference():
    # "the" three times; two in the first reference, one in the second: 2 of 3.
    assert measured([("the the the", ["the cat the", "the dog on"])]).bleu[0] == pytest.approx(2 / 3)


def test_rouge_l_by_hand():
    # LCS of "a b c d" with "a c d e f" is "a c d" = 3: P = 3/4, R = 3/5.
    # 2.44 * 0.75 * 0.6 / (0.6 + 1.44 * 0.75) = 1.098 / 1.68
    found = measured([("a b c d", ["a c d e f"])])
    assert found.rouge_l == pytest.approx(1.098 / 1.68)
    # A second reference "d": LCS 1, R = 1; P stays 3/4: 2.44 * 0.75 / (1 + 1.44 * 0.75) = 1.83 / 2.08
    assert measured([("a b c d", ["a c d e f", "d"])]).rouge_l == pytest.approx(1.83 / 2.08)


def test_cider_by_hand():
    # Two images. "x" is in both images' references: weight log(2/2) = 0. "y" and "z" in one each: log 2.
    # Image 0: hypothesis "x y", reference "x y". Words: only y counts, cosine 1. Pair "x y": cosine 1. No triple.
    # (1 + 1 + 0 + 0) / 4 * 10 = 5.
    # Image 1: hypothesis "x y", reference "x z". Words: y is not in the reference: 0. Pairs: 0.
    found = measured([("x y", ["x y"]), ("x y", ["x z"])])
    assert found.image_cider == pytest.approx([5.0, 0.0])
    assert found.cider == pytest.approx(2.5)


def test_cider_punishes_length_and_clips_repetition():
    # Image 0: hypothesis "y y y", reference "y"; y is in 1 of 2 images. The vectors of words point the same way, but
    # the product is clipped: min(3, 1) * 1 / (3 * 1) = 1/3; two words more: e^(-4/72). No pairs in the reference.
    found = measured([("y y y", ["y"]), ("z", ["z"])])
    assert found.image_cider[0] == pytest.approx(10 / 4 / 3 * math.exp(-4 / 72))


def test_every_word_in_every_image_has_no_weight():
    assert measured([("a roof", ["a roof"])]).cider == 0.0


@settings(max_examples=150, deadline=None)
@given(corpus)
def test_equal_to_the_definitions(pairs):
    found = measured(pairs)
    hypotheses = [pair[0].split() for pair in pairs]
    references = [[caption.split() for caption in pair[1]] for pair in pairs]
    assert found.bleu == pytest.approx(oracle.bleu(hypotheses, references), abs=1e-12)
    expected = [oracle.rouge_l(ours, theirs) for ours, theirs in zip(hypotheses, references, strict=True)]
    assert found.image_rouge_l == pytest.approx(expected)
    assert found.image_cider == pytest.approx(oracle.cider(hypotheses, references), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(corpus, st.randoms(use_true_random=False))
def test_the_order_of_images_and_references_changes_nothing(pairs, random):
    shuffled = [(hypothesis, random.sample(captions, len(captions))) for hypothesis, captions in pairs]
    random.shuffle(shuffled)
    before, after = measured(pairs), measured(shuffled)
    assert list(before.figures().values()) == pytest.approx(list(after.figures().values()), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(corpus)
def test_values_stay_in_their_ranges(pairs):
    found = measured(pairs)
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in (*found.bleu, found.rouge_l))
    assert ((found.image_cider >= 0) & (found.image_cider <= 10 + 1e-9)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(word, min_size=4, max_size=9), min_size=1, max_size=6))
def test_a_caption_that_is_its_reference(sentences):
    captions = [" ".join(words) for words in sentences]
    found = measured([(caption, ["b b", caption]) for caption in captions])
    assert found.bleu == pytest.approx((1, 1, 1, 1), abs=1e-6)
    assert found.image_rouge_l == pytest.approx(np.ones(len(captions)))


def test_ten_is_the_best_cider():
    texts = ["w x y z", "p q r s t"]
    assert measured([(text, [text, text]) for text in texts]).image_cider == pytest.approx([10.0, 10.0])


def test_an_empty_caption_scores_nothing_and_breaks_nothing():
    found = measured([("", ["a b"]), ("c d", ["c d"])])
    assert found.image_rouge_l.tolist() == [0.0, 1.0]
    assert found.image_cider[0] == 0.0
    # 2 of 2 words right, 2 words where 4 were asked for: e^(1 - 4/2)
    assert found.bleu[0] == pytest.approx(math.exp(-1))
    nothing = measured([("", [""])])
    assert nothing.figures() == pytest.approx(dict.fromkeys(nothing.figures(), 0.0), abs=1e-3)


def test_punctuation_alone_is_empty():
    found = caption_measures({1: " . "}, {1: ["a roof ."]}, tokenise=caption_words)
    assert found.rouge_l == 0.0


def test_bleu_of_a_resample_is_bleu_of_the_repeated_corpus():
    pairs = [("a b c d", ["a b d c"]), ("d e f", ["d e f a b"]), ("f f", ["f"])]
    found = measured(pairs)
    weights = np.array([[2.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    repeated = measured([pairs[0], pairs[0], pairs[2]])
    assert corpus_bleu(found.bleu_counts, weights) == pytest.approx(np.array([repeated.bleu, found.bleu]))


def test_words_are_counted_in_sentences_of_any_length():
    long = " ".join(f"w{place}" for place in range(200))
    found = measured([(long, [long]), ("w3 w1", ["w1 w3"])])
    assert found.image_rouge_l.tolist() == pytest.approx([1.0, 0.5])


@settings(max_examples=150, deadline=None)
@given(st.lists(word, max_size=80), st.lists(word, max_size=80))
def test_common_subsequence_equals_the_table(first, second):
    assert common_subsequence(first, second) == oracle.common_subsequence(first, second)


def test_images_must_agree():
    with pytest.raises(DataError, match="image 2: has no caption"):
        caption_measures({1: "a"}, {1: ["a"], 2: ["b"]}, tokenise=str.split)
    with pytest.raises(DataError, match="image 2: has no reference"):
        caption_measures({1: "a", 2: "b"}, {1: ["a"]}, tokenise=str.split)
    with pytest.raises(DataError, match="image 1: has no list of references"):
        caption_measures({1: "a"}, {1: []}, tokenise=str.split)
    with pytest.raises(DataError, match="image 1: has no list of references"):
        caption_measures({1: "a"}, {1: "a roof"}, tokenise=str.split)
    with pytest.raises(DataError, match="of no image"):
        caption_measures({}, {}, tokenise=str.split)


def test_mean_score_needs_meteor():
    # The row of JTTS on UC Merced: (.7376 + .4906 + .8364 + 3.7102) / 4 = 5.7748 / 4
    assert mean_score(bleu_4=0.7376, meteor=0.4906, rouge_l=0.8364, cider=3.7102) == pytest.approx(1.4437)
    assert mean_score(bleu_4=1.0, meteor=None, rouge_l=1.0, cider=1.0) is None
