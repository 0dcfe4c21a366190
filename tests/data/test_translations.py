from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from fake_datasets import write_translations
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import load_dataset
from geoglot.data.translations import FILE_NAME, Translations, load_translations, normalised_key
from geoglot.data.translations import write_translations as write_table


@pytest.mark.parametrize(
    ("caption", "key"),
    [
        ("Many planes .", "many planes"),
        ("  two\ttanks,  at the water’s edge ", "two tanks at the water s edge"),
        ("ÉTÉ 3x", "t 3x"),
        (".", ""),
        ("", ""),
    ],
)
def test_key(caption, key):
    assert normalised_key(caption) == key


@given(st.text())
def test_key_is_stable_and_clean(caption):
    key = normalised_key(caption)
    assert normalised_key(key) == key
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789 ")
    assert "  " not in key


def test_reads_the_table(tmp_path):
    write_translations(tmp_path)
    table = load_translations(tmp_path)
    assert table.languages == ("en", "ar", "fr", "it")
    assert table.translate("There is RED planes .", "fr") == "il y a avions rouges"
    assert table.translate("There is RED planes .", "ar") == "هناك طائرات حمراء"
    assert table.translate("There is RED planes .", "en") == "There is RED planes ."


def test_a_dataset_may_bring_its_own_table(tmp_path):
    (tmp_path / "made").mkdir()
    rows = {"A pink lake .": {"ar": "بحيرة وردية", "fr": "un lac rose", "it": "un lago rosa"}}
    other = {"there is red planes": {"ar": "لا", "fr": "non", "it": "no"}}
    write_table({**rows, **other}, tmp_path / "made" / FILE_NAME)
    alone = load_translations(tmp_path)
    assert (alone.translate("a pink lake", "it"), alone.translate("There is RED planes", "fr")) == (
        "un lago rosa",
        "non",
    )
    write_translations(tmp_path)
    both = load_translations(tmp_path)
    assert (both.translate("a pink lake", "ar"), both.translate("There is RED planes .", "fr")) == (
        "بحيرة وردية",
        "il y a avions rouges",
    )


def test_misses_are_reported_not_guessed(tmp_path):
    write_translations(tmp_path)
    table = load_translations(tmp_path)
    asked = ["there is red planes .", "a volcano", ".", "there is red plane"]
    translated = table.translate_all(asked, "it")
    assert translated.texts == ("c'è aerei rossi", None, None, None)
    assert translated.missing == (1, 2, 3)
    with pytest.raises(UsageError, match="choose one of en, ar, fr, it"):
        table.translate("a road", "de")


def test_an_empty_cell_is_a_miss_and_an_empty_key_a_row(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(gzip.compress(b"en\tfr\tit\n\tvide\tvuoto\na road\t\tuna strada\n", mtime=0))
    table = load_translations(tmp_path)
    assert table.translate(" . ", "fr") == "vide"
    assert table.translate("a road", "fr") is None
    assert table.translate("a road", "it") == "una strada"


def test_a_line_separator_inside_a_text_is_no_new_row(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(gzip.compress("en\tfr\na road\tune\u2028route\n".encode()))
    assert load_translations(tmp_path).translate("a road", "fr") == "une\u2028route"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b"a\tb\n", mtime=0),
        gzip.compress(b"en\tfr\nA road\tx\n", mtime=0),
        gzip.compress(b"en\tfr\na\n", mtime=0),
    ],
)
def test_damaged_table_is_refused(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(DataError, match=FILE_NAME):
        load_translations(tmp_path)


def test_absent_table_is_named(tmp_path):
    with pytest.raises(DataError, match=FILE_NAME):
        load_translations(tmp_path)


def test_empty_table_translates_nothing():
    assert Translations({}).languages == ("en",)


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
def test_real_table_covers_the_test_splits():
    if not (Path(os.environ["GEOGLOT_DATA"]) / FILE_NAME).is_file():
        pytest.skip("the table is not here")
    table = load_translations()
    for name in ("rsicd", "ucm"):
        captions = [caption for record in load_dataset(name).records("test") for caption in record.captions]
        for language in ("ar", "fr", "it"):
            assert table.translate_all(captions, language).missing == ()
    train = {caption for record in load_dataset("rsicd").records("train") for caption in record.captions}
    assert {c for c in train if table.translate(c, "fr") is None} == {"."}
