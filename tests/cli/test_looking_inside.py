"""explain, neighbours and project: the commands say what the API says, and errors are one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_datasets import write_fake
from PIL import Image

import geoglot as gg
from geoglot.cli import main as program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    write_fake(folder, "ucm")
    return folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.zeros((40, 60, 3), np.uint8) + np.array([20, 20, 220], np.uint8)
    pixels[:, :30] = (220, 20, 20)
    path = tmp_path_factory.mktemp("photo") / "halves.png"
    Image.fromarray(pixels).save(path)
    return path


def test_explain_tells_and_draws_what_the_api_does(
    photo: Path, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["explain", str(photo), "حقل أحمر", "--model", str(colour_bundle), "-o", str(tmp_path / "why.png")]
    assert program.main(ask) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == gg.explain(photo, "حقل أحمر", colour_bundle).as_record()
    assert f"wrote {tmp_path / 'why.png'}" in told.err
    with Image.open(tmp_path / "why.png") as image:
        assert image.width > 800
    assert program.main([*ask[:5], "--format", "table", "--how", "occlusion", "--language", "ar"]) == 0
    table = capsys.readouterr().out
    assert "weight" in table
    assert "hottest at column" in table


def test_explain_a_window_of_a_scene(painted: Path, colour_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["explain", str(painted / "scene.tif"), "red", "--model", str(colour_bundle), "--window"]
    assert program.main([*ask, "0,0,64,64", "--bands", "1,2,3"]) == 0
    assert json.loads(capsys.readouterr().out)["window"] == [0, 0, 64, 64]
    assert program.main([*ask, "0,0,sixty,64"]) == 2
    assert "is no list of whole numbers" in capsys.readouterr().err
    assert program.main([*ask, "900,0,64,64"]) == 2
    assert "which has 256 x 256 pixels" in capsys.readouterr().err


def test_errors_of_explain_are_one_line_each(
    photo: Path, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.png").write_text("no picture")
    bundle = ["--model", str(colour_bundle)]
    for arguments, code, said in [
        ([str(photo), " . ", *bundle], 2, "has no words"),
        ([str(tmp_path / "words.png"), "red", *bundle], 1, "words.png"),
        ([str(tmp_path / "none.png"), "red", *bundle], 2, "does not exist"),
        ([str(photo), "red", "--model", "compacd"], 1, "compacd: is not a model bundle"),
        ([str(photo), "red", "--run", str(tmp_path / "none")], 1, "is not a training run"),
        ([str(photo), "red", "--how", "rollout", *bundle], 2, "is not offered by colours-1"),
        ([str(photo), "red", "--how", "rolout"], 2, "did you mean 'rollout'?"),
        ([str(photo), "red", "-o", "why.gif", *bundle], 2, "has no known suffix"),
        ([str(photo), "red", "--run", "a", "--model", "b"], 2, "not allowed with"),
    ]:
        assert program.main(["explain", *arguments]) == code, arguments
        told = capsys.readouterr()
        assert told.out == ""
        assert said in told.err, told.err
        assert len(told.err.strip().splitlines()) == 1, told.err


def test_neighbours_lists_what_the_api_lists(
    root: Path, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", "ucm", "--split", "train", "--model", str(colour_bundle), "--data-root", str(root), "-q"]
    for query in ("there is blue planes .", "airport_0"):
        assert program.main(["neighbours", query, *common, "-k", "4", "-o", str(tmp_path / "sheet.png")]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        expected = gg.neighbours(query, "ucm", "train", colour_bundle, k=4, root=root)
        assert lines == expected.as_records()
        assert lines[0]["true_rank"] == expected.true_rank
        assert (tmp_path / "sheet.png").stat().st_size > 5000
    assert program.main(["neighbours", "red", *common, "-k", "0"]) == 2
    assert "asks for no neighbours" in capsys.readouterr().err


def test_project_lists_what_the_api_lists(
    root: Path, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["project", "--data", "ucm", "--split", "train", "--model", str(colour_bundle), "--data-root", str(root)]
    assert program.main([*ask, "--languages", "en,fr", "-q", "-o", str(tmp_path / "map.png")]) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    expected = gg.project("ucm", "train", colour_bundle, languages=("en", "fr"), root=root)
    assert lines == expected.as_records()
    assert "map.png" in told.err
    assert program.main([*ask, "--captions", "0", "-q"]) == 2
    assert program.main([*ask[:2], "ucmm"]) == 2
    assert "did you mean 'ucm'?" in capsys.readouterr().err
