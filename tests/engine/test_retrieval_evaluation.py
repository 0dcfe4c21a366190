from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from geoglot.core.errors import GeoglotError
from geoglot.data.rsicd import records
from geoglot.data.translations import load_translations
from geoglot.engine.evaluation import Report, evaluate_retrieval, evaluate_retrieval_file, write_result
from geoglot.engine.saved_predictions import save_predictions


def _rank(scores, right):
    """Place of the first right item after a stable sort, by hand."""
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], j))
    return next(place for place, item in enumerate(order, start=1) if item in right)


def _by_loops(data_root, encoder, language, *, distinct):
    """Recall from the captions themselves, one query at a time, sharing nothing with the engine but the encoder."""
    table = load_translations(data_root)
    found = records("train", data_root)
    own = [[table.translate(caption, language) for caption in record.captions] for record in found]
    listed = [caption for captions in own for caption in captions]
    texts = list(dict.fromkeys(listed)) if distinct else listed
    from geoglot.engine.prediction import read_square

    images = encoder.encode_images(np.stack([read_square(record.path, encoder.side) for record in found]))
    by_text = {text: encoder.encode_texts([text])[0] for text in set(texts)}
    scores = [[float(np.float32(np.dot(v.astype(float), by_text[t].astype(float)))) for t in texts] for v in images]
    image_ranks, text_ranks = [], []
    for i in range(len(found)):
        right = {j for j, t in enumerate(texts) if (t in own[i] if distinct else j // 5 == i)}
        image_ranks.append(_rank(scores[i], right))
    for j, text in enumerate(texts):
        right = {i for i in range(len(found)) if (text in own[i] if distinct else i == j // 5)}
        text_ranks.append(_rank([row[j] for row in scores], right))
    return image_ranks, text_ranks


@pytest.mark.parametrize("language", ["en", "ar", "fr", "it"])
@pytest.mark.parametrize(("kind", "distinct"), [("plain", False), ("duplicate_aware", True)])
def test_figures_equal_loops_over_the_captions(data_root, encoder, predictions, language, kind, distinct):
    figures = evaluate_retrieval(predictions, resamples=10)["languages"][language][kind]
    image_ranks, text_ranks = _by_loops(data_root, encoder, language, distinct=distinct)
    recalls = []
    for way, ranks in (("image_to_text", image_ranks), ("text_to_image", text_ranks)):
        assert figures[way]["queries"] == len(ranks)
        assert figures[way]["mean_rank"] == pytest.approx(sum(ranks) / len(ranks), abs=1e-4)
        for k in (1, 5, 10):
            expected = 100 * sum(rank <= k for rank in ranks) / len(ranks)
            assert figures[way][f"R@{k}"]["value"] == pytest.approx(expected, abs=1e-4)
            recalls.append(expected)
    assert figures["mR"]["value"] == pytest.approx(sum(recalls) / 6, abs=1e-4)
    assert figures["rsum"] == pytest.approx(sum(recalls), abs=1e-3)


def test_intervals_hold_the_value(predictions):
    for figures in evaluate_retrieval(predictions)["languages"].values():
        for kind in ("plain", "duplicate_aware"):
            low, high = figures[kind]["mR"]["interval"]
            assert low <= figures[kind]["mR"]["value"] <= high


def test_protocol_is_written_beside_the_numbers(predictions):
    record = evaluate_retrieval(predictions, ties="pessimistic", resamples=7, seed=3)
    protocol = record["protocol"]
    assert (protocol["split"], protocol["ties"], protocol["image_side"], protocol["images"]) == (
        "train",
        "pessimistic",
        32,
        16,
    )
    assert protocol["captions"]["en"] == 80
    assert protocol["distinct_captions"]["en"] < 80
    assert protocol["interval"]["resamples"] == 7
    assert protocol["seeds"] == {"bootstrap": 3}
    assert record["model"]["sha256"] == "0" * 64
    assert set(record["dates"]) == {"predicted", "evaluated"}
    assert record["environment"]["cpu"]
    assert record["languages"]["en"]["mR_share_of_english"] == 1.0


def test_only_the_file_is_read(tmp_path, data_root, predictions):
    path = tmp_path / "predictions.npz"
    save_predictions(predictions, path)
    before = evaluate_retrieval(predictions, resamples=20)
    import shutil

    shutil.rmtree(data_root)
    assert evaluate_retrieval_file(path, resamples=20) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["image", "text"])
def test_non_finite_predictions_are_refused_from_the_file_too(tmp_path, predictions, where, value):
    images = predictions.image_vectors.copy()
    texts = dict(predictions.texts)
    if where == "image":
        images[4, 2] = value
    else:
        vectors = texts["fr"].vectors.copy()
        vectors[4, 2] = value
        texts["fr"] = dataclasses.replace(texts["fr"], vectors=vectors)
    save_predictions(dataclasses.replace(predictions, image_vectors=images, texts=texts), tmp_path / "p.npz")
    with pytest.raises(GeoglotError, match=r"vectors\[\d+, 2\]: is (nan|inf)"):
        evaluate_retrieval_file(tmp_path / "p.npz", resamples=5)


def test_a_collapsed_model_stays_at_chance(predictions):
    # Every vector the same: under stable ties caption j finds image 0 first, so one image in sixteen is found at 1.
    one = np.zeros_like(predictions.image_vectors)
    one[:, 0] = 1
    texts = {}
    for name, found in predictions.texts.items():
        vectors = np.zeros_like(found.vectors)
        vectors[:, 0] = 1
        texts[name] = dataclasses.replace(found, vectors=vectors)
    collapsed = dataclasses.replace(predictions, image_vectors=one, texts=texts)
    plain = evaluate_retrieval(collapsed, resamples=5)["languages"]["en"]["plain"]
    assert plain["text_to_image"]["R@1"]["value"] == 6.25
    assert plain["image_to_text"]["R@5"]["value"] == 6.25
    worst = evaluate_retrieval(collapsed, resamples=5, ties="pessimistic")["languages"]["en"]["plain"]
    assert worst["mR"]["value"] == 0.0


def test_result_file_is_sorted_json_named_by_model_and_data(tmp_path, predictions):
    record = evaluate_retrieval(predictions, resamples=5)
    path = write_result(record, tmp_path)
    assert path.relative_to(tmp_path).as_posix() == "retrieval/toy-1-rsicd-train.json"
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert json.loads(text) == json.loads(json.dumps(record))
    report = Report(record=record, path=path)
    assert report.mean_recall("ar") == record["languages"]["ar"]["plain"]["mR"]["value"]
    hostile = {**record, "model": {"id": "../../etc/x", "sha256": ""}, "dataset": "/"}
    assert write_result(hostile, tmp_path).parent == tmp_path / "retrieval"
