"""Training and evaluation of matching methods from the command line, on generated pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_datasets import write_fake

from geoglot.cli.main import main
from geoglot.data.labelled import load_labelled
from geoglot.engine import checkpoint
from geoglot.engine.matching.images import cached_pictures
from geoglot.engine.matching.predictions import load_predictions
from geoglot.engine.matching.running import load_matcher, trained_tensors

IMAGES = 40
SMALL = ["--set", "widths=[4, 8, 8, 16]", "--set", "discriminator_widths=[8, 12, 6]", "--side", "64"]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Where data and cache lie, and sizes of a moment."""
    write_fake(tmp_path / "data", "ucm", per_category=IMAGES // 4)
    write_fake(tmp_path / "data", "rsicd", per_category=5)
    places = ["--data-root", str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]
    return ["residual_dyad", "--data", "ucm", "--batch", "8", "--epochs", "2", *places, *SMALL]


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_train_then_evaluate(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    more = ["--unlabelled", "rsicd", "--stage", "pairs.epochs=3", "--stage", "pairs.sampling=batch", "--seed", "5"]
    assert main(["train", *words, *more, "--out", str(run)]) == 0
    lines = records(capsys.readouterr().out)
    kinds = [("reconstruction", 1), ("reconstruction", 1), ("reconstruction", 2), ("reconstruction", 2)]
    assert [(line["kind"], line["stage"]) for line in lines] == kinds + [("pairs", 3)] * 3
    recipe = json.loads((run / "recipe.json").read_text())
    assert (recipe["kind"], recipe["seed"], recipe["side"]) == ("matcher", 5, 64)
    assert [stage["data"] for stage in recipe["stages"]] == [["rsicd"], ["train"], ["train"]]
    files = {"checkpoint.safetensors", "env.json", "metrics.jsonl", "predictions.npz", "recipe.json", "summary.json"}
    assert {path.name for path in run.iterdir()} == files
    predictions = load_predictions(run)
    assert predictions.scores.shape == (8, IMAGES)
    assert sorted(predictions.gallery_rows.tolist()) == list(range(IMAGES))
    assert set(predictions.splits[predictions.query_rows]) == {"test"}

    assert (
        main(["evaluate", "matching", "--run", str(run), "--out", str(tmp_path / "results"), "--format", "jsonl"]) == 0
    )
    shown = records(capsys.readouterr().out)
    assert [record["task"] for record in shown] == ["matching"]
    assert len(list((tmp_path / "results" / "matching").iterdir())) == 1


def test_a_run_gives_its_scores_again(words: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", *words, "--out", str(run), "-q"]) == 0
    trained, predictions = load_matcher(run), load_predictions(run)
    assert trained.model is not None
    paths = [image.path for image in load_labelled("ucm", tmp_path / "data")]
    features = torch.from_numpy(trained.extract(cached_pictures(paths, "ucm", 64, tmp_path / "cache")))
    query = int(predictions.query_rows[3])
    with torch.no_grad():
        match = trained.model.match(features[query].expand(IMAGES, -1, -1, -1), features)
    assert torch.sigmoid(torch.from_numpy(predictions.scores[3])).numpy() == pytest.approx(match.numpy(), abs=2e-3)


def test_a_finished_run_is_left_alone_and_another_refused(words: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", *words, "--epochs", "1", "--out", str(run), "-q"]
    assert main(command) == 0
    written = (run / "predictions.npz").stat().st_mtime_ns
    assert main(command) == 2
    assert main([*command, "--resume"]) == 0
    assert (run / "predictions.npz").stat().st_mtime_ns == written
    assert main([*command, "--resume", "--seed", "1"]) == 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "learned"])
def test_a_descriptor_is_compared_by_distance_or_learned(words: list[str], tmp_path: Path, metric: str) -> None:
    pytest.importorskip("skimage")
    run = tmp_path / metric
    assert main(["train", *words, "--descriptor", "lbp_rgb", "--metric", metric, "--out", str(run), "-q"]) == 0
    predictions, trained = load_predictions(run), load_matcher(run)
    assert np.isfinite(predictions.scores).all()
    assert (trained.model is not None) == (metric == "learned")
    recipe = json.loads((run / "recipe.json").read_text())
    assert [stage["kind"] for stage in recipe["stages"]] == (["pairs"] if metric == "learned" else [])


def test_a_discriminator_starts_afresh_on_another_run_s_autoencoder(words: list[str], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", *words, "--metric", "euclidean", "--out", str(first), "-q"]) == 0
    names = {name.split(".")[0] for name in trained_tensors(first)}
    assert names == {"encoder", "decoder"}
    more = ["--initial", str(first), "--stage", "reconstruction.epochs=1", "--stage", "reconstruction.learning_rate=0"]
    assert main(["train", *words, *more, "--out", str(second), "-q"]) == 0
    before, after = (load_matcher(run).model.state_dict() for run in (first, second))  # type: ignore[union-attr]
    same = {name for name in before if name.startswith("encoder.") and "norm" not in name and "running" not in name}
    assert all((before[name] == after[name]).all() for name in same if before[name].ndim == 4)
    assert {name.split(".")[0] for name in trained_tensors(second)} == {"encoder", "decoder", "discriminator"}


def test_a_sweep_goes_on_where_it_stopped(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = ["train", "residual_dyad_ablation_small", *words[3:], "--out", str(tmp_path / "sweep")]
    sweep += ["--stage", "reconstruction.images=12", "--stage", "pairs.mirrored=false"]
    assert main([*sweep, "--only", "dyad-rsicd*"]) == 0
    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {
        "dyad-rsicd",
        "dyad-rsicd-dyad",
        "dyad-rsicd-residual",
    }
    lines = records(capsys.readouterr().out)
    assert {line["run"] for line in lines} == {"dyad-rsicd", "dyad-rsicd-dyad", "dyad-rsicd-residual"}
    assert main([*sweep, "--only", "dyad-rsicd", "--resume"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*sweep, "--only", "nothing*"]) == 2
    runs = [str(path) for path in (tmp_path / "sweep").iterdir()]
    assert main(["evaluate", "matching", "--run", *runs, "--out", str(tmp_path / "results"), "--format", "jsonl"]) == 0
    assert len(records(capsys.readouterr().out)) == 3
    assert len(list((tmp_path / "results" / "matching").iterdir())) == 3


def test_what_is_missing_is_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "residual_dyad"]) == 2
    assert "--data: is missing" in capsys.readouterr().err
    assert main(["train", *words, "--stage", "classes.epochs=3"]) == 2
    assert "names no stage" in capsys.readouterr().err
    assert main(["train", *words, "--set", "width=3"]) == 2
    assert "is no setting of the method residual_dyad" in capsys.readouterr().err
    assert main(["evaluate", "matching"]) == 2
    assert "--run: is missing" in capsys.readouterr().err


def test_a_backbone_s_weights_are_loaded(tmp_path: Path) -> None:
    write_fake(tmp_path / "data", "ucm", per_category=10)
    places = ["--data-root", str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]
    words = ["train", "normalised_softmax", "--data", "ucm", "--side", "64", "--epochs", "1", "--learning-rate", "0"]
    words += [*places, "-q", "--set", "backbone=compact", "--set", "channels=[4, 8, 8, 12]", "--set", "dimension=16"]
    runs = [tmp_path / name for name in ("first", "second")]
    assert main([*words, "--seed", "1", "--out", str(runs[0])]) == 0
    state = load_matcher(runs[0]).model.state_dict()  # type: ignore[union-attr]
    own = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    checkpoint.save(own, tmp_path / "weights.safetensors")
    more = ["--backbone-weights", str(tmp_path / "weights.safetensors"), "--out", str(runs[1])]
    assert main([*words, "--seed", "2", *more]) == 0
    found = load_matcher(runs[1]).model.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(found[name], tensor) for name, tensor in own.items() if tensor.ndim == 4)
    assert not torch.equal(found["proxies"], state["proxies"])
    assert main(["train", "residual_dyad", "--data", "ucm", *places, *more[:2], "--out", str(tmp_path / "third")]) == 2
