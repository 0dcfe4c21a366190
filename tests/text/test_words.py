import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import BundleError
from geoglot.data.captioned import load_dataset
from geoglot.text.normalise import normalise
from geoglot.text.words import FUNCTION_WORDS, WordTokenizer

SENTENCES = ["Many planes are parked, at the airport."] * 5 + ["A river; many boats!"] * 6 + ["one rare pier"] * 4


def test_ids_start_at_one_and_the_unknown_word_is_last() -> None:
    tokenizer = WordTokenizer.train(SENTENCES)
    # many 11, boats and river 6, airport, parked and planes 5; a, are, at, the are function words; the rest occurs 4x
    assert tokenizer.words == ("many", "boats", "river", "airport", "parked", "planes")
    assert tokenizer.size == 8
    assert tokenizer.unknown == 7
    assert tokenizer.encode(["Many rare boats at the river"]).tolist() == [[1, 7, 2, 7, 7, 3]]


def test_a_word_counts_from_the_fifth_time_on() -> None:
    assert WordTokenizer.train(["pier"] * 4).words == ()
    assert WordTokenizer.train(["pier"] * 5).words == ("pier",)
    assert WordTokenizer.train(["pier"], least=1).words == ("pier",)


def test_all_fifteen_marks_of_the_family_vanish() -> None:
    tokenizer = WordTokenizer(["boat", "pier"])
    for mark in ", . : ; ? ( ) [ ] & ! * @ # $ %".split():
        assert tokenizer.encode([f"boat{mark} {mark}pier {mark}"]).tolist() == [[1, 2]], mark


def test_own_stop_words() -> None:
    kept = WordTokenizer.train(["the boats"] * 5, stop_words=())
    assert kept.words == ("boats", "the")
    french = WordTokenizer.train(["près d'un bâtiment"] * 5, stop_words={"Près", "d'un"})
    assert french.words == ("batiment",)


def test_other_scripts_and_accents() -> None:
    tokenizer = WordTokenizer.train(["طائرةٌ كبيرة", "Plusieurs bâtiments", "città"] * 5)
    assert tokenizer.size == 2 + 5
    assert tokenizer.unknown not in tokenizer.encode(["طايره كبيره", "batiments plusieurs", "CITTA'"])
    assert tokenizer.pieces("طائرة صغيرة") == ["طايره", "<unk>"]


def test_long_and_empty_texts() -> None:
    tokenizer = WordTokenizer(["boat"])
    assert tokenizer.encode(["boat " * 60]).shape == (1, 47)
    assert tokenizer.encode(["", "...", "boat boat"]).tolist() == [[2, 0], [2, 0], [1, 1]]
    assert tokenizer.encode([]).shape == (0, 1)


def test_function_words_are_what_normalisation_leaves() -> None:
    assert {normalise(word) for word in FUNCTION_WORDS} == FUNCTION_WORDS
    assert not FUNCTION_WORDS & {"near", "beside", "next", "many", "two", "green"}


def test_saved_vocabulary_reads_back(tmp_path: Path) -> None:
    tokenizer = WordTokenizer.train([*SENTENCES, *["طائرة"] * 5], max_length=9)
    tokenizer.save(tmp_path / "tokenizer.json")
    again = WordTokenizer.load(tmp_path / "tokenizer.json")
    assert (again.words, again.max_length, again.size) == (tokenizer.words, 9, tokenizer.size)
    assert WordTokenizer.load(tmp_path / "tokenizer.json", max_length=3).max_length == 3


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", "nonsense", '{"words": ["a", "a"], "max_length": 3}', '{"words": [1], "max_length": 3}'),
        *('{"words": "ab", "max_length": 3}', '{"words": [], "max_length": 0}', '{"words": [], "max_length": "9"}'),
    ],
)
def test_a_file_that_is_no_vocabulary_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        WordTokenizer.load(path)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"missing\.json"):
        WordTokenizer.load(tmp_path / "missing.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match=r"binary\.json"):
        WordTokenizer.load(tmp_path / "binary.json")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_every_text_has_a_word_and_every_id_a_meaning(texts: list[str]) -> None:
    tokenizer = WordTokenizer.train(texts, least=1, stop_words=())
    tokens = tokenizer.encode(texts)
    assert tokens.dtype == np.int64
    assert ((tokens >= 0) & (tokens < tokenizer.size)).all()
    for row, text in zip(tokens, texts, strict=True):
        words = normalise(text).split()[:47]
        assert [tokenizer.words[k - 1] for k in row[: len(words)]] == words
        assert (row[max(1, len(words)) :] == 0).all()


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
@pytest.mark.parametrize(("name", "published"), [("rsicd", 1225), ("ucm", 244)])
def test_size_is_near_the_published_one(name: str, published: int) -> None:
    # the published vocabularies count the captions of all three splits
    dataset = load_dataset(name)
    captions = [text for split in ("train", "val", "test") for item in dataset.records(split) for text in item.captions]
    assert WordTokenizer.train(captions).size - 1 == pytest.approx(published, rel=0.03)
