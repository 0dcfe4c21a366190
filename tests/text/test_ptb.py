from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.text.ptb import caption_words, join_words, written_words


# What the public evaluation's tokenizer (Stanford CoreNLP 3.4.1, -preserveLines -lowerCase) gives for these.
@pytest.mark.parametrize(
    ("caption", "words"),
    [
        (
            "The colour of the grey harbour is 3 metres, isn't it?",
            "the colour of the grey harbour is 3 metres is n't it",
        ),
        ("a 1,093 m river's bend; 50% of it", "a 1,093 m river 's bend 50 % of it"),
        ("I can't, cannot, won't, they'll, we've, I'm", "i ca n't can not wo n't they 'll we 've i 'm"),
        ("medium-sized tanks and/or 2/3 roofs -- so - no...", "medium-sized tanks and/or 2/3 roofs so no"),
        ("A_b two_tone T-junction x-shaped", "a_b two_tone t-junction x-shaped"),
        ("#q # 8 & @ * + 12:30 10am 5m 3.5", "#q # 8 & @ * + 12:30 10am 5m 3.5"),
        ("the trees' shade, the trees 's shade, do n't", "the trees shade the trees 's shade do n't"),
        ("red,green red;green red:green", "red green red green red green"),
        ("Naïve café ÉTANG Straße", "naïve café étang straße"),
        ("c'est l'étang d'une île, qu'il n'est", "c'est l'étang d'une île qu'il n'est"),
        ("c'è un'area all'aeroporto", "c è un area all aeroporto"),
        ("l'y d'y j'ai", "l' y d' y j' ai"),
    ],
)
def test_words_of_the_public_tokenizer(caption, words):
    assert caption_words(caption) == words.split()


def test_elisions_that_the_public_tokenizer_parts():
    assert caption_words("s'étend n'y jusqu'à l'arc-en-ciel") == "s étend n y jusqu à l'arc-en-ciel".split()


def test_arabic():
    assert caption_words("هناك عشرة خزانات، قرب الطريق.") == "هناك عشرة خزانات قرب الطريق".split()


def test_brackets_are_words_for_measures_and_none_for_writing():
    assert caption_words("a (paved) road [left]") == "a -lrb- paved -rrb- road -lsb- left -rsb-".split()
    assert written_words("a (paved) road [left]") == "a paved road left".split()


def test_typographic_marks():
    assert caption_words("“Two” ‘sheds’ — the river’s «bend» …") == ["two", "sheds", "the", "river", "'s", "bend"]


def test_composed_and_decomposed_letters_are_one():
    assert caption_words("e\u0301tang") == caption_words("\u00e9tang") == ["étang"]


@pytest.mark.parametrize("caption", ["", " . ", "...", "'", "-", "''", "\n\t", "?!"])
def test_no_words(caption):
    assert caption_words(caption) == []
    assert written_words(caption) == []


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abcdlnqustérèç'’ -.,_/0159sS&", max_size=30))
def test_a_sentence_that_was_put_together_again_measures_the_same(caption):
    assert caption_words(join_words(written_words(caption))) == caption_words(caption)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_gives_plain_lower_case_words(caption):
    for word in (*caption_words(caption), *written_words(caption)):
        assert word
        assert word == "".join(word.split())
