"""geoglot data: check, leaks, masks to boxes, boxes to captions."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from geoglot.cli import main as program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fake_datasets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fake_datasets_for_data", ROOT / "tests/data/fake_datasets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_check(fake_datasets: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_datasets.write_fake(tmp_path, "ucm")
    ask = ["data", "check", "ucm", "--data-root", str(tmp_path)]
    assert program.main(ask) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(record["dataset"], record["split"], record["images"]) for record in records] == [
        ("ucm", "train", 16),
        ("ucm", "val", 4),
        ("ucm", "test", 4),
    ]
    assert program.main([*ask, "--format", "table"]) == 0
    assert "missing images" in capsys.readouterr().out
    (folder / "images" / "airport_5.png").unlink()
    assert program.main(ask) == 1
    assert "ucm, test: 1 image files are missing: airport_5.png." in capsys.readouterr().err


def test_check_of_a_dataset_without_captions(
    fake_datasets: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_datasets.write_scene_folders(tmp_path, classes=3)
    ask = ["data", "check", "satscene", "--data-root", str(tmp_path)]
    assert program.main(ask) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["images"] == 9
    assert "satscene, all: has 3 classes, not 19." in told.err
    assert program.main([*ask, "--format", "table"]) == 1
    assert "known size" in capsys.readouterr().out


def test_leaks(fake_datasets: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_datasets.write_fake(tmp_path, "ucm")
    noise = np.random.default_rng(0).integers(0, 256, (24, 12, 12, 3), dtype=np.uint8)
    for path, pixels in zip(sorted((folder / "images").iterdir()), noise, strict=True):
        Image.fromarray(pixels).resize((60, 60)).save(path)
    (folder / "images" / "river_5.png").write_bytes((folder / "images" / "forest_0.png").read_bytes())
    ask = ["data", "leaks", "--data", "ucm", "--data-root", str(tmp_path), "--out", str(tmp_path / "results"), "-q"]
    assert program.main(ask) == 0
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [(row["first"], row["second"]) for row in rows if row["duplicates"]] == [("ucm/train", "ucm/test")]
    assert "results/leaks/ucm.json" in told.err
    stored = json.loads((tmp_path / "results/leaks/ucm.json").read_text())
    assert stored["pairs"][0]["first"] == ["ucm", "train", "forest_0"]
    assert program.main([*ask, "--pairs"]) == 0
    (pair,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (pair["first"], pair["second"], pair["identical"]) == ("ucm/train/forest_0", "ucm/test/river_5", True)
    assert program.main([*ask, "--distance", "0"]) == 2
    assert program.main([*ask[:2], "--data", "ucm,usm"]) == 2
    assert "did you mean 'ucm'" in capsys.readouterr().err


def test_evaluate_gives_clean_figures_beside_the_published(
    fake_datasets: ModuleType, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fake_datasets.write_fake(tmp_path, "ucm")
    noise = np.random.default_rng(0).integers(0, 256, (24, 12, 12, 3), dtype=np.uint8)
    for path, pixels in zip(sorted((folder / "images").iterdir()), noise, strict=True):
        Image.fromarray(pixels).resize((60, 60)).save(path)
    (folder / "images" / "river_5.png").write_bytes((folder / "images" / "forest_0.png").read_bytes())
    data = ["--data", "ucm", "--data-root", str(tmp_path), "--out", str(tmp_path / "results"), "-q"]
    assert program.main(["data", "leaks", *data]) == 0
    ask = ["evaluate", "retrieval", "--model", str(colour_bundle), "--languages", "en", *data]
    capsys.readouterr()
    assert program.main([*ask, "--leaks", str(tmp_path / "results/leaks/ucm.json")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["protocol"]["images"], record["clean"]["images"], record["clean"]["left_out"]) == (4, 3, 1)
    stored = json.loads((tmp_path / "results/retrieval/colours-1-ucm.json").read_text())
    assert stored["clean"]["languages"] == record["clean"]["languages"]
    assert program.main([*ask, "--leaks", str(tmp_path / "results/leaks/ucm.json"), "--format", "table"]) == 0
    assert "the same without 1 images that leak" in capsys.readouterr().out
    assert program.main([*ask, "--leaks", str(tmp_path / "results/none.json")]) == 1
    assert "none.json: cannot be read" in capsys.readouterr().err


def test_masks_to_boxes_to_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "masks").mkdir()
    mask = np.zeros((30, 30), np.uint8)
    mask[12:18, 12:18] = 1
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.json").write_text('{"0": "land", "1": "building"}')
    boxes, captions = tmp_path / "boxes.json", tmp_path / "dataset.json"
    ask = ["data", "masks-to-boxes", str(tmp_path / "masks"), "--classes", str(tmp_path / "classes.json")]
    assert program.main([*ask, "--ignore", "land", "-o", str(boxes), "-q"]) == 0
    assert "1 boxes in 1 masks" in capsys.readouterr().err
    assert json.loads(boxes.read_text())["annotations"][0]["bbox"] == [12, 12, 6, 6]
    assert program.main([*ask, "--ignore", "land", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(boxes.read_text())
    assert program.main(["data", "boxes-to-captions", str(boxes), "-o", str(captions), "--name", "town"]) == 0
    assert "5 captions for 1 images" in capsys.readouterr().err
    stored = json.loads(captions.read_text())
    assert stored["dataset"] == "town"
    assert all("one building" in sentence["raw"] for sentence in stored["images"][0]["sentences"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["leeks"], "did you mean 'leaks'"),
        (["leaks"], "--data: is missing"),
        (["check"], "needs a dataset"),
        (["check", "ucm", "--seed", "3"], "--seed: means nothing to check"),
        (["boxes-to-captions", "x.json", "--least-pixels", "3"], "--least-pixels: means nothing"),
        (["boxes-to-captions"], "needs a file"),
        (["masks-to-boxes", "masks"], "--classes: is missing"),
        (["masks-to-boxes"], "needs a folder"),
        (["leaks", "ucm", "--data", "ucm"], "ucm: is not expected"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["data", *arguments]) == 2
    assert told in capsys.readouterr().err
