from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from geoglot.core.errors import GeoglotError, UsageError
from geoglot.data.captioned import load_dataset
from geoglot.data.category_phrases import CATEGORY_PHRASES, SAME_PLACES
from geoglot.data.ucm import CATEGORIES
from geoglot.engine.presence import (
    PresenceTrial,
    evaluate_presence,
    phrase_precision,
    presence_figures,
    presence_trials,
    twins,
)

EYE = np.eye(4, dtype=np.float32)


def best(query, gallery):
    return float((gallery @ query).max())


def test_class_by_class_with_and_without():
    # Two images of a (axes 0 and 1), one of b (axis 2), one of c (axis 3). The query for a is axis 0.
    # With a in: best cosine 1; without: b and c are orthogonal, 0. The query for c is halfway between axes 2 and 3:
    # with c in: 1/sqrt(2) from either; without c: the same, from b.
    half = np.array([[0, 0, 1, 1]], dtype=np.float32) / np.sqrt(np.float32(2))
    trials = presence_trials(EYE, ["a", "a", "b", "c"], {"a": EYE[:1], "c": half, "nowhere": EYE[:1]}, best)
    assert [(t.category, t.phrase) for t in trials] == [("a", 0), ("c", 0)]
    assert (trials[0].present, trials[0].absent) == (1.0, 0.0)
    assert trials[1].present == trials[1].absent == pytest.approx(0.7071068)
    figures = presence_figures(trials, likely_at=0.5)
    # pairs: 1 > 0, 1 > .707, .707 > 0, .707 = .707 -> 3.5 / 4; absent likely: c, one of two; no present missed
    assert figures["auc"]["value"] == 0.875
    assert figures["absent_called_likely_percent"] == 50.0
    assert figures["present_called_absent_percent"] == 0.0
    assert presence_figures(trials, likely_at=0.9)["present_called_absent_percent"] == 50.0


def test_the_whole_class_is_gone_and_its_twin_if_asked():
    sizes = []

    def remember(query, gallery):
        sizes.append(len(gallery))
        return 0.0

    presence_trials(EYE, ["a", "a", "b", "c"], {"a": EYE[:1]}, remember)
    presence_trials(EYE, ["a", "a", "b", "c"], {"a": EYE[:1]}, remember, removed_with={"a": ["b"]})
    assert sizes == [4, 2, 4, 1]


def test_figures_do_not_depend_on_class_order_and_interval_repeats():
    generator = np.random.default_rng(0)
    trials = [
        PresenceTrial(category=f"c{i}", phrase=p, present=generator.normal(1), absent=generator.normal(0))
        for i in range(20)
        for p in range(2)
    ]
    one, two = presence_figures(trials, likely_at=0.5), presence_figures(trials[::-1], likely_at=0.5)
    assert one["auc"]["value"] == two["auc"]["value"]
    assert one["auc"] == presence_figures(trials, likely_at=0.5)["auc"]
    low, high = one["auc"]["interval"]
    assert low < one["auc"]["value"] < high
    assert (one["classes"], one["queries"]) == (20, 40)


@pytest.mark.parametrize(
    ("categories", "queries", "decision", "message"),
    [
        (["a", "", "b", "c"], {"a": EYE[:1]}, best, "do not name a class"),
        (["a", "b", "c"], {"a": EYE[:1]}, best, "do not name a class"),
        (["a", "a", "a", "a"], {"a": EYE[:1]}, best, "is the whole gallery"),
        (["a", "a", "b", "b"], {"z": EYE[:1]}, best, "name no class"),
        (["a", "a", "b", "b"], {"a": EYE[:1] * np.nan}, best, "is nan"),
        (["a", "a", "b", "b"], {"a": EYE[:1]}, lambda query, gallery: float("nan"), "decision values"),
    ],
)
def test_nonsense_is_refused(categories, queries, decision, message):
    with pytest.raises(GeoglotError, match=message):
        presence_trials(EYE, categories, queries, decision)


def test_no_trials_are_refused():
    with pytest.raises(UsageError):
        presence_figures([], likely_at=0.5)


