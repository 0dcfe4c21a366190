"""From pictures to a result: trained runs of both shapes of method, their evaluation, and the same-start race."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_datasets import write_fake

from geoglot.api.bench import evaluate_run
from geoglot.cli import main as program
from geoglot.core.errors import DataError, GeoglotError, UsageError
from geoglot.data.rsicd import records
from geoglot.engine import checkpoint
from geoglot.engine.evaluation import evaluate_retrieval, evaluate_retrieval_file
from geoglot.engine.launch import method_recipe
from geoglot.engine.leaderboard import Places, Race, entrants, run_race, starts_after, summary_of
from geoglot.engine.pairs import load_pictures
from geoglot.engine.run_prediction import predict_run
from geoglot.engine.saved_predictions import load_predictions, save_predictions
from geoglot.engine.trained import load_trained
from geoglot.engine.training import train
from geoglot.nn.backbone import build_backbone

SMALL = {
    "vse_plus_plus": {"dimension": 16, "word_width": 12},
    "scan": {"word_width": 12},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_fake(root, "rsicd", per_category=5)
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    checkpoint.save(build_backbone("compact", channels=(8, 8, 16, 16)).state_dict(), path)
    return path


@pytest.fixture(scope="module", params=sorted(SMALL))
def run(request: pytest.FixtureRequest, data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {
        "config": SMALL[request.param],
        "datasets": ("rsicd",),
        "languages": ("en", "fr"),
        "epochs": 1,
        "batch": 4,
        "tokenizer": "subword",
        "backbone": "compact",
        "backbone_weights": str(weights),
        "frozen": True,
        "sides": ({"start": 0.0, "side": 64},),
        "validation_side": 64,
        "validation_images": 3,
    }
    folder = tmp_path_factory.mktemp("runs") / request.param
    train(method_recipe(request.param, changes), folder, data_root=data)
    return folder


def test_scores_in_the_file_are_the_models_pair_by_pair(run: Path, data: Path, tmp_path: Path) -> None:
    trained = load_trained(run)
    predictions = predict_run(trained, "rsicd", split="train", languages=("en", "fr"), root=data)
    cached = predict_run(
        trained, "rsicd", split="train", languages=("en", "fr"), root=data, cache_folder=tmp_path / "features"
    )
    found = records("train", data)
    pixels = torch.from_numpy(load_pictures([r.path for r in found], 64)).permute(0, 3, 1, 2).float() / 255
    texts = predictions.texts["en"]
    with torch.no_grad():
        for image in (0, 5):
            features = trained.model.image_features(pixels[image : image + 1])
            for number, caption in enumerate(found[image].captions):
                tokens = torch.from_numpy(trained.tokenizer.encode([caption]))
                score = float(trained.model.similarity(features, trained.model.text_features(tokens))[0, 0])
                row = int(np.flatnonzero(texts.image_of_caption == image)[number])
                column = texts.text_of_caption[row]
                for told in (predictions, cached):
                    both = told.texts["en"]
                    stored = (
                        told.image_vectors[image] @ both.vectors[column]
                        if both.scores is None
                        else both.scores[image, column]
                    )
                    assert stored == pytest.approx(score, abs=2e-2 if told is cached else 1e-4)
    assert (texts.scores is None) == trained.is_two_tower
    assert predictions.header["run"]["trained_parameters"] == sum(p.numel() for p in trained.method.parameters())


def test_evaluation_is_the_same_from_scores_and_from_vectors(run: Path, data: Path, tmp_path: Path) -> None:
    predictions = predict_run(load_trained(run), "rsicd", split="train", languages=("en", "fr"), root=data)
    file = tmp_path / "p.npz"
    save_predictions(predictions, file)
    before = evaluate_retrieval_file(file, resamples=20)
    assert before["languages"] == evaluate_retrieval(predictions, resamples=20)["languages"]
    if predictions.texts["en"].scores is not None:
        assert before["protocol"]["score"].startswith("the method's own")
        return
    # Vectors of a two-tower model, told as scores, give the same ranks, ties and intervals.
    texts = {
        name: dataclasses.replace(
            t,
            vectors=np.zeros((len(t.vectors), 0), dtype=np.float32),
            scores=(predictions.image_vectors.astype(np.float64) @ t.vectors.T.astype(np.float64)).astype(np.float32),
        )
        for name, t in predictions.texts.items()
    }
    none = np.zeros((len(predictions.image_vectors), 0), dtype=np.float32)
    as_scores = dataclasses.replace(predictions, image_vectors=none, texts=texts)
    save_predictions(as_scores, file)
    assert evaluate_retrieval_file(file, resamples=20)["languages"] == before["languages"]


def test_scores_that_make_no_sense_are_refused(run: Path, data: Path, tmp_path: Path) -> None:
    predictions = predict_run(load_trained(run), "rsicd", languages=("en",), root=data)
    texts = predictions.texts["en"]
    file = tmp_path / "p.npz"
    if texts.scores is None:
        both = dataclasses.replace(texts, scores=np.zeros((4, len(texts.vectors)), dtype=np.float32))
        save_predictions(dataclasses.replace(predictions, texts={"en": both}), file)
        with pytest.raises(DataError, match="both vectors and scores of en, or neither"):
            load_predictions(file)
        return
    narrow = dataclasses.replace(texts, scores=texts.scores[:, :-1])
    save_predictions(dataclasses.replace(predictions, texts={"en": narrow}), file)
    with pytest.raises(DataError, match="en scores of another shape"):
        load_predictions(file)
    broken = texts.scores.copy()
    broken[1, 2] = np.nan
    save_predictions(dataclasses.replace(predictions, texts={"en": dataclasses.replace(texts, scores=broken)}), file)
    with pytest.raises(GeoglotError, match="is nan"):
        evaluate_retrieval_file(file, resamples=5)


def test_report_of_a_run_names_what_was_trained(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluate_run(run, "rsicd", languages=("en",), root=data, out=tmp_path / "results", resamples=5)
    assert report.path == tmp_path / "results" / "retrieval" / f"{run.name}-rsicd.json"
    told = json.loads(report.path.read_text())["run"]
    assert (told["method"], told["backbone"], told["frozen"], told["seed"]) == (run.name, "compact", True, 0)
    assert told["variant"] == {"scan": "t2i", "vse_plus_plus": "paper"}[run.name]
    assert told["training_seconds"] > 0
    arguments = ["evaluate", "retrieval", "--run", str(run), "--data", "rsicd", "--data-root", str(data)]
    assert program.main([*arguments, "--languages", "en", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["languages"]["en"]["plain"]["mR"]["value"] == report.mean_recall("en")
    assert program.main(["evaluate", "confidence", "--run", str(run), "--data", "rsicd"]) == 2
    assert program.main(["evaluate", "retrieval", "--run", str(tmp_path / "none"), "--data", "rsicd"]) == 1
    assert program.main(["evaluate", "retrieval", "--run", str(run)]) == 2


def race_of(weights: Path, **changes: object) -> Race:
    fields = {
        "backbone_weights": str(weights),
        "datasets": ("rsicd",),
        "seeds": (0, 1),
        "epochs": {"rsicd": 1},
        "batch": 4,
        "side": 64,
        "languages": ("en", "fr"),
        "validation_images": 3,
        **changes,
    }
    return Race(**fields)  # type: ignore[arg-type]


def test_race_writes_one_result_per_method_and_goes_on_where_it_was(data: Path, weights: Path, tmp_path: Path) -> None:
    places = Places(data_root=data, runs=tmp_path / "runs", cache=tmp_path / "features", results=tmp_path / "results")
    told: list[str] = []
    race = race_of(weights, learning_rates=(1e-3, 1e-2))
    (path,) = run_race(race, places, methods=["vse_plus_plus"], say=told.append)
    record = json.loads(path.read_text())
    assert path == tmp_path / "results" / "leaderboard" / "vse_plus_plus-rsicd.json"
    # Two rates with the first seed, then the second seed at the better rate.
    assert sum(text.startswith("training") for text in told) == 3
    scores = {
        json.loads((f / "recipe.json").read_text())["optimiser"]["learning_rate"]: json.loads(
            (f / "summary.json").read_text()
        )["best_validation_score"]
        for f in (tmp_path / "runs").iterdir()
        if "seed0" in f.name
    }
    assert record["protocol"]["learning_rate"] == max(scores, key=scores.__getitem__)
    for language in ("en", "fr"):
        figures = record["languages"][language]["plain"]["mR"]
        assert figures == summary_of([run["mR"][language] for run in record["runs"]])
        assert figures["spread"] == pytest.approx(abs(np.diff(figures["values"])[0]) / np.sqrt(2), abs=1e-3)
    assert record["trained_parameters"] > 0
    assert not list(tmp_path.rglob("predictions.npz"))
    assert str(tmp_path) not in path.read_text()
    told.clear()
    run_race(race, places, methods=["vse_plus_plus"], say=told.append)
    assert [text for text in told if "training" in text] == []
    run_race(race_of(weights, seeds=(2,)), places, methods=["vse_plus_plus"], say=told.append)
    assert sum(text.startswith("training") for text in told) == 1


def test_a_method_may_start_after_another(data: Path, weights: Path, tmp_path: Path) -> None:
    places = Places(data_root=data, runs=tmp_path / "runs", cache=tmp_path / "features", results=tmp_path / "results")
    (path,) = run_race(race_of(weights, seeds=(1,)), places, methods=["pe_rsitr"])
    assert json.loads(path.read_text())["protocol"]["starts_after"] == "multilanguage"
    folders = {f.name.split("-")[0]: f for f in (tmp_path / "runs").iterdir()}
    assert sorted(folders) == ["multilanguage", "pe_rsitr"]
    first, second = (checkpoint.load(folders[name] / "checkpoint.safetensors") for name in sorted(folders))
    frozen = [name for name in first if name in second and first[name].shape == second[name].shape]
    assert len(frozen) > 10
    assert all(torch.equal(first[name], second[name]) for name in frozen if "logit_scale" not in name)


def test_who_takes_part() -> None:
    names = entrants()
    assert {"vse_plus_plus", "scan", "amfmn"} <= set(names)
    assert "compact" not in names
    assert "georsclip" not in names
    assert "pe_rsitr" in names
    assert starts_after("pe_rsitr") == "multilanguage"
    assert starts_after("scan") is None
    with pytest.raises(UsageError, match="did you mean 'scan'"):
        entrants(["scann"])
    with pytest.raises(UsageError, match="compact: does not start from a common backbone"):
        entrants(["compact"])


def test_commands_answer_slips_of_the_pen(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["leaderboard", "--backbone-weights", str(weights), "--out", str(tmp_path), "--data-root", str(data)]
    base += ["--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "features")]
    assert program.main([*base, "--datasets", "rsicdd"]) == 2
    assert "did you mean 'rsicd'" in capsys.readouterr().err
    assert program.main([*base, "--seeds", "a"]) == 2
    assert program.main([*base, "--methods", "scam"]) == 2
    assert program.main(["methods", "retreival"]) == 2
    assert "did you mean 'retrieval'" in capsys.readouterr().err
    assert program.main(["train", "vse_plus_pluss", "--out", str(tmp_path / "x")]) == 2
    assert "did you mean 'vse_plus_plus'" in capsys.readouterr().err
    assert (
        program.main(["train", "scan", "--data", "rsicd", "--backbone", "resnet19", "--out", str(tmp_path / "x")]) == 2
    )
    assert program.main(["train", "scan", "--data", "rsicd", "--set", "variant", "--out", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()


def test_methods_are_listed_with_the_parameters_of_their_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["methods", "retrieval", "--format", "jsonl"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["vse_plus_plus"]["parameters"] == 15_775_296
    assert rows["scan"]["parameters"] == 13_677_120
    assert rows["multilanguage"]["parameters"] == 151_277_313
    for row in rows.values():
        assert {"name", "task", "paper", "variants", "parameters"} <= row.keys()
