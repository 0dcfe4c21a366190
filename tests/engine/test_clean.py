"""Predictions without leaking images: against predicting on a dataset that never had them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_datasets import write_fake
from toy_encoder import ToyEncoder

from geoglot.core.errors import DataError, UsageError
from geoglot.data.near_duplicates import DuplicatePair, ImageName, Leaks
from geoglot.engine.clean import clean_subset, evaluate_clean
from geoglot.engine.evaluation import evaluate_retrieval
from geoglot.engine.prediction import predict


@pytest.fixture
def predictions(tmp_path):
    write_fake(tmp_path, "ucm")
    return predict(ToyEncoder(), "ucm", split="train", root=tmp_path)


def leaks(*identifiers: str, looked_at=("ucm/train", "ucm/test")) -> Leaks:
    pairs = tuple(
        DuplicatePair(
            first=ImageName("ucm", "train", identifier),
            second=ImageName("ucm", "test", "airport_5"),
            distance=0,
            correlation=1.0,
            detail=1.0,
            symmetry="as it is",
            identical=True,
            duplicate=True,
        )
        for identifier in identifiers
    )
    return Leaks(images=dict.fromkeys(looked_at, 16), near={}, pairs=pairs, settings={"distance_below": 12})


def test_equals_predicting_without_the_images(tmp_path, predictions):
    gone = {"airport_1", "forest_0", "forest_2", "river_3"}
    manifest = tmp_path / "ucm" / "manifest.jsonl"
    lines = [line for line in manifest.read_text().splitlines() if not any(f"/{name}." in line for name in gone)]
    manifest.write_text("\n".join(lines) + "\n")
    expected = predict(ToyEncoder(), "ucm", split="train", root=tmp_path)
    clean = clean_subset(predictions, gone)
    assert clean.image_ids == expected.image_ids
    assert clean.image_categories == expected.image_categories
    assert np.array_equal(clean.image_vectors, expected.image_vectors)
    assert clean.header["left_out"] == 4
    for language, texts in expected.texts.items():
        found = clean.texts[language]
        assert np.array_equal(found.image_of_caption, texts.image_of_caption)
        assert np.array_equal(found.vectors[found.text_of_caption], texts.vectors[texts.text_of_caption])
        assert len(found.vectors) == len(texts.vectors)
        assert found.text_of_caption.dtype == found.image_of_caption.dtype == np.int64
    assert evaluate_retrieval(clean)["languages"] == evaluate_retrieval(expected)["languages"]


def test_nothing_left_out_changes_nothing(predictions):
    same = clean_subset(predictions, {"not here"})
    assert same.image_ids == predictions.image_ids
    for language, texts in predictions.texts.items():
        assert np.array_equal(same.texts[language].vectors, texts.vectors)
        assert np.array_equal(same.texts[language].text_of_caption, texts.text_of_caption)


def test_a_model_of_scores_keeps_those_of_the_rest(predictions):
    english = predictions.texts["en"]
    scores = predictions.image_vectors @ english.vectors.T
    none = np.zeros((len(english.vectors), 0), np.float32)
    scored = replace(
        predictions,
        image_vectors=np.zeros((len(predictions.image_ids), 0), np.float32),
        texts={"en": replace(english, vectors=none, scores=scores)},
    )
    gone = {"airport_1", "forest_0"}
    by_scores, by_vectors = clean_subset(scored, gone), clean_subset(predictions, gone)
    expected = by_vectors.image_vectors @ by_vectors.texts["en"].vectors.T
    assert by_scores.texts["en"].scores == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(by_scores.texts["en"].text_of_caption, by_vectors.texts["en"].text_of_caption)
    assert evaluate_retrieval(by_scores, resamples=5)["languages"].keys() == {"en"}


def test_nothing_left_is_an_error(predictions):
    with pytest.raises(DataError, match="holds no image"):
        clean_subset(predictions, set(predictions.image_ids))


def test_both_figures_side_by_side(predictions):
    record = evaluate_clean(predictions, leaks("beach_0", "beach_1"), resamples=20)
    plain = record["clean"].pop("languages"), record.pop("languages")
    assert record["clean"]["left_out"] == 0, "an image of train seen in test does not count as seen in training"
    assert plain[0] == plain[1]
    test = Leaks(
        images={"ucm/train": 16, "rsicd/train": 3},
        near={},
        pairs=tuple(
            DuplicatePair(
                first=ImageName("rsicd", "train", "x"),
                second=ImageName("ucm", "train", identifier),
                distance=0,
                correlation=1.0,
                detail=1.0,
                symmetry="as it is",
                identical=True,
                duplicate=identifier != "river_0",
            )
            for identifier in ("beach_0", "beach_1", "river_0")
        ),
        settings={"distance_below": 12},
    )
    record = evaluate_clean(predictions, test, resamples=20)
    assert json.loads(json.dumps(record["clean"]))["left_out"] == 2
    assert record["clean"]["images"] == 14
    assert record["clean"]["found_with"]["distance_below"] == 12
    expected = evaluate_retrieval(clean_subset(predictions, {"beach_0", "beach_1"}), resamples=20)["languages"]
    assert record["clean"]["languages"] == expected
    assert record["languages"] == evaluate_retrieval(predictions, resamples=20)["languages"]


def test_leaks_of_another_part_are_refused(predictions):
    with pytest.raises(UsageError, match="ucm/train: was not looked at"):
        evaluate_clean(predictions, leaks(looked_at=("ucm/test",)))