def test_record_from_predictions(predictions):
    record = evaluate_presence(
        predictions, best, likely_at=0.3, decision="best cosine", removed_with={"river": ["beach"]}
    )
    assert record["task"] == "confidence"
    assert set(record["languages"]) == {"en", "ar", "fr", "it"}
    assert record["languages"]["ar"]["classes"] == 4  # of 31 with phrases, those that the split holds
    assert record["languages"]["ar"]["queries"] == 8
    assert record["protocol"]["decision"] == "best cosine"
    assert record["protocol"]["removed_with"] == {"river": ["beach"]}
    # best cosine over fewer images can only be lower
    for trial in record["languages"]["fr"]["trials"]:
        assert trial["absent"] <= trial["present"]
    with pytest.raises(GeoglotError, match="has no query phrases"):
        evaluate_presence(dataclasses.replace(predictions, phrases={}), best, likely_at=0.3, decision="best cosine")


def test_precision_of_phrases_by_hand():
    # cosines of axis 0 with three rows: 0.6, 1, 0.8; class a is rows 0 and 1, at places 3 and 1: (1/1 + 2/3) / 2
    gallery = np.array([[0.6, 0.8], [1, 0], [0.8, 0.6]], dtype=np.float32)
    queries = {"a": np.array([[1, 0]], dtype=np.float32), "nowhere": np.array([[0, 1]], dtype=np.float32)}
    assert phrase_precision(gallery, ["a", "a", "b"], queries) == pytest.approx((1 + 2 / 3) / 2)


def test_phrases_are_moved_before_they_are_asked(predictions):
    plain = evaluate_presence(predictions, best, likely_at=0.3, decision="best cosine")
    assert plain["protocol"]["questions"] == "plain"
    assert "mean_average_precision_without_expansion" not in plain["languages"]["en"]
    turned = evaluate_presence(predictions, best, likely_at=0.3, decision="best cosine", expansion=lambda rows: -rows)
    for language, figures in turned["languages"].items():
        before = plain["languages"][language]
        assert figures["mean_average_precision_without_expansion"] == before["mean_average_precision"]
        assert figures["trials"] != before["trials"]


@pytest.mark.parametrize("dataset", sorted(CATEGORY_PHRASES))
def test_phrases_are_complete_and_in_their_script(dataset):
    assert load_dataset(dataset)
    for category, by_language in CATEGORY_PHRASES[dataset].items():
        assert list(by_language) == ["en", "ar", "fr", "it"], category
        assert {len(phrases) for phrases in by_language.values()} == {2}
        for language, phrases in by_language.items():
            for phrase in phrases:
                assert phrase == phrase.strip()
                arabic = sum("\u0600" <= letter <= "\u06ff" for letter in phrase)
                assert (arabic > 0) == (language == "ar"), phrase
                if language == "ar":
                    assert not any(letter.isascii() and letter.isalpha() for letter in phrase), phrase


def test_phrases_tell_the_classes_of_a_dataset_apart():
    for dataset, classes in CATEGORY_PHRASES.items():
        for language in ("en", "ar", "fr", "it"):
            phrases = [phrase for by_language in classes.values() for phrase in by_language[language]]
            assert len(phrases) == len(set(phrases)), (dataset, language)
    assert set(CATEGORY_PHRASES["ucm"]) == set(CATEGORIES)
    assert len(CATEGORY_PHRASES["rsicd"]) == 31
    for dataset, groups in SAME_PLACES.items():
        assert set(twins(groups)) <= set(CATEGORY_PHRASES[dataset])


@pytest.mark.realdata
@pytest.mark.parametrize("dataset", sorted(CATEGORY_PHRASES))
def test_phrases_cover_the_real_classes(dataset):
    import os
    from pathlib import Path

    root = os.environ.get("GEOGLOT_DATA")
    if not root or not (Path(root) / dataset).is_dir():
        pytest.skip(f"{dataset} is not here")
    assert {record.category for record in load_dataset(dataset).records("test")} == set(CATEGORY_PHRASES[dataset])
