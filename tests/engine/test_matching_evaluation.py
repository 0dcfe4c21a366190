from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from toy_matching import NAMES, toy_predictions, write_run

from geoglot.core.errors import DataError, GeoglotError, UsageError
from geoglot.engine.matching.evaluation import evaluate_runs, retrieval_of, write_matching_result
from geoglot.engine.matching.predictions import load_predictions, save_predictions


def naive_map(predictions, gallery, keep_query):
    """Mean AP by walking down sorted lists; no ties in the toy's scores."""
    values = []
    for row, query in enumerate(predictions.query_rows):
        listed = []
        for column, image in enumerate(predictions.gallery_rows):
            if gallery in ("all", predictions.splits[image]) and (keep_query or image != query):
                same = predictions.categories[image] == predictions.categories[query]
                listed.append((predictions.scores[row, column], same))
        hits, total = 0, 0.0
        for place, (_, same) in enumerate(sorted(listed, key=lambda pair: -pair[0]), start=1):
            if same:
                hits += 1
                total += hits / place
        values.append(total / hits)
    return sum(values) / len(values)


@pytest.mark.parametrize("gallery", ["all", "test", "train"])
@pytest.mark.parametrize("keep_query", [False, True])
def test_galleries_and_the_query(gallery, keep_query):
    predictions = toy_predictions()
    found = retrieval_of(predictions, gallery=gallery, keep_query=keep_query)
    assert found.mean_average_precision == pytest.approx(naive_map(predictions, gallery, keep_query))
    # 10 images of a class, 2 of them test: 7 train, 1 val.
    relevant = {"all": 10, "test": 2, "train": 7}[gallery]
    left_out = 0 if keep_query or gallery == "train" else 1
    assert set(found.relevant.tolist()) == {relevant - left_out}


def test_the_order_in_which_a_gallery_was_saved_settles_no_tie():
    predictions = toy_predictions(noise=0.0)
    flat = dataclasses.replace(predictions, scores=np.zeros_like(predictions.scores))
    order = np.random.default_rng(9).permutation(len(flat.gallery_rows))
    shuffled = dataclasses.replace(flat, gallery_rows=flat.gallery_rows[order])
    for gallery in ("all", "test"):
        first, second = retrieval_of(flat, gallery=gallery), retrieval_of(shuffled, gallery=gallery)
        assert np.array_equal(first.average_precision, second.average_precision)
    # All scores equal: the images of the first class stand first by their rows, and last in the honest reading.
    assert retrieval_of(flat).class_mean_average_precision[0] == 1.0
    assert retrieval_of(flat, pessimistic=True).mean_average_precision < 0.25


def test_a_gallery_without_images():
    predictions = toy_predictions()
    nothing = dataclasses.replace(
        predictions, splits=np.where(predictions.splits == "val", "train", predictions.splits)
    )
    with pytest.raises(UsageError, match="val"):
        retrieval_of(nothing, gallery="val")


def test_record_of_one_run(tmp_path):
    predictions = toy_predictions()
    record = evaluate_runs([write_run(tmp_path / "run", predictions)], resamples=50)
    assert record["task"] == "matching"
    assert record["model"]["without_labels"] == ["rsicd", "train"]
    assert set(record["galleries"]) == {"all", "test"}
    left, kept = (record["galleries"]["all"][name] for name in ("query_left_out", "query_kept"))
    assert left["mAP"]["value"] == pytest.approx(100 * naive_map(predictions, "all", False), abs=0.006)
    assert kept["mAP"]["value"] == pytest.approx(100 * naive_map(predictions, "all", True), abs=0.006)
    assert left["mAP"]["spread"] is None
    low, high = left["mAP"]["interval"]
    assert low <= left["mAP"]["value"] <= high
    assert left["ANMRR"] == left["ANMRR_MPEG7"]  # classes of one size
    assert left["mAP_pessimistic"]["value"] == left["mAP"]["value"]  # no ties
    # 9 others of 10: P@1000 is at most 0.9 %
    assert left["P@1000"]["value"] == 0.9
    assert list(left["class_mAP"]) == list(NAMES)
    assert all(sum(row.values()) == pytest.approx(100, abs=0.05) for row in left["confusion"].values())
    # 24 of 30 images are not test images; the pairs stage had their classes.
    assert record["protocol"]["leak"]["all"].startswith("24 of the 30 gallery images")
    assert record["protocol"]["leak"]["test"] is None
    assert str(tmp_path) not in json.dumps(record)


