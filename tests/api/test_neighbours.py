"""Nearest neighbours in a split: ranks against naive counting, who counts as true, sheets that open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_datasets import write_fake
from PIL import Image

import geoglot as gg
from geoglot.data.captioned import load_dataset
from geoglot.data.translations import load_translations
from geoglot.models.bundle import load_bundle

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    write_fake(folder, "ucm")
    return folder


def naive_rank(scores: list[float], index: int) -> int:
    """1 + how many are better, or as good and earlier."""
    return 1 + sum(
        other > scores[index] or (other == scores[index] and number < index) for number, other in enumerate(scores)
    )


def test_pictures_of_a_text_are_ranked_as_counted(root: Path, colour_bundle: Path) -> None:
    text = "there is blue planes ."
    found = gg.neighbours(text, "ucm", "train", colour_bundle, k=5, root=root)
    bundle = load_bundle(colour_bundle)
    records = load_dataset("ucm").records("train", root)
    [query] = bundle.encode_texts([text])
    squares = [np.asarray(Image.open(record.path).resize((32, 32), Image.Resampling.BILINEAR)) for record in records]
    scores = [float(vector @ query) for vector in bundle.encode_images(np.stack(squares))]
    true = [index for index, record in enumerate(records) if text in record.captions]
    assert len(true) >= 1
    assert found.candidates == len(records) == 16
    assert list(found.true_ranks) == sorted(naive_rank(scores, index) for index in true)
    assert found.true_rank == found.true_ranks[0]
    for one in found.found:
        index = next(number for number, record in enumerate(records) if record.id == one.id)
        assert one.rank == naive_rank(scores, index)
        assert one.score == pytest.approx(scores[index], abs=1e-6)
        assert one.true == (index in true)
        assert one.text is None


@pytest.mark.parametrize("language", ["en", "ar"])
def test_captions_of_a_picture(root: Path, colour_bundle: Path, language: str) -> None:
    records = load_dataset("ucm").records("train", root)
    record = records[0]
    found = gg.neighbours(record.id, "ucm", "train", colour_bundle, k=100, language=language, root=root)
    table = load_translations(root)
    captions = {table.translate(caption, language) for one in records for caption in one.captions}
    assert found.candidates == len(captions)
    assert {one.text for one in found.found} == captions
    assert {one.text for one in found.found if one.true} == {table.translate(c, language) for c in record.captions}
    assert [one.rank for one in found.found] == list(range(1, len(captions) + 1))
    scores = [one.score for one in found.found]
    assert scores == sorted(scores, reverse=True)
    by_path = gg.neighbours(record.path, "ucm", "train", colour_bundle, k=100, language=language, root=root)
    assert by_path == found
    assert found.query == str(record.path)


def test_a_translated_caption_knows_its_pictures(root: Path, colour_bundle: Path) -> None:
    english = gg.neighbours("Many trees in the picture .", "ucm", "train", colour_bundle, root=root)
    arabic = gg.neighbours("الكثير من أشجار", "ucm", "train", colour_bundle, root=root)
    assert len(english.true_ranks) == len(arabic.true_ranks) == 4
    assert gg.neighbours("a purple lake", "ucm", "train", colour_bundle, root=root).true_rank is None


def test_a_picture_from_elsewhere_has_no_true_captions(painted: Path, root: Path, colour_bundle: Path) -> None:
    found = gg.neighbours(painted / "red.png", "ucm", "train", colour_bundle, root=root, k=3)
    assert found.true_rank is None
    assert len(found.found) == 3
    assert "red" in str(found.found[0].text)
    assert gg.neighbours(str(painted / "scene.tif"), "ucm", "test", colour_bundle, root=root).asked_by == "picture"


def test_sheets_open(painted: Path, root: Path, colour_bundle: Path, tmp_path: Path) -> None:
    for query, language in (("حقل أحمر", "en"), (str(painted / "red.png"), "ar"), ("airport_0", "fr")):
        split = "train" if query == "airport_0" else "test"
        found = gg.neighbours(query, "ucm", split, colour_bundle, root=root, language=language)
        path = found.save(tmp_path / "sheet.png")
        with Image.open(path) as image:
            assert image.width > 1000
            assert image.height > 300


def test_queries_that_make_no_sense(root: Path, colour_bundle: Path, tmp_path: Path) -> None:
    ask = {"model": colour_bundle, "root": root}
    with pytest.raises(gg.UsageError, match="does not exist"):
        gg.neighbours("nowhere.png", "ucm", **ask)
    with pytest.raises(gg.UsageError, match="has no words"):
        gg.neighbours(" . ", "ucm", **ask)
    with pytest.raises(gg.UsageError, match="k=0"):
        gg.neighbours("red", "ucm", k=0, **ask)
    with pytest.raises(gg.UsageError, match="did you mean 'ucm'"):
        gg.neighbours("red", "ucmm", **ask)
    with pytest.raises(gg.UsageError, match="is no split"):
        gg.neighbours("red", "ucm", "tset", **ask)
    with pytest.raises(gg.BundleError):
        gg.neighbours("red", "ucm", model="compacd", root=root)
    with pytest.raises(gg.DataError):
        gg.neighbours("red", "rsicd", **ask)
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(gg.SourceError):
        gg.neighbours(tmp_path / "words.png", "ucm", **ask)
    with pytest.raises(gg.UsageError, match="known suffix"):
        gg.neighbours("red", "ucm", **ask).save(tmp_path / "sheet.html")
    assert gg.neighbours("a " * 3000 + "red", "ucm", **ask).asked_by == "text"
