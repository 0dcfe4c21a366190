from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from fake_datasets import write_translations
from PIL import Image
from toy_encoder import ToyEncoder

from geoglot.core.errors import BundleError, DataError, UsageError
from geoglot.data.rsicd import records
from geoglot.data.translations import FILE_NAME, load_translations
from geoglot.engine.prediction import predict, read_square
from geoglot.engine.saved_predictions import Predictions, load_predictions, save_predictions


def test_vectors_are_those_of_the_encoder_one_by_one(data_root, encoder, predictions):
    table = load_translations(data_root)
    found = records("train", data_root)
    assert predictions.image_ids == tuple(record.id for record in found)
    assert predictions.image_categories == tuple(record.category for record in found)
    for row, record in zip(predictions.image_vectors, found, strict=True):
        square = Image.open(record.path).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=1.0)
        assert np.array_equal(row, encoder.encode_images(np.asarray(square)[None])[0])
    for language, texts in predictions.texts.items():
        captions = [(i, table.translate(c, language)) for i, record in enumerate(found) for c in record.captions]
        assert texts.image_of_caption.tolist() == [i for i, _ in captions]
        for (_, caption), text in zip(captions, texts.text_of_caption, strict=True):
            assert np.allclose(texts.vectors[text], encoder.encode_texts([caption])[0], atol=1e-6)
        assert len(texts.vectors) == len({caption for _, caption in captions})


def test_equal_captions_are_one_text(predictions):
    texts = predictions.texts["en"]
    assert (texts.text_of_caption[1::5] == texts.text_of_caption[2::5]).all()  # second and third of every image
    assert len(set(texts.text_of_caption[3::5].tolist())) == 4  # one sentence per class


def test_header_says_what_was_done(predictions):
    header = predictions.header
    assert header["model"] == {"id": "toy-1", "sha256": "0" * 64}
    assert (header["dataset"], header["split"], header["image_side"]) == ("rsicd", "train", 32)
    assert header["captions_per_image"] == {"least": 5, "most": 5}
    assert header["languages"] == ["en", "ar", "fr", "it"]
    assert header["captions_without_translation"] == {"en": 0, "ar": 0, "fr": 0, "it": 0}
    assert header["environment"]["cores"] >= 1


def _same(a: Predictions, b: Predictions) -> None:
    assert np.array_equal(a.image_vectors, b.image_vectors)
    assert (a.image_ids, a.image_categories, a.phrase_categories) == (
        b.image_ids,
        b.image_categories,
        b.phrase_categories,
    )
    assert a.texts.keys() == b.texts.keys()
    for language in a.texts:
        for name in ("vectors", "text_of_caption", "image_of_caption"):
            left, right = getattr(a.texts[language], name), getattr(b.texts[language], name)
            assert left.dtype == right.dtype
            assert np.array_equal(left, right)
    for language in a.phrases:
        assert np.array_equal(a.phrases[language], b.phrases[language])


