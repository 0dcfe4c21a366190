"""Nouns, attributes and relations in four languages, and the phrases they make.

The first wording of a phrase is the paper's form, a bare singular ("building along the road"); the others say the same
in the plural, with and without an article. Arabic is written without vowel marks and case endings; a participle takes
the article where its noun has one, and the plural of things agrees as a feminine singular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

LANGUAGES: Final = ("en", "ar", "fr", "it")
Gender = Literal["m", "f"]


@dataclass(frozen=True)
class Noun:
    """A noun (with its attribute) in one language.

    Attributes:
        singular: Without an article; the only form of what is not counted.
        plural: Without an article; empty for what is not counted.
        definite: With the article, plural where there is one.
        gender: ``m`` or ``f``; ``m`` where the language has none.
    """

    singular: str
    plural: str
    definite: str
    gender: Gender


def _noun(text: str) -> Noun:
    singular, plural, definite, gender = text.split("|")
    return Noun(singular, plural, definite, "f" if gender == "f" else "m")


_NOUN_TABLE: Final = {
    "water": ("water||the water|m", "مياه||المياه|f", "eau||l'eau|f", "acqua||l'acqua|f"),
    "bare land": (
        "bare land||the bare land|m",
        "أرض جرداء|أراض جرداء|الأراضي الجرداء|f",
        "terrain nu|terrains nus|les terrains nus|m",
        "terreno spoglio|terreni spogli|i terreni spogli|m",
    ),
    "road": ("road|roads|the roads|m", "طريق|طرق|الطرق|m", "route|routes|les routes|f", "strada|strade|le strade|f"),
    "building": (
        "building|buildings|the buildings|m",
        "مبنى|مبان|المباني|m",
        "bâtiment|bâtiments|les bâtiments|m",
        "edificio|edifici|gli edifici|m",
    ),
    "vegetation": (
        "vegetation||the vegetation|m",
        "غطاء نباتي||الغطاء النباتي|m",
        "végétation||la végétation|f",
        "vegetazione||la vegetazione|f",
    ),
}
NOUNS: Final[dict[str, dict[str, Noun]]] = {
    name: {language: _noun(form) for language, form in zip(LANGUAGES, forms, strict=True)}
    for name, forms in _NOUN_TABLE.items()
}

# Participles have four forms, masculine and feminine, singular and plural; the Arabic ones are singular without and
# with the article: masculine, feminine, definite masculine, definite feminine.
_SURROUNDED: Final = ("surrounded", "محاط|محاطة|المحاط|المحاطة", "entouré|entourée|entourés|entourées",
                      "circondato|circondata|circondati|circondate")  # fmt: skip
_RELATION_TABLE: Final = {
    "along the road": ("along the road", "على طول الطريق", "le long de la route", "lungo la strada"),
    "by the water": ("by the water", "بجانب المياه", "au bord de l'eau", "vicino all'acqua"),
    "surrounded by building": ("{} by buildings", "{} بالمباني", "{} de bâtiments", "{} da edifici"),
    "surrounded by vegetation": ("{} by vegetation", "{} بالغطاء النباتي", "{} de végétation", "{} da vegetazione"),
    "surrounded by bare land": ("{} by bare land", "{} بأرض جرداء", "{} de terrains nus", "{} da terreni spogli"),
    "surrounded by water": ("{} by water", "{} بالمياه", "{} d'eau", "{} dall'acqua"),
}
RELATIONS: Final[dict[str, dict[str, str]]] = {
    name: dict(zip(LANGUAGES, forms, strict=True)) for name, forms in _RELATION_TABLE.items()
}


def wordings(language: str, noun: Noun, relation: str = "", *, participle: str = "") -> tuple[str, ...]:
    """The ways to say a noun with a relation, the paper's form first.

    Args:
        language: One of ``LANGUAGES``.
        noun: In that language.
        relation: Words of the relation in that language; ``{}`` stands for the participle.
        participle: Its forms, separated by ``|``.

    Example:
        >>> wordings("fr", NOUNS["building"]["fr"], "le long de la route")[0]
        'bâtiment le long de la route'
    """
    written = []
    for form, plural, definite in (
        (noun.singular, False, False),
        (noun.plural, True, False),
        (noun.definite, bool(noun.plural), True),
    ):
        if form:
            agreed = _agreed(language, participle, noun.gender, plural=plural, definite=definite) if participle else ""
            written.append(f"{form} {relation.format(agreed)}".strip())
    return tuple(dict.fromkeys(written))


def _agreed(language: str, participle: str, gender: Gender, *, plural: bool, definite: bool) -> str:
    forms = participle.split("|")
    if len(forms) == 1:
        return forms[0]
    feminine = gender == "f"
    if language == "ar":  # the plural of things is feminine singular
        return forms[2 * definite + (feminine or plural)]
    return forms[2 * plural + feminine]


def phrases(category: str, relation: str = "") -> dict[str, tuple[str, ...]]:
    """All wordings by language.

    Args:
        category: Attribute and noun, a key of ``NOUNS``.
        relation: A key of ``RELATIONS``, or empty.

    Example:
        >>> phrases("building", "along the road")["it"]
        ('edificio lungo la strada', 'edifici lungo la strada', 'gli edifici lungo la strada')
        >>> phrases("vegetation", "surrounded by building")["fr"][0]
        'végétation entourée de bâtiments'
    """
    written = {}
    for position, language in enumerate(LANGUAGES):
        words = RELATIONS[relation][language] if relation else ""
        participle = _SURROUNDED[position] if "{}" in words else ""
        written[language] = wordings(language, NOUNS[category][language], words, participle=participle)
    return written
