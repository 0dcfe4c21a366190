"""Phrases in four languages: agreement, articles, and that every word of the rules has its forms."""

from __future__ import annotations

import unicodedata

import pytest

from geoglot.core.errors import UsageError
from geoglot.data.reference_phrases import LANGUAGES, parse_phrase, phrases, read_noun
from geoglot.data.reference_rules import GENERAL, SKYSCAPES
from geoglot.data.reference_words import NOUN_FORMS, PARTICIPLES, RELATION_FORMS

SAID = sorted(
    {
        (category.words, relation)
        for book in (SKYSCAPES, GENERAL)
        for category in book.categories
        for relation in ("", *(r.name for r in book.relations if category.name in r.subjects))
    }
)


def test_the_forms_of_the_paper_come_first() -> None:
    assert phrases("light-duty vehicle", "in the parking area")["en"][0] == "light-duty vehicle in the parking area"
    assert phrases("building", "along the road")["en"][0] == "building along the road"
    # Where the paper's words are no good English, they come last.
    assert phrases("low vegetation", "surrounded by building")["en"] == (
        "low vegetation surrounded by buildings",
        "the low vegetation surrounded by buildings",
        "low vegetation surrounded by building",
    )


def test_a_masculine_noun_agrees() -> None:
    said = phrases("building", "surrounded by vegetation")
    # Singular, plural, with the article.
    assert [phrase.removesuffix(" de végétation") for phrase in said["fr"]] == [
        "bâtiment entouré",
        "bâtiments entourés",
        "les bâtiments entourés",
    ]
    assert [phrase.removesuffix(" da vegetazione") for phrase in said["it"]] == [
        "edificio circondato",
        "edifici circondati",
        "gli edifici circondati",
    ]
    # The plural of things is a feminine singular; with the article the participle has one, too.
    assert [phrase.removesuffix(" بالغطاء النباتي") for phrase in said["ar"]] == [
        "مبنى محاط",
        "مبان محاطة",
        "المباني المحاطة",
    ]


def test_a_noun_agrees_that_is_feminine_in_two_languages() -> None:
    said = phrases("house", "surrounded by vegetation")
    assert [phrase.removesuffix(" de végétation") for phrase in said["fr"]] == [
        "maison entourée",
        "maisons entourées",
        "les maisons entourées",
    ]
    assert [phrase.removesuffix(" da vegetazione") for phrase in said["it"]] == [
        "casa circondata",
        "case circondate",
        "le case circondate",
    ]
    assert [phrase.removesuffix(" بالغطاء النباتي") for phrase in said["ar"]] == [
        "منزل محاط",
        "منازل محاطة",
        "المنازل المحاطة",
    ]


def test_what_is_not_counted_has_no_plural() -> None:
    said = phrases("water", "surrounded by bare land")
    assert said["fr"] == ("eau entourée de terrains nus", "l'eau entourée de terrains nus")
    assert said["it"] == ("acqua circondata da terreni nudi", "l'acqua circondata da terreni nudi")
    assert said["ar"] == ("مياه محاطة بأراض جرداء", "المياه المحاطة بأراض جرداء")


def test_an_arabic_verb_agrees_and_takes_its_relative_pronoun() -> None:
    assert phrases("bus", "driving on the road")["ar"] == (
        "حافلة تسير على الطريق",
        "حافلات تسير على الطريق",
        "الحافلات التي تسير على الطريق",
    )


@pytest.mark.parametrize(("category", "relation"), SAID)
def test_everything_the_rules_say_has_words_in_four_languages(category: str, relation: str) -> None:
    said = phrases(category, relation)
    assert tuple(said) == LANGUAGES
    for language, several in said.items():
        assert len(set(several)) == len(several) >= 2
        for phrase in several:
            assert phrase == " ".join(phrase.split())
            assert "{" not in phrase
            assert "|" not in phrase
            scripts = {unicodedata.name(letter).split()[0] for letter in phrase if letter.isalpha()}
            assert scripts == ({"ARABIC"} if language == "ar" else {"LATIN"})
            # No vowel marks: neither short vowels nor case endings.
            assert not [letter for letter in phrase if unicodedata.combining(letter) and language == "ar"]


def test_arabic_articles() -> None:
    # The form with the article begins with it, or is a genitive whose last word has it.
    for name, forms in NOUN_FORMS.items():
        noun = read_noun(forms[1])
        words = noun.definite.split()
        assert any(word.startswith("ال") for word in words), name
        assert not noun.singular.startswith("ال"), name
        adjective_with_article = words[0].startswith("ال") and all(
            word.startswith("ال") for word in words if word != "غير" and word != "فان"
        )
        genitive = not words[0].startswith("ال") and words[-1].startswith("ال")
        assert adjective_with_article or genitive, name


def test_french_and_italian_articles_fit_their_nouns() -> None:
    for name, forms in NOUN_FORMS.items():
        french, italian = read_noun(forms[2]), read_noun(forms[3])
        if french.plural:
            assert french.definite == f"les {french.plural}", name
        else:
            elided = french.singular[0] in "aeiouhéê"
            article = "l'" if elided else "la " if french.gender == "f" else "le "
            assert french.definite == article + french.singular, name
        base = italian.plural or italian.singular
        vowel, impure = (
            base[0] in "aeiou",
            base.startswith(("z", "gn", "ps", "x", "y")) or (base[0] == "s" and base[1] not in "aeiou"),
        )
        if italian.plural:
            article = "le " if italian.gender == "f" else "gli " if vowel or impure else "i "
        else:
            article = "l'" if vowel else "la " if italian.gender == "f" else "lo " if impure else "il "
        assert italian.definite == article + base, name


def test_the_tables_are_whole() -> None:
    for forms in (*NOUN_FORMS.values(), *RELATION_FORMS.values()):
        assert len(forms) == len(LANGUAGES)
    for name, forms in RELATION_FORMS.items():
        for position, words in enumerate(forms):
            if "{}" in words:
                assert len(PARTICIPLES[name.split()[0]][position - 1].split("|")) == 4


def test_a_noun_of_ones_own() -> None:
    own = {"vineyard": {"en": "vineyard|vineyards|the vineyards", "fr": "vigne|vignes|les vignes|f"}}
    said = phrases("vineyard", "along the road", nouns=own)
    assert said == {
        "en": ("vineyard along the road", "vineyards along the road", "the vineyards along the road"),
        "fr": ("vigne le long de la route", "vignes le long de la route", "les vignes le long de la route"),
    }
    assert phrases("marsh") == {"en": ("marsh",)}


@pytest.mark.parametrize("text", ["", "|plural", "a|b|c|x", "a|b|c|f|e"])
def test_another_notation_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a noun"):
        read_noun(text)


@pytest.mark.parametrize(("category", "relation"), SAID)
def test_phrases_can_be_read_back(category: str, relation: str) -> None:
    for phrase in phrases(category, relation)["en"]:
        parsed = parse_phrase(phrase)
        assert f"{parsed.attribute} {parsed.category}".strip() == category, phrase
        assert parsed.relation == relation
