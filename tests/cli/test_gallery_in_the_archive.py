"""From a method of the gallery to an archive: train, export, index and search, each by its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_datasets import write_fake

from geoglot.cli import main as program

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake UC Merced, and the weights of a small backbone."""
    from geoglot.engine import checkpoint
    from geoglot.nn.backbone import build_backbone

    root = tmp_path_factory.mktemp("data")
    write_fake(root, "ucm", per_category=8)
    torch.manual_seed(0)
    checkpoint.save(build_backbone("compact", channels=(8, 12, 16, 24)).state_dict(), root / "backbone.safetensors")
    return root


def trained(data: Path, method: str, run: Path, *settings: str) -> Path:
    words = ["train", method, "--data", "ucm", "--data-root", str(data), "--languages", "en", "--backbone", "compact"]
    words += ["--backbone-weights", str(data / "backbone.safetensors"), "--frozen", "--cache", str(data / "cache")]
    words += ["--epochs", "1", "--batch", "8", "--side", "64", "--out", str(run), "-q"]
    assert program.main([*words, *(word for setting in settings for word in ("--set", setting))]) == 0
    return run


def test_a_two_tower_method_is_indexed_and_a_scorer_re_ranks(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(data, "vse_plus_plus", tmp_path / "vse", "dimension=32", "word_width=12")
    capsys.readouterr()
    assert program.main(["export", str(run), "--data-root", str(data), "--float", "--no-mirror"]) == 0
    assert capsys.readouterr().out == f"{run / 'bundle'}\n"
    manifest = json.loads((run / "bundle/bundle.json").read_text())
    assert (manifest["kind"], manifest["method"], manifest["id"]) == ("two-tower", "vse_plus_plus", "vse-plus-plus-1")
    archive = tmp_path / "a"
    index = ["index", str(data / "ucm/images"), "-a", str(archive), "--model", str(run / "bundle"), "-q"]
    assert program.main([*index, "--codes", "binary:64"]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"] == 32
    ask = ["search", "red planes", "-a", str(archive), "-k", "32"]
    assert program.main([*ask, "--rerank", "exact"]) == 0
    exact = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(exact) == 32
    scores = [record["score"] for record in exact]
    assert scores == sorted(scores, reverse=True)

    scorer = trained(data, "mtfn", tmp_path / "mtfn", "hidden=16", "rank=2", "dimension=32")
    assert program.main(["export", str(scorer), "--data-root", str(data)]) == 0
    capsys.readouterr()
    assert program.main([*ask, "--rerank", str(scorer / "bundle"), "--candidates", "32"]) == 0
    told = capsys.readouterr()
    assert told.err.count("could not be read") == 0
    again = [json.loads(line) for line in told.out.splitlines()]
    assert {record["id"] for record in again} == {record["id"] for record in exact}
    assert (
        program.main(["index", str(data / "ucm/images"), "-a", str(tmp_path / "b"), "--model", str(scorer / "bundle")])
        == 1
    )
    assert "which cannot make an archive's vectors" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
