"""geoglot data refer and data phrases, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoglot.cli import main as program


@pytest.fixture
def photo(tmp_path: Path) -> list[str]:
    """A photo with its class raster and table, as arguments."""
    classes = np.full((96, 96), 9, np.uint8)
    classes[:12] = 1
    classes[16:40, 8:40] = 2
    classes[64:90, 40:80] = 2
    Image.fromarray(np.stack([classes * 20] * 3, axis=-1)).save(tmp_path / "photo.jpg")
    Image.fromarray(classes).save(tmp_path / "classes.png")
    (tmp_path / "classes.csv").write_text("value,name\n1,road\n2,building\n")
    return [
        str(tmp_path / "photo.jpg"),
        *("--labels", str(tmp_path / "classes.png")),
        *("--classes", str(tmp_path / "classes.csv")),
    ]


def test_triplets_of_a_photo_and_what_is_in_them(
    photo: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "triplets"
    ask = ["data", "refer", *photo, "--gsd", "0.5", "--split", "test", "--out", str(out), "-q", "--format", "jsonl"]
    assert program.main(ask) == 0
    shown = capsys.readouterr()
    rows = {row["what"]: row["number"] for row in map(json.loads, shown.out.splitlines())}
    assert rows["triplets, test"] == 3
    assert rows["scenes, test"] == 1
    assert f"wrote 3 triplets to {out}." in shown.err
    assert (out / "output_phrase_test.txt").read_text().splitlines()[2] == "photo_03 building along the road"

    cloud, shares = tmp_path / "cloud.png", tmp_path / "shares.png"
    pictures = ["--cloud", str(cloud), "--histogram", str(shares)]
    assert program.main(["data", "phrases", str(out), "--language", "ar", *pictures, "--format", "jsonl"]) == 0
    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"kind": "category", "label": "building", "number": 2} in counted
    assert {"kind": "relation", "label": "along the road", "number": 1} in counted
    assert cloud.stat().st_size > 1000
    assert shares.stat().st_size > 1000

    assert program.main(ask) == 2  # the folder holds something now
    assert "holds something already" in capsys.readouterr().err


def test_generated_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scenes"
    ask = ["data", "refer", "scenes", "--scenes", "1", "--gsd", "1", "--out", str(out), "-q", "--side", "128"]
    assert program.main([*ask, "--format", "jsonl"]) == 0
    assert '"triplets, train"' in capsys.readouterr().out
    first = json.loads((out / "phrases.jsonl").read_text().splitlines()[0])
    assert set(first["phrases"]) == {"en", "ar", "fr", "it"}
    with Image.open(out / first["mask"]) as mask:
        assert mask.size == (128, 128)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs a source"),
        (["dubai"], "--out: is missing"),
        (["photo.jpg", "--out", "x"], "needs a class raster and a class table"),
        (["dubai", "--out", "x", "--labels", "y"], "--labels: means nothing to dubai"),
        (["dubai", "--out", "x", "--scenes", "4"], "--scenes: means nothing to dubai"),
        (["scenes", "--out", "x", "--scenes", "0"], "is no number of scenes"),
        (["scenes", "--out", "x", "--crop", "8"], "is too few pixels"),
        (["dubai", "--out", "x", "--gsd", "1"], "--gsd: means nothing to dubai"),
        (["scenes", "--out", "x", "--gsd", "-1"], "is no size of a pixel"),
        (["scenes", "--out", "x", "--gsd", "9"], "is not a ground sample distance"),
        (["dubai", "--out", "x", "--cloud", "c.png"], "--cloud: means nothing to refer"),
    ],
)
def test_options_that_make_no_sense(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOGLOT_DATA", str(tmp_path))
    assert program.main(["data", "refer", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_photo_needs_the_size_of_its_pixels(
    photo: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["data", "refer", *photo, "--out", str(tmp_path / "x")]) == 2
    assert "--gsd" in capsys.readouterr().err
    assert program.main(["data", "phrases", str(tmp_path / "nothing")]) == 2
    assert "neither a referring dataset" in capsys.readouterr().err
