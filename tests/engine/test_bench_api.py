from __future__ import annotations

import json
import subprocess
import sys

import pytest

from geoglot.api.bench import evaluate_retrieval
from geoglot.core.errors import BundleError, UsageError
from geoglot.engine.evaluation import evaluate_retrieval_file


def test_report_equals_the_written_file_and_the_kept_predictions(tmp_path, data_root, encoder):
    report = evaluate_retrieval(
        encoder, "rsicd", root=data_root, out=tmp_path / "results", runs=tmp_path / "runs", resamples=20
    )
    assert report.path == tmp_path / "results" / "retrieval" / "toy-1-rsicd.json"
    assert json.loads(report.path.read_text()) == json.loads(json.dumps(report.record))
    (run,) = (tmp_path / "runs").iterdir()
    assert {entry.name for entry in run.iterdir()} == {"env.json", "recipe.json", "predictions.npz"}
    assert evaluate_retrieval_file(run / "predictions.npz", resamples=20) == report.record


def test_nothing_is_left_without_out_and_runs(tmp_path, data_root, encoder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    report = evaluate_retrieval(encoder, "rsicd", root=data_root, languages=("en",), resamples=5)
    assert report.path is None
    assert report.mean_recall("en") == report.record["languages"]["en"]["plain"]["mR"]["value"]
    assert (
        report.mean_recall(duplicate_aware=True) == report.record["languages"]["en"]["duplicate_aware"]["mR"]["value"]
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_unknown_names_are_refused(data_root, encoder):
    with pytest.raises(UsageError, match="did you mean 'rsicd'"):
        evaluate_retrieval(encoder, "rsicid", root=data_root)
    with pytest.raises(UsageError, match="is no split"):
        evaluate_retrieval(encoder, "rsicd", split="all", root=data_root)
    with pytest.raises(BundleError, match="nonesuch"):
        evaluate_retrieval("nonesuch", "rsicd", root=data_root)


def test_import_needs_neither_torch_nor_onnxruntime():
    code = (
        "import sys, geoglot.api.bench, geoglot.engine.presence, geoglot.engine.tables\n"
        "heavy = [m for m in ('torch', 'onnxruntime', 'PIL.Image', 'rasterio') if m in sys.modules]\n"
        "print(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
