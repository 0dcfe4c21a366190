"""Training and evaluation of a hashing method from the command line's options, on features that the user brings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from fake_datasets import write_fake

from geoglot.cli import _hashing
from geoglot.core.errors import DataError, UsageError

IMAGES = 40


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    for name, kind in (("--data", str), ("--data-root", Path), ("--out", Path), ("--cache", Path), ("--format", str)):
        parser.add_argument(name, type=kind)
    for name, kind in (("--epochs", int), ("--batch", int), ("--learning-rate", float), ("--seed", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--quiet", action="store_true")
    _hashing.add_training_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Words that name a fake dataset and features of its 40 images and 200 captions."""
    write_fake(tmp_path / "data", "ucm", per_category=IMAGES // 4)
    generator = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", generator.normal(size=(IMAGES, 6)).astype(np.float32))
    np.save(tmp_path / "texts.npy", generator.normal(size=(IMAGES, 5, 7)))
    files = ["--image-features", str(tmp_path / "images.npy"), "--text-features", str(tmp_path / "texts.npy")]
    return ["duch", "--data", "ucm", "--data-root", str(tmp_path / "data"), "--out", str(tmp_path / "run"), *files]


def test_train_then_evaluate(own: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = options(*own, "--epochs", "2", "--bits", "16", "--noise", "0.5", "--seed", "3")
    assert _hashing.train(given, {"hidden": 8, "variant": "released"}) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (recipe["epochs"], recipe["noise"], recipe["seed"]) == (2, 0.5, 3)
    assert recipe["config"] == {"bits": 16, "hidden": 8, "variant": "released"}
    asked = argparse.Namespace(run=[tmp_path / "run"], out=tmp_path / "results", format="jsonl")
    assert _hashing.evaluate(asked) == 0
    shown = capsys.readouterr()
    record = json.loads(shown.out)
    assert record["task"] == "hashing"
    assert record["settings"][0]["bits"] == 16
    assert record["settings"][0]["wrong_captions"] > 0
    assert record["protocol"]["leak"] == "what the features were trained on is not known"
    written = json.loads((tmp_path / "results" / "hashing" / "duch-ucm.json").read_text())
    assert written["settings"] == record["settings"]


def test_what_is_missing_is_named(own: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data: is missing"):
        _hashing.train(options("duch"), {})
    with pytest.raises(UsageError, match="features: are not given once"):
        _hashing.train(options("duch", "--data", "ucm"), {})
    with pytest.raises(UsageError, match="features: are not given once"):
        _hashing.train(options(*own[:-2]), {})
    with pytest.raises(UsageError, match="has no setting 'width'"):
        _hashing.train(options(*own), {"width": 3})
    with pytest.raises(UsageError, match="--run: is missing"):
        _hashing.evaluate(argparse.Namespace(run=[], out=None, format="jsonl"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((39, 6)), r"shape \(39, 6\)"),
        (np.zeros((40, 6), dtype=int), "int64"),
        (np.zeros(40), r"shape \(40,\)"),
        (np.full((40, 6), np.inf), "NaN or infinity"),
        (np.array([{}] * 40), "cannot be read"),
    ],
)
def test_features_of_another_shape_are_refused(own: list[str], tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "images.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        _hashing.train(options(*own), {})


def test_hashing_methods_are_known_by_name() -> None:
    assert _hashing.is_hashing_method("duch")
    assert not _hashing.is_hashing_method("compact")
