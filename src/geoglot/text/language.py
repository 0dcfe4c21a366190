"""Which of the four languages a query is written in.

Arabic is told by its script. English, French and Italian are told by function words, by what aerial pictures show, and
by letter patterns that are frequent in one and rare in the others; short queries that carry no evidence count as
English.
"""

from __future__ import annotations

import re
from typing import Final

from geoglot.text.landscape_words import LANDSCAPE_WORDS

LANGUAGES: Final = ("en", "ar", "fr", "it")
"""Language codes (ISO 639-1) that the shipped model speaks."""

_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(
        "a an the of and with in on at by is are there some many several two three beside near next to between from "
        "its this that it around surrounded".split()
    ),
    "fr": frozenset(
        "un une des le la les l d de du et avec dans sur à au aux est sont il y plusieurs deux trois près proche "
        "entre cette ce ces par pour en beaucoup quelques côté autour entouré entourée d'un d'une".split()
    ),
    "it": frozenset(
        "un uno una dei degli delle il lo la i gli le di a ad al alla del della "
        "dello e con in nel nella su sul sulla da dal è sono "
        "ci c molti molte diversi diverse due tre vicino accanto tra fra questo questa alcuni alcune intorno".split()
    ),
}
_ENDINGS: Final[dict[str, re.Pattern[str]]] = {
    "en": re.compile(r"(ing|ed|th|ly|ght|ck|wn|sh|ial|ean)$|w|^th|y$|ea"),
    "fr": re.compile(r"(eau|eaux|aux|ent|eux|euse|que|ée|és|ées|oir|age|ment|oire|elle|tte)$|[çœêûîèàù]|ou"),
    "it": re.compile(r"(zione|zioni|ello|elli|ezza|aggio|aggi|etto|etti|ato|ata|ati|ate|oni|one|io|ia)$|cch|gli|[io]$"),
}
_ARABIC = re.compile("[\u0600-\u06ff]")
_LETTERS = re.compile(r"[^\W\d_]+")


def detect(text: str) -> str:
    """The language code of a text: ``"en"``, ``"ar"``, ``"fr"`` or ``"it"``.

    Example:
        >>> detect("a harbour with boats"), detect("ميناء فيه قوارب")
        ('en', 'ar')
        >>> detect("un port avec des bateaux"), detect("un porto con barche")
        ('fr', 'it')
        >>> detect("houses"), detect("maisons"), detect("case")
        ('en', 'fr', 'it')
    """
    if _ARABIC.search(text):
        return "ar"
    words = [w.lower() for w in _LETTERS.findall(text.replace("’", "'"))]
    evidence = {
        language: sum(
            2.0 * (w in _WORDS[language])
            + 1.5 * (w in LANDSCAPE_WORDS[language])
            + 0.5 * (len(w) > 2 and bool(_ENDINGS[language].search(w)))
            for w in words
        )
        for language in ("en", "fr", "it")
    }
    return max(evidence, key=lambda language: evidence[language])