def test_round_trip(tmp_path, predictions):
    path = tmp_path / "run" / "predictions.npz"
    save_predictions(predictions, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["predictions.npz"]
    loaded = load_predictions(path)
    _same(predictions, loaded)
    assert {k: v for k, v in loaded.header.items() if k != "format"} == json.loads(json.dumps(predictions.header))


def test_the_file_holds_no_caption_and_no_pixel(tmp_path, predictions):
    path = tmp_path / "predictions.npz"
    save_predictions(predictions, path)
    with zipfile.ZipFile(path) as stored:
        content = b"".join(stored.read(name) for name in stored.namelist())
    plain, wide = "Many planes in the picture", "beaucoup de avions"
    for text in (plain, wide):
        assert text.encode() not in content
        assert text.encode("utf-32-le") not in content
    with np.load(path, allow_pickle=False) as stored:
        assert all(array.dtype.kind in "fiU" for array in stored.values())
        assert not any(array.dtype == np.uint8 for array in stored.values())


def test_repeating_gives_the_same_vectors(data_root, predictions):
    _same(predictions, predict(ToyEncoder(), "rsicd", split="train", root=data_root))


def test_a_miss_is_counted_and_left_out(data_root, encoder):
    manifest = data_root / "ucm" / "manifest.jsonl"
    (data_root / "ucm" / "images").mkdir(parents=True)
    (data_root / "ucm" / "SUBSET").touch()
    Image.new("RGB", (20, 20)).save(data_root / "ucm" / "images" / "a.png")
    captions = ["there is red planes .", ".", "a volcano", "there is blue planes .", "there is green planes ."]
    manifest.write_text(json.dumps({"image": "images/a.png", "cls": "a", "split": "test", "captions": captions}) + "\n")
    found = predict(encoder, "ucm", root=data_root)
    assert found.header["captions_without_translation"] == {"en": 0, "ar": 2, "fr": 2, "it": 2}
    assert found.texts["en"].image_of_caption.tolist() == [0] * 5
    assert found.texts["ar"].image_of_caption.tolist() == [0] * 3
    manifest.write_text(json.dumps({"image": "images/a.png", "split": "test", "captions": ["a volcano"] * 5}) + "\n")
    with pytest.raises(DataError, match="a: has no caption in ar"):
        predict(encoder, "ucm", root=data_root)
    assert predict(encoder, "ucm", root=data_root, languages=["en"]).texts.keys() == {"en"}


def test_english_alone_needs_no_table(data_root, encoder):
    (data_root / FILE_NAME).unlink()
    assert predict(encoder, "rsicd", root=data_root, languages=("en", "en")).header["languages"] == ["en"]
    with pytest.raises(DataError, match=FILE_NAME):
        predict(encoder, "rsicd", root=data_root, languages=("en", "fr"))
    write_translations(data_root)
    with pytest.raises(UsageError, match="de: is no language here"):
        predict(encoder, "rsicd", root=data_root, languages=("de",))


def test_empty_split_is_refused(data_root, encoder):
    folder = data_root / "ucm"
    (folder / "images").mkdir(parents=True)
    (folder / "manifest.jsonl").write_text("\n")
    (folder / "SUBSET").touch()
    with pytest.raises(DataError, match="ucm, test: has no images"):
        predict(encoder, "ucm", root=data_root)


def test_damaged_image_is_named(data_root, encoder):
    path = records("test", data_root)[2].path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=path.name):
        predict(encoder, "rsicd", root=data_root)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_every_picture_becomes_rgb(tmp_path, mode):
    path = tmp_path / "a.tif"
    Image.new(mode, (50, 40)).save(path)
    assert read_square(path, 16).shape == (16, 16, 3)
    assert read_square(path, 16).dtype == np.uint8


class _Wrong(ToyEncoder):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def encode_images(self, pixels):
        return self.change(super().encode_images(pixels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows * 2, "not of length one"),
        (lambda rows: rows * np.nan, "not of length one"),
        (lambda rows: rows * 0, "not of length one"),
        (lambda rows: rows[:, :-1], "to shape"),
        (lambda rows: rows[:-1], "to shape"),
    ],
)
def test_vectors_that_make_no_sense_are_refused(data_root, change, message):
    with pytest.raises(BundleError, match=message):
        predict(_Wrong(change), "rsicd", root=data_root)


def test_progress_reaches_the_end(data_root, encoder):
    seen = []
    predict(encoder, "rsicd", split="train", root=data_root, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(16, 16)]


def _arrays(path):
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("image_ids", lambda a: a[:-1], "different numbers"),
        ("text_of_caption.fr", lambda a: a + 1000, "fr captions that point outside"),
        ("image_of_caption.ar", lambda a: a - 1, "ar captions that point outside"),
        ("image_of_caption.en", lambda a: a[:-1], "en captions of two different numbers"),
        ("text_of_caption.it", lambda a: a.astype(float), "it captions that point outside"),
        ("text_vectors.en", lambda a: a[:, :-1], "another dimension"),
        ("phrase_vectors.en", lambda a: a[:-1], "phrase vectors of another shape"),
        ("header", lambda a: np.array("{"), "cannot be read"),
        ("header", lambda a: np.array('{"format": 99}'), "has format 99"),
        ("image_vectors", lambda a: np.array([{"a": 1}], dtype=object), "cannot be read"),
    ],
)
def test_inconsistent_file_is_refused(tmp_path, predictions, name, change, message):
    path = tmp_path / "predictions.npz"
    save_predictions(predictions, path)
    arrays = _arrays(path)
    arrays[name] = change(arrays[name])
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=message):
        load_predictions(path)


def test_missing_truncated_and_flipped_files_are_refused(tmp_path, predictions):
    path = tmp_path / "predictions.npz"
    with pytest.raises(DataError, match="is absent"):
        load_predictions(path)
    save_predictions(predictions, path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cannot be read"):
            load_predictions(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))  # an array file, not a container of arrays
    with pytest.raises(DataError, match="cannot be read"):
        load_predictions(path)
    middle = len(whole) // 3  # inside an array: caught by the checksum of the container
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(DataError, match="cannot be read"):
        load_predictions(path)


def test_missing_array_is_refused(tmp_path, predictions):
    path = tmp_path / "predictions.npz"
    save_predictions(dataclasses.replace(predictions, phrases={}), path)
    arrays = _arrays(path)
    del arrays["text_of_caption.ar"]
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="cannot be read"):
        load_predictions(path)