def test_several_seeds(tmp_path):
    each = [toy_predictions(seed=seed) for seed in range(3)]
    runs = [write_run(tmp_path / f"run{seed}", one, seed=seed) for seed, one in enumerate(each)]
    record = evaluate_runs(runs, resamples=50)
    single = [100 * naive_map(one, "test", False) for one in each]
    found = record["galleries"]["test"]["query_left_out"]["mAP"]
    assert found["value"] == pytest.approx(np.mean(single), abs=0.006)
    assert found["spread"] == pytest.approx(np.std(single, ddof=1), abs=0.006)
    assert [run["seed"] for run in record["runs"]] == [0, 1, 2]
    assert [run["test"]["mAP"] for run in record["runs"]] == pytest.approx(single, abs=0.006)


def test_scores_of_several_seeds_are_averaged(tmp_path):
    """Noise of nine seeds averages out; folds ask with other images, and distances are no logits."""
    each = [toy_predictions(seed=seed) for seed in range(9)]
    runs = [write_run(tmp_path / f"run{seed}", one, seed=seed) for seed, one in enumerate(each)]
    record = evaluate_runs(runs, resamples=10)
    columns = [one.scores[:, np.argsort(one.gallery_rows)] for one in each]
    mean = dataclasses.replace(each[0], scores=np.mean(columns, axis=0), gallery_rows=np.arange(30))
    together = record["together"]["test"]["query_left_out"]["mAP"]
    assert together["value"] == pytest.approx(100 * naive_map(mean, "test", False), abs=0.006)
    assert together["value"] > record["galleries"]["test"]["query_left_out"]["mAP"]["value"]
    assert evaluate_runs(runs[:1], resamples=10)["together"] is None
    folds = [write_run(tmp_path / f"fold{k}", toy_predictions(seed=k, fold=k), fold=k) for k in range(2)]
    assert evaluate_runs(folds, resamples=10)["together"] is None
    apart = [write_run(tmp_path / f"d{s}", one, seed=s, metric="cosine") for s, one in enumerate(each[:2])]
    assert evaluate_runs(apart, resamples=10)["together"] is None


def test_five_folds(tmp_path):
    runs = [write_run(tmp_path / f"run{k}", toy_predictions(seed=k, fold=k), fold=k) for k in range(5)]
    record = evaluate_runs(runs, resamples=20)
    assert record["protocol"]["folds"] == [0, 1, 2, 3, 4]
    assert record["protocol"]["query_images"] == [6] * 5
    assert write_matching_result(record, tmp_path).name == "residual_dyad-from-rsicd-train-ucm-128px-folds.json"


def test_runs_of_two_configurations_are_refused(tmp_path):
    first, other = write_run(tmp_path / "a"), write_run(tmp_path / "b", seed=1, config={"autoencoder": "residual"})
    with pytest.raises(UsageError, match="differ in config"):
        evaluate_runs([first, other])
    with pytest.raises(UsageError, match="one seed and fold twice"):
        evaluate_runs([first, write_run(tmp_path / "c")])
    with pytest.raises(UsageError, match="runs: are none"):
        evaluate_runs([])


def test_damaged_runs_are_refused(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "predictions.npz").write_bytes((run / "predictions.npz").read_bytes()[:100])
    with pytest.raises(DataError, match=r"predictions\.npz"):
        evaluate_runs([run])
    (run / "predictions.npz").unlink()
    with pytest.raises(DataError, match="is absent"):
        evaluate_runs([run])
    (run / "recipe.json").write_text("{}")
    with pytest.raises(DataError, match="no finished run"):
        evaluate_runs([run])


def test_what_a_run_started_from_is_told_without_folders(tmp_path):
    """The autoencoder was learned in a run of its own, one per seed: still one configuration."""
    stages = [{"kind": "reconstruction", "data": ["rsicd"]}]
    pairs = [{"kind": "pairs", "data": ["train"]}]
    for seed in (0, 1):
        write_run(tmp_path / f"first{seed}", stages=stages, seed=seed)
        initial = str(tmp_path / f"first{seed}")
        write_run(tmp_path / f"second{seed}", toy_predictions(seed=seed), stages=pairs, seed=seed, initial=initial)
    record = evaluate_runs([tmp_path / "second0", tmp_path / "second1"], resamples=10)
    assert record["model"]["without_labels"] == ["rsicd"]
    assert str(tmp_path) not in json.dumps(record)


