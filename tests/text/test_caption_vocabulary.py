from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import BundleError, UsageError
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.captions import END, PADDING, START, UNKNOWN, CaptionVocabulary

CAPTIONS = ["A long pier.", "Un'area vicino al pier", "جسر طويل", "a pier, isn't it?", "A long, long road"]


def test_reserved_ids_come_first():
    vocabulary = CaptionVocabulary(["pier"])
    assert (PADDING, START, END, UNKNOWN) == (0, 1, 2, 3)
    assert vocabulary.id_of("pier") == 4
    assert vocabulary.id_of("road") == UNKNOWN
    assert len(vocabulary) == 5


def test_words_are_counted_over_all_languages():
    # a: 3, long: 3, pier: 3; the rest once.
    assert CaptionVocabulary.train(CAPTIONS, least=2).words == ("a", "long", "pier")
    every = CaptionVocabulary.train(CAPTIONS, least=1).words
    assert {"un'", "area", "جسر", "n't", "is"} <= set(every)


def test_encoding_by_hand():
    vocabulary = CaptionVocabulary(["a", "long", "pier"], max_length=3)
    tokens = vocabulary.encode(["A long pier.", "", "a wide pier again"])
    assert tokens.tolist() == [[1, 4, 5, 6, 2], [1, 2, 0, 0, 0], [1, 4, 3, 6, 2]]
    assert tokens.dtype == np.int64
    assert vocabulary.encode([]).shape == (0, 2)


def test_decoding():
    vocabulary = CaptionVocabulary.train(CAPTIONS, least=1)
    for caption in ("a long road", "un'area vicino al pier", "جسر طويل", "a pier isn't it"):
        assert vocabulary.decode(vocabulary.ids(caption)) == caption
    assert vocabulary.decode([START, UNKNOWN, vocabulary.id_of("pier"), END, vocabulary.id_of("road")]) == "pier"
    assert vocabulary.pieces([START, UNKNOWN, vocabulary.id_of("pier"), END]) == ["<unknown>", "pier"]
    assert vocabulary.decode(np.array([], dtype=np.int64)) == ""
    with pytest.raises(UsageError, match="outside"):
        vocabulary.decode([len(vocabulary)])
    with pytest.raises(UsageError, match="outside"):
        vocabulary.decode([-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="abé' -.", max_size=15), max_size=5))
def test_nothing_is_lost_when_every_word_is_known(captions):
    vocabulary = CaptionVocabulary.train(captions, least=1, max_length=100)
    for row, caption in zip(vocabulary.encode(captions), captions, strict=True):
        assert UNKNOWN not in row
        assert vocabulary.ids(vocabulary.decode(row)) == vocabulary.ids(caption)


def test_saved_and_loaded(tmp_path):
    vocabulary = CaptionVocabulary.train(CAPTIONS, least=1, max_length=7)
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = CaptionVocabulary.load(tmp_path / "vocabulary.json")
    assert loaded.words == vocabulary.words
    assert loaded.max_length == 7
    attributes = AttributeDictionary(["pier", "long"])
    attributes.save(tmp_path / "attributes.json")
    assert AttributeDictionary.load(tmp_path / "attributes.json").words == ("pier", "long")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "words"},
        {"words": ["a", "a"]},
        {"words": ["a", 3]},
        {"words": ["a", "<end>"]},
        {"words": ["a", "b c"]},
        {"words": ["a"]},
        {"words": "ab"},
        {"max_length": 0},
        {"max_length": True},
        {"size": 7},
        {"size": None},
    ],
)
def test_a_damaged_vocabulary_is_refused(tmp_path, change):
    path = tmp_path / "vocabulary.json"
    CaptionVocabulary(["a", "b"]).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=r"vocabulary\.json"):
        CaptionVocabulary.load(path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "null", '{"kind": "captions"}', "\x00\xff", '{"words": ['])
@pytest.mark.parametrize("kind", [CaptionVocabulary, AttributeDictionary])
def test_what_is_no_such_file_is_refused(tmp_path, text, kind):
    path = tmp_path / "given.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"given\.json"):
        kind.load(path)
    with pytest.raises(BundleError, match=r"absent\.json"):
        kind.load(tmp_path / "absent.json")


@pytest.mark.parametrize("change", [{"words": ["a", "a"]}, {"words": ["a", 1]}, {"size": 1}, {"kind": "captions"}])
def test_a_damaged_attribute_dictionary_is_refused(tmp_path, change):
    path = tmp_path / "attributes.json"
    AttributeDictionary(["a", "b"]).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=r"attributes\.json"):
        AttributeDictionary.load(path)


def test_refused_values():
    with pytest.raises(UsageError, match="twice"):
        CaptionVocabulary(["a", "a"])
    with pytest.raises(UsageError, match="no caption word"):
        CaptionVocabulary([""])
    with pytest.raises(UsageError, match="max_length"):
        CaptionVocabulary(["a"], max_length=0)
    with pytest.raises(UsageError, match="least"):
        CaptionVocabulary.train(CAPTIONS, least=0)
    with pytest.raises(UsageError, match="attributes"):
        AttributeDictionary(["a", "a"])
    with pytest.raises(UsageError, match="above"):
        AttributeDictionary.train(CAPTIONS, above=-1)


def test_attributes_are_frequent_nouns_and_adjectives():
    captions = ["Many green trees are near the river."] * 3 + ["A green field is near the river."] * 2
    # green 5, river 5, trees 3, field 2; many, near and are are neither.
    assert AttributeDictionary.train(captions, above=2).words == ("green", "river", "trees")
    assert AttributeDictionary.train(captions, above=5).words == ()


def test_attribute_counts_only_where_a_word_is_noun_or_adjective():
    captions = ["Houses form a ring."] * 3 + ["An odd form is seen."] * 2
    # "form" is a noun twice and a verb three times.
    assert "form" in AttributeDictionary.train(captions, above=1).words
    assert "form" not in AttributeDictionary.train(captions, above=2).words


def test_another_tagger():
    words = AttributeDictionary.train(["a b"] * 2, above=1, tagger=lambda words: ["verb", "noun"]).words
    assert words == ("b",)


def test_labels():
    attributes = AttributeDictionary(["river", "green"])
    labels = attributes.labels([["A green river", "A RIVER"], [], ["no such word"]])
    assert labels.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert labels.dtype == np.float32
    assert AttributeDictionary([]).labels([["a"]]).shape == (1, 0)
