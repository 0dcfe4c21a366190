"""Training and evaluation of segmentation methods from the command line, on coloured squares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_squares import write_referring

from geoglot.cli.main import main
from geoglot.core import registry
from geoglot.engine.segmentation.running import load_recipe

METHODS = "geoglot.methods.segmentation"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_referring(tmp_path_factory.mktemp("referring") / "squares")


def small(data: Path, method: str = "lavt") -> list[str]:
    """Data, and sizes of a moment."""
    settings = dict(registry.load(METHODS, method).SMALL)
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    words = ["--data", str(data), "--side", "32", "--batch", "8", "--epochs", "2", "--learning-rate", "0.01"]
    return [*words, *given]


def test_train_then_evaluate_then_tables(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, results = tmp_path / "run", tmp_path / "results"
    command = ["train", "lavt", *small(data), "--languages", "en,fr", "--seed", "3", "--out", str(run)]
    assert main([*command, "--training", "turned=true"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["epoch"] for line in printed] == [1, 2]
    recipe = load_recipe(run)
    assert (recipe.languages, recipe.seed, recipe.turned, recipe.side) == (("en", "fr"), 3, True, 32)
    assert main([*command, "--training", "turned=true"]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main([*command, "--training", "turned=true", "--resume"]) == 0
    evaluate = ["evaluate", "segmentation", "--run", str(run)]
    assert main([*evaluate, "--out", str(results), "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    [record] = [json.loads(line) for line in shown.out.splitlines()]
    assert set(record["splits"]["test"]) == {"en", "fr"}
    for words in ("IoU = |P & G| / |P | G|", "two empty masks: IoU 0", "chosen by mIoU on the validation part"):
        assert words in shown.err
    assert main([*evaluate, "--empty-masks", "left-out", "--format", "table"]) == 0
    shown = capsys.readouterr()
    assert "left out of Pr@ and mIoU" in shown.err
    assert "LAVT" in shown.out
    assert main(["evaluate", "tables", "--paper", "lgce", "--results", str(results), "--format", "jsonl"]) == 0
    assert '"mIoU": "0.5996"' in capsys.readouterr().out


def test_a_sweep_of_the_ablation(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    sizes = [*small(data, "lgce"), "--training", "samples=8"]
    command = ["train", "lgce_ablation_small", *sizes, "--out", str(runs), "--only", "without-c*", "--quiet"]
    assert main(command) == 0
    assert {path.name for path in runs.iterdir()} == {"without-cross"}
    assert load_recipe(runs / "without-cross").config["variant"] == "without-cross"
    assert main(command) == 2
    assert main([*command, "--resume"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["lavt"], "--data"),
        (["lavt", "--data", "dubay"], "dubay"),
        (["lavt", "--data", "HERE", "--training", "schedul=poly"], "schedule"),
        (["lavt", "--data", "HERE", "--set", "depth=3"], "depths"),
        (["lavt", "--data", "HERE", "--languages", "it"], "has no phrase in it"),
        (["lavt", "--data", "HERE", "--training", "tokenizer=bert"], "--text-weights"),
        (["lavt", "--data", "HERE", "--backbone-weights", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str
) -> None:
    words = [str(data) if word == "HERE" else word for word in wrong]
    sizes = small(data)[2:]
    assert main(["train", *words, *sizes, "--out", str(tmp_path / "run")]) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.json").write_text('{"kind": "captioner"}')
    assert main(["evaluate", "segmentation", "--run", str(tmp_path)]) == 1
    assert "not a run of a segmentation method" in capsys.readouterr().err
    assert main(["evaluate", "segmentation"]) == 2
