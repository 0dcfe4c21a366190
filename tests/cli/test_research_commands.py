"""evaluate, train, export and models: thin skins over the engine and the bench."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from geoglot.api.bench import evaluate_retrieval
from geoglot.cli import main as program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fake_datasets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fake_datasets_for_cli", ROOT / "tests/data/fake_datasets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_evaluate_gives_what_the_api_gives_and_writes_the_result(
    fake_datasets: ModuleType, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_datasets.write_fake(tmp_path, "ucm")
    arguments = ["evaluate", "retrieval", "--data", "ucm", "--model", str(colour_bundle), "--languages", "en,fr"]
    arguments += ["--data-root", str(tmp_path), "--out", str(tmp_path / "results")]
    assert program.main(arguments) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    expected = evaluate_retrieval(colour_bundle, "ucm", "test", ("en", "fr"), tmp_path).record
    assert record["languages"] == json.loads(json.dumps(expected["languages"]))
    assert "results/retrieval/colours-1-ucm.json" in told.err
    assert (
        json.loads((tmp_path / "results/retrieval/colours-1-ucm.json").read_text())["languages"] == record["languages"]
    )
    assert program.main([*arguments[:-2], "--format", "table"]) == 0
    shown = capsys.readouterr().out
    assert "mR" in shown
    assert "colours-1 on ucm, test split" in shown


def test_unknown_dataset_and_absent_data(
    colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEOGLOT_DATA", raising=False)
    ask = ["evaluate", "retrieval", "--model", str(colour_bundle), "--data"]
    assert program.main([*ask, "rsicdd"]) == 2
    assert "did you mean 'rsicd'?" in capsys.readouterr().err
    assert program.main([*ask, "rsicd", "--data-root", str(tmp_path)]) == 1
    assert program.main([*ask, "rsicd"]) != 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "GEOGLOT_DATA" in told.err


def test_training_without_data_and_exporting_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    run = tmp_path / "run"
    assert program.main(["train", "compact", "--data-root", str(tmp_path), "--out", str(run)]) == 1
    assert "error:" in capsys.readouterr().err
    assert program.main(["export", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["models"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    compact = next(record for record in records if record["name"] == "compact")
    assert compact["languages"] == ["en", "ar", "fr", "it"]
    assert compact["licence"]
    assert compact["megabytes"] <= 30
