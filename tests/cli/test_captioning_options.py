"""Training and evaluation of captioning methods from the command line, on generated pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_datasets import write_fake

from geoglot.cli.main import main
from geoglot.engine.captioning.prediction import load_predictions
from geoglot.engine.captioning.running import load_recipe

SMALL = [word for name in ("hidden", "words", "attention", "classifier") for word in ("--set", f"{name}=6")]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Where data and cache lie, and sizes of a moment."""
    write_fake(tmp_path / "data", "ucm")
    places = ["--data-root", str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]
    training = ["least=1", "attributes_above=1", "beams=[1]", "max_length=10", "optimiser=adamw"]
    more = [word for setting in training for word in ("--training", setting)]
    sizes = ["--backbone", "compact", "--side", "64", "--batch", "16", "--epochs", "2", "--learning-rate", "0.01"]
    return [*places, *sizes, *more]


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_train_then_evaluate_then_tables(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, results = tmp_path / "run", tmp_path / "results"
    named = ["jtts", "--data", "ucm", "--languages", "en,it", "--seed", "3", *SMALL, "--set", "variant=sg/s"]
    assert main(["train", *named, *words, "--out", str(run)]) == 0
    assert [line["epoch"] for line in records(capsys.readouterr().out)] == [1, 2]
    recipe = load_recipe(run)
    assert (recipe.languages, recipe.seed, recipe.optimiser, recipe.beams) == (("en", "it"), 3, "adamw", (1,))
    assert dict(recipe.config) == {"hidden": 6, "words": 6, "attention": 6, "classifier": 6, "variant": "sg/s"}
    assert len(load_predictions(run / "predictions.jsonl")) == 16
    assert main(["train", *named, *words, "--out", str(run)]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main(["train", *named, *words, "--out", str(run), "--resume"]) == 0
    place = ["--data-root", str(tmp_path / "data"), "--out", str(results)]
    assert main(["evaluate", "captioning", "--run", str(run), *place, "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    [record] = records(shown.out)
    assert record["task"] == "captioning"
    assert "jtts-sg-s-ucm-en-it.json" in shown.err
    assert main(["evaluate", "captioning", "--run", str(run), *place, "--format", "table"]) == 0
    assert "JTTS sg/s" in capsys.readouterr().out
    assert main(["evaluate", "tables", "--paper", "jtts", "--results", str(results), "--format", "jsonl"]) == 0
    assert '"C": "3.7102"' in capsys.readouterr().out


def test_a_sweep_and_what_is_left_of_it(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    command = ["train", "jtts_ablation", *words, *SMALL, "--out", str(runs), "--only", "*Ld", "--quiet"]
    assert main(command) == 0
    assert {path.name for path in runs.iterdir()} == {"sg+ls+Ld", "sg+MSO+Ld"}
    assert main(command) == 2
    assert main([*command, "--resume"]) == 0
    assert "2 runs are in" in capsys.readouterr().err
    assert main([*command[:-2], "nothing*"]) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["jtts"], "--data"),
        (["jtts", "--data", "ucm", "--training", "schedul=constant"], "schedule"),
        (["jtts", "--data", "ucm", "--training", "schedule"], "NAME=VALUE"),
        (["jtts", "--data", "ucm", "--set", "hiden=3"], "hidden"),
        (["jtts", "--data", "ucm", "--languages", "en,xx"], "xx"),
        (["jtts", "--data", "nothing"], "nothing"),
    ],
)
def test_what_makes_no_sense(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str
) -> None:
    assert main(["train", *wrong, *words, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err


def test_a_run_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.json").write_text('{"kind": "matcher"}')
    assert main(["evaluate", "captioning", "--run", str(tmp_path)]) == 1
    assert "not a run of a captioning method" in capsys.readouterr().err
    assert main(["evaluate", "captioning"]) == 2