def test_a_run_without_labels_leaks_no_labels(tmp_path):
    first = write_run(tmp_path / "a", metric="euclidean", stages=[{"kind": "reconstruction", "data": ["train"]}])
    assert evaluate_runs([first], resamples=10)["protocol"]["leak"]["all"].endswith("without their classes")
    second = write_run(tmp_path / "b", metric="euclidean", stages=[{"kind": "reconstruction", "data": ["rsicd"]}])
    assert evaluate_runs([second], resamples=10)["protocol"]["leak"]["all"] is None


def test_a_file_of_another_configuration_is_not_replaced(tmp_path):
    first = evaluate_runs([write_run(tmp_path / "a")], resamples=10)
    # The stages differ, which the name does not tell.
    second = evaluate_runs(
        [write_run(tmp_path / "b", stages=[*first["configuration"]["stages"], {"kind": "joint"}])], resamples=10
    )
    paths = [write_matching_result(record, tmp_path) for record in (first, second)]
    assert paths[0] != paths[1]
    assert paths[0].name == "residual_dyad-from-rsicd-train-ucm-128px.json"
    assert [write_matching_result(record, tmp_path) for record in (first, second)] == paths
    assert len(list((tmp_path / "matching").iterdir())) == 2


def test_a_configuration_has_one_file(tmp_path):
    record = evaluate_runs([write_run(tmp_path / "a")], resamples=10)
    path = write_matching_result(record, tmp_path)
    renamed = path.rename(path.with_name("short.json"))
    # The same settings, of a recipe that does not name those which are empty.
    settings = {**record["configuration"]}
    for name in ("initial", "backbone_weights", "descriptor_config"):
        assert settings.pop(name) in (None, {})
    assert write_matching_result({**record, "configuration": settings}, tmp_path) == renamed
    assert list((tmp_path / "matching").iterdir()) == [renamed]


def test_names_of_descriptors(tmp_path):
    hog = write_run(tmp_path / "a", descriptor="hog", metric="euclidean", stages=[])
    assert write_matching_result(evaluate_runs([hog], resamples=10), tmp_path).stem == "hog-euclidean-ucm-128px"
    learned = write_run(
        tmp_path / "b",
        descriptor="dense_sift",
        descriptor_config={"aggregation": "fisher"},
        config={"features": [1, 1, 1]},
        stages=[{"kind": "pairs"}],
        share=0.5,
    )
    name = write_matching_result(evaluate_runs([learned], resamples=10), tmp_path).stem
    assert name == "dense_sift-residual_dyad-aggregation-fisher-ucm-128px-share-0.5"


def test_predictions_round_trip(tmp_path):
    predictions = toy_predictions()
    save_predictions(predictions, tmp_path / "predictions.npz")
    for path in (tmp_path, tmp_path / "predictions.npz"):
        found = load_predictions(path)
        for field in dataclasses.fields(found):
            assert np.array_equal(getattr(found, field.name), getattr(predictions, field.name))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": np.full((6, 30), np.nan, np.float32)}, "no number"),
        ({"scores": np.zeros((6, 29), np.float32)}, "scores of shape"),
        ({"query_rows": np.array([0, 0, 1, 2, 3, 4])}, "one image twice"),
        ({"query_rows": np.array([0, 1, 2, 3, 4, 30])}, "queries that point outside"),
        ({"gallery_rows": np.zeros(30, np.int64)}, "search 1 images"),
        ({"gallery_rows": np.arange(29)}, "search 29 images"),
        ({"categories": np.full(30, 3)}, "categories that point outside"),
        ({"categories": np.zeros(29, np.int64)}, "different numbers"),
        ({"splits": np.full(30, "holdout")}, "split that does not exist: holdout"),
        ({"items": np.full(30, "a")}, "name an image twice"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(DataError, match=words):
        dataclasses.replace(toy_predictions(), **changes)


def test_queries_of_two_splits_are_refused(tmp_path):
    predictions = toy_predictions()
    mixed = dataclasses.replace(predictions, splits=np.array(["test", "val"] * 15))
    with pytest.raises(UsageError, match="ask with images of test, val"):
        evaluate_runs([write_run(tmp_path / "run", mixed)])


def test_a_test_split_without_answers_is_left_out(tmp_path):
    """One test image of each class: a test-only gallery without the query holds no answer."""
    predictions = toy_predictions(per_class=5)
    with pytest.raises(GeoglotError, match="answers no query"):
        retrieval_of(predictions, gallery="test")
    record = evaluate_runs([write_run(tmp_path / "run", predictions)], resamples=10)
    assert list(record["galleries"]) == ["all"]
