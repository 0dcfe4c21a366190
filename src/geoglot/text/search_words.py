"""Words as a search in captions compares them: one spelling, one form.

On top of :func:`geoglot.text.normalise.normalise` (case, accents, Arabic letters) endings that tell number and gender
are cut, and so is the Arabic article. That is done without knowing the language, so that one rule serves captions and
queries alike; it maps a few different words to one form (``plan`` and ``plane``), never one word to two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from geoglot.core.errors import UsageError
from geoglot.text.normalise import normalise
from geoglot.text.words import FUNCTION_WORDS

_ARABIC = re.compile("[\u0600-\u06ff]")
_ARTICLES: Final = ("وال", "بال", "كال", "فال", "ولل", "لل", "ال")
_ARABIC_ENDINGS: Final = ("ات", "ه")
_LEFT_OUT: Final = frozenset(
    [word for text in FUNCTION_WORDS for word in normalise(text).split()]
    + normalise(
        "un une des de du d le la les l et avec dans sur au aux est sont il y pres par pour en "
        "uno una dei degli delle il lo i gli di ad al alla del della dello e con nel nella su sul sulla da dal ci "
        "في من على الى عند مع بين و"
    ).split()
)
"""Words that carry grammar: a query need not find them."""
_PIECE = re.compile(r'(?P<minus>-?)(?:"(?P<quoted>[^"]*)"|(?P<word>\S+))')


def search_key(word: str) -> str:
    """The form of one normalised word.

    Example:
        >>> [search_key(word) for word in ("courts", "court", "churches", "church", "cities", "city")]
        ['court', 'court', 'church', 'church', 'citi', 'citi']
        >>> [search_key(word) for word in ("bateaux", "bateau", "campi", "campo", "piscines", "piscine")]
        ['bateau', 'bateau', 'camp', 'camp', 'piscin', 'piscin']
        >>> search_key("التنس") == search_key("تنس"), search_key("طايرات") == search_key("طايره")
        (True, True)
    """
    if _ARABIC.search(word):
        for article in _ARTICLES:
            if word.startswith(article) and len(word) - len(article) >= 3:
                word = word[len(article) :]
                break
        for ending in _ARABIC_ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= 3:
                return word[: -len(ending)]
        return word
    if len(word) > 3 and word[-1] in "sx" and word[-2] != "s":
        word = word[:-1]
    if len(word) > 3 and word[-1] in "aeio":
        word = word[:-1]
    return f"{word[:-1]}i" if len(word) > 3 and word[-1] == "y" else word


def search_keys(text: str) -> list[str]:
    """The forms of all words of a text.

    Example:
        >>> search_keys("Two tennis courts, près d'une forêt.")
        ['two', 'tenn', 'court', 'pre', 'd', 'une', 'foret']
    """
    return [search_key(word) for word in normalise(text).split()]


@dataclass(frozen=True, kw_only=True)
class WordQuery:
    """What a caption must say and must not say.

    Attributes:
        wanted: Phrases, each a run of forms; every one must be there.
        texts: The wanted phrases as they were written.
        unwanted: Phrases that must not be there.
        plain: All wanted words as they were written, those that only carry grammar, too.
    """

    wanted: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...]
    unwanted: tuple[tuple[str, ...], ...]
    plain: str

    def fits(self, text: str) -> bool:
        """Whether a text says what is wanted.

        Example:
            >>> word_query('"tennis court"').fits("Two tennis courts.")
            True
            >>> word_query("court -tennis").fits("a tennis court")
            False
        """
        keys = search_keys(text)

        def holds(phrase: tuple[str, ...]) -> bool:
            return any(tuple(keys[start : start + len(phrase)]) == phrase for start in range(len(keys)))

        return all(map(holds, self.wanted)) and not any(map(holds, self.unwanted))

    def as_fts(self) -> str:
        """The query in the language of SQLite's full-text search.

        Example:
            >>> word_query('planes "tennis court" -sea').as_fts()
            '"plan" AND "tenn court" NOT "sea"'
        """
        wanted = " AND ".join(f'"{" ".join(phrase)}"' for phrase in self.wanted)
        return wanted + "".join(f' NOT "{" ".join(phrase)}"' for phrase in self.unwanted)


def word_query(written: str) -> WordQuery:
    """Read words, ``"phrases in quotes"`` and ``-words`` that must not be there.

    Words that only carry grammar are left out, unless they stand in quotes or there is nothing else.

    Raises:
        UsageError: Nothing is asked for.

    Example:
        >>> word_query("a plane at the terminal").wanted
        (('plan',), ('terminal',))
    """
    wanted: dict[tuple[str, ...], tuple[str, bool]] = {}
    unwanted: list[tuple[str, ...]] = []
    plain: list[str] = []
    for piece in _PIECE.finditer(written.translate(str.maketrans("“”«»", '""""'))):
        text = piece["quoted"] if piece["quoted"] is not None else piece["word"]
        words = normalise(text).split()
        if not words:
            continue
        keys = tuple(search_key(word) for word in words)
        if piece["minus"]:
            unwanted.append(keys)
            continue
        plain.append(text.strip())
        if piece["quoted"] is not None:
            wanted.setdefault(keys, (text.strip(), True))
        else:  # "d'une" is two words, found side by side or not
            for key, word in zip(keys, words, strict=True):
                wanted.setdefault((key,), (word, word not in _LEFT_OUT))
    kept = {phrase: shown for phrase, (shown, counts) in wanted.items() if counts}
    kept = kept or {phrase: shown for phrase, (shown, _) in wanted.items()}
    if not kept:
        raise UsageError(repr(written), cause="has no word that a caption could say", remedy="give a word or two")
    return WordQuery(wanted=tuple(kept), texts=tuple(kept.values()), unwanted=tuple(unwanted), plain=" ".join(plain))
