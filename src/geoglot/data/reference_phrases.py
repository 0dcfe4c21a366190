"""Phrases in four languages that say the same: a category with or without a relation.

The first wording is the form that the paper uses, a bare singular ("building along the road"); the others say the same
in the plural, and with the article. Arabic is written without vowel marks and case endings; a participle takes the
article where its noun has one, and the plural of things agrees as a feminine singular.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from geoglot.core.errors import UsageError
from geoglot.data.reference_words import NOUN_FORMS, PARTICIPLES, RELATION_FORMS

_ATTRIBUTES: Final = ("paved", "unpaved", "light-duty", "heavy-duty", "long")
LANGUAGES: Final = ("en", "ar", "fr", "it")
Gender = Literal["m", "f"]


@dataclass(frozen=True)
class Noun:
    """A noun (with its attribute) in one language.

    Attributes:
        singular: Without an article; the only form of what is not counted.
        plural: Without an article; empty for what is not counted.
        definite: With the article, plural where there is one; empty where it is not known.
        gender: ``m`` or ``f``; ``m`` where the language has none.
    """

    singular: str
    plural: str = ""
    definite: str = ""
    gender: Gender = "m"


def read_noun(text: str) -> Noun:
    """A noun in the notation ``singular|plural|with the article|gender``; what comes after the first may be missing.

    Raises:
        UsageError: There is no singular, there are more parts, or the gender is neither ``m`` nor ``f``.

    Example:
        >>> read_noun("eau||l'eau|f").gender
        'f'
        >>> read_noun("vineyard|vineyards").plural
        'vineyards'
    """
    parts = [part.strip() for part in text.split("|")]
    singular, plural, definite, gender = (*parts, "", "", "", "")[:4]
    if not singular or len(parts) > 4 or gender not in ("", "m", "f"):
        remedy = "write singular|plural|with the article|m or f, such as route|routes|les routes|f"
        raise UsageError(text, cause="is not a noun in this notation", remedy=remedy)
    return Noun(singular, plural, definite, "f" if gender == "f" else "m")


def phrases(
    category: str, relation: str = "", *, nouns: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """All wordings by language; languages in which the noun is not known are left out.

    Args:
        category: Attribute and noun, a key of the noun table.
        relation: A key of the relation table, or empty.
        nouns: Forms of nouns by category and language, which come before those of the table. A noun of neither is
            written as it is, in English.

    Example:
        >>> phrases("building", "along the road")["it"]
        ('edificio lungo la strada', 'edifici lungo la strada', 'gli edifici lungo la strada')
        >>> phrases("vegetation", "surrounded by building")["fr"]
        ('végétation entourée de bâtiments', 'la végétation entourée de bâtiments')
        >>> phrases("building", "surrounded by vegetation")["ar"][2]  # the participle has the article, too
        'المباني المحاطة بالغطاء النباتي'
        >>> phrases("vineyard", nouns={"vineyard": {"fr": "vigne|vignes|les vignes|f"}})
        {'en': ('vineyard',), 'fr': ('vigne', 'vignes', 'les vignes')}
    """
    table = dict(zip(LANGUAGES, NOUN_FORMS.get(category, ()), strict=False)) or {"en": category}
    forms = {**table, **(nouns or {}).get(category, {})}
    said: dict[str, tuple[str, ...]] = {
        language: _wordings(language, read_noun(forms[language]), relation)
        for language in LANGUAGES
        if language in forms
    }
    if relation:  # the paper's own words are English, too: "surrounded by building"
        literal = f"{read_noun(forms['en']).singular} {relation}"
        said["en"] = tuple(dict.fromkeys((*said["en"], literal)))
    return said


def _wordings(language: str, noun: Noun, relation: str) -> tuple[str, ...]:
    position = LANGUAGES.index(language)
    words = RELATION_FORMS[relation][position] if relation else ""
    agreeing = PARTICIPLES[relation.split()[0]][position - 1].split("|") if "{}" in words else []
    counted = bool(noun.plural)
    forms = ((noun.singular, False, False), (noun.plural, True, False), (noun.definite, counted, True))
    written = []
    for form, plural, definite in forms:
        if form:
            at = _agreement(language, noun.gender, plural=plural, definite=definite)
            written.append(f"{form} {words.format(agreeing[at]) if agreeing else words}".strip())
    return tuple(dict.fromkeys(written))


def _agreement(language: str, gender: Gender, *, plural: bool, definite: bool) -> int:
    """Which of the four forms of a participle goes with a noun."""
    if language == "ar":  # the plural of things is a feminine singular
        return 2 * definite + (gender == "f" or plural)
    return 2 * plural + (gender == "f")


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """An English phrase in its parts; empty where it has none.

    Attributes:
        category: The noun.
        attribute: What narrows it.
        relation: The spatial relation, under its name in the rule table.
    """

    category: str = ""
    attribute: str = ""
    relation: str = ""

    @property
    def template(self) -> str:
        """Which template the phrase fills; empty for a phrase that is not of this grammar."""
        words = [word for word, there in (("attribute", self.attribute), ("category", self.category),
                                          ("relation", self.relation)) if there]  # fmt: skip
        return "+".join(words) if self.category else ""


def parse_phrase(phrase: str) -> Parsed:
    """The parts of an English phrase of the paper's grammar.

    Example:
        >>> parse_phrase("light-duty vehicle in the parking area")
        Parsed(category='vehicle', attribute='light-duty', relation='in the parking area')
        >>> parse_phrase("The roads").template, parse_phrase("a red thing").template
        ('category', '')
    """
    rest = re.sub(r"^(?:the|a|an) ", "", " ".join(phrase.lower().split()).rstrip("."))
    relation = ""
    for words, name in _relation_words():
        if rest.endswith(f" {words}"):
            rest, relation = rest.removesuffix(f" {words}"), name
            break
    attribute = next((word for word in _ATTRIBUTES if rest.startswith(f"{word} ")), "")
    noun = _noun_words().get(rest.removeprefix(attribute).strip())
    return Parsed(category=noun, attribute=attribute, relation=relation) if noun else Parsed()


@cache
def _relation_words() -> tuple[tuple[str, str], ...]:
    """English words and names of the relations, the longest words first."""
    pairs = {(words, name) for name, forms in RELATION_FORMS.items() for words in (name, forms[0])}
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair)))


@cache
def _noun_words() -> dict[str, str]:
    """From English singulars and plurals to nouns without an attribute."""
    nouns = {name: read_noun(forms[0]) for name, forms in NOUN_FORMS.items() if name.split()[0] not in _ATTRIBUTES}
    return {form: name for name, noun in nouns.items() for form in (noun.singular, noun.plural) if form}
