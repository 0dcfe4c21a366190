from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import oracle_captions as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.metrics.caption_alignment import best_alignment, english_stem, meteor_exact_stem
from geoglot.text.ptb import caption_words

RECORDED = json.loads((Path(__file__).parent / "reference_captions.json").read_text(encoding="utf-8"))


def score(hypothesis, *references, **options):
    return meteor_exact_stem({0: hypothesis}, {0: list(references)}, tokenise=str.split, **options)[0]


def test_by_hand():
    # "a b c" with "a b d e": 2 aligned in one chunk. P = 2/3, R = 2/4.
    # F = (2/3 * 1/2) / (0.85 * 2/3 + 0.15 * 1/2) = 0.33333 / 0.64167; penalty 0.6 * (1/2)^0.2
    fmean = (2 / 3 * 1 / 2) / (0.85 * 2 / 3 + 0.15 * 1 / 2)
    assert score("a b c", "a b d e") == pytest.approx(fmean * (1 - 0.6 * 0.5**0.2))


def test_order_costs():
    # All words in the wrong order: three chunks of three words, F = 1: 1 - 0.6.
    assert score("a b c", "c b a") == pytest.approx(0.4)
    assert score("a b c", "a b c") == pytest.approx(1.0)


def test_the_best_reference_counts():
    assert score("a b c", "x y z", "a b c", "a") == pytest.approx(1.0)


def test_stems_and_synonyms():
    # P = R = 0.6 for a stem, in one chunk of one word.
    assert score("parked", "parking") == pytest.approx(0.6)
    assert score("parked", "parking", english=False) == 0.0
    same = {frozenset(("house", "home"))}
    assert score("house", "home", synonyms=lambda a, b: frozenset((a, b)) in same) == pytest.approx(0.8)
    assert score("house", "home") == 0.0


def test_nothing_and_an_empty_caption():
    assert score("", "a b") == 0.0
    assert score("a", "") == 0.0
    assert score("x y", "a b") == 0.0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(["tree", "trees", "a", "road"]), max_size=4),
    st.lists(st.sampled_from(["tree", "trees", "a", "road"]), max_size=4),
)
def test_no_alignment_is_better(hypothesis, reference):
    def weight(first, second):
        return 1.0 if first == second else 0.6 * (english_stem(first) == english_stem(second))

    every = [(0.0, 0, 0), *oracle.alignments(hypothesis, reference, weight)]
    heaviest = max(total for total, _, _ in every)
    fewest = min(chunks for total, _, chunks in every if total == pytest.approx(heaviest))
    total, matches, chunks = best_alignment(hypothesis, reference, weight)
    assert total == pytest.approx(heaviest)
    assert chunks == fewest
    assert matches <= min(len(hypothesis), len(reference))


def test_a_loop_of_one_word_ends():
    assert 0 < score("the " * 60, "the roof of the house " * 6) < 1


def test_goes_with_meteor_but_is_not_it():
    ours, theirs = [], []
    for case in RECORDED["cases"].values():
        _, values = meteor_exact_stem(case["hypotheses"], case["references"], tokenise=caption_words)
        ours.extend(values)
        theirs.extend(case["image_meteor"])
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    assert np.abs(np.array(ours) - theirs).max() > 0.01


def test_the_order_of_images_changes_nothing():
    hypotheses, references = {1: "a b", 2: "c d"}, {2: ["c e"], 1: ["b a"]}
    forth, _ = meteor_exact_stem(hypotheses, references, tokenise=str.split)
    back, _ = meteor_exact_stem(dict(reversed(hypotheses.items())), references, tokenise=str.split)
    assert forth == pytest.approx(back)


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("houses", "house"),
        ("stopped", "stop"),
        ("running", "run"),
        ("bridges", "bridge"),
        ("churches", "church"),
        ("boxes", "box"),
        ("neatly", "neat"),
        ("ring", "ring"),
        ("bed", "bed"),
        ("s-shaped", "s-shaped"),
        ("étangs", "étangs"),
    ],
)
def test_stems(word, stem):
    assert english_stem(word) == stem
