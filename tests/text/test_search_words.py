"""Words of captions and queries come to one form, in four languages."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.errors import UsageError
from geoglot.text.search_words import search_key, search_keys, word_query


@pytest.mark.parametrize(
    "forms",
    [
        "plane planes Plane PLANES",
        "church churches",
        "city cities",
        "building buildings",
        "bateau bateaux",
        "forêt forêts foret FORÊTS",
        "maison maisons",
        "réservoir réservoirs reservoir",
        "campo campi",
        "casa case",
        "albero alberi",
        "طائرة طائرات الطائرات والطائرة طائره",
        "ملعب الملعب والملعب بالملعب",
        "تنس التنس",
        "أشجار اشجار الأشجار",
        "مبنى مبني المبنى",
    ],
)
def test_forms_of_a_word_are_one(forms: str) -> None:
    assert len({tuple(search_keys(form)) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("river", "road"),
        ("bus", "bu"),
        ("grass", "gras"),
        ("tree", "true"),
        ("طائرة", "طريق"),
        ("دار", "دوار"),
        ("sea", "s"),
    ],
)
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert search_keys(one) != search_keys(other)


@given(st.text(max_size=60))
def test_any_text_becomes_forms_and_a_form_is_one_word(text: str) -> None:
    for key in search_keys(text):
        assert key
        assert " " not in key


@given(st.text(max_size=60))
def test_any_query_is_refused_or_is_a_query_that_sqlite_takes(text: str) -> None:
    try:
        query = word_query(text)
    except UsageError:
        return
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(keys, content='')")
    connection.execute("INSERT INTO words (rowid, keys) VALUES (1, ?)", (" ".join(search_keys(text)),))
    found = connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (query.as_fts(),)).fetchall()
    connection.close()
    if not query.unwanted:
        phrases = all(len(phrase) == 1 for phrase in query.wanted)
        assert not phrases or found == [(1,)], "a text is found by its own words"


@given(
    st.lists(
        st.sampled_from(["a", "plane", "planes", "tennis", "court", "river", "ملعب", "تنس"]), min_size=1, max_size=6
    ),
    st.lists(
        st.sampled_from(["plane", '"tennis court"', "-river", "river", "تنس", '-"tennis court"']),
        min_size=1,
        max_size=3,
    ),
)
def test_sqlite_finds_what_the_definition_says(caption: list[str], asked: list[str]) -> None:
    try:
        query = word_query(" ".join(asked))
    except UsageError:
        assert all(one.startswith("-") for one in asked)
        return
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(keys, content='')")
    text = " ".join(caption)
    connection.execute("INSERT INTO words (rowid, keys) VALUES (1, ?)", (" ".join(search_keys(text)),))
    found = connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (query.as_fts(),)).fetchall()
    connection.close()

    def says(phrase: str) -> bool:  # a second definition, by words alone
        words, wanted = [search_key(word) for word in caption], [search_key(word) for word in phrase.split()]
        return wanted[0] in words if len(wanted) == 1 else tuple(wanted) in pairwise(words)

    expected = all(says(one.strip('-"')) is not one.startswith("-") for one in asked)
    assert bool(found) is expected is query.fits(text)


def test_words_that_carry_grammar_are_passed_over() -> None:
    assert word_query("many planes beside the terminal").texts == ("many", "planes", "beside", "terminal")
    assert word_query("le port avec des bateaux").texts == ("port", "bateaux")
    assert word_query("the").texts == ("the",), "where there is nothing else it counts"
    assert word_query('"the river"').wanted == (("the", "river"),)
    assert word_query("d'une forêt").texts == ("foret",)
    for nothing in ("", "  ", "-river", '""', "!!", '-"a b"'):
        with pytest.raises(UsageError, match="has no word"):
            word_query(nothing)
