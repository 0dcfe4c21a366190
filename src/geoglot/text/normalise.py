"""One spelling for the words of four languages.

Queries and captions are brought to the same form before they are split into sub-words: compatibility characters are
unified, letters lower-cased, Latin accents and Arabic vowel marks dropped, and the Arabic letters that writers
exchange freely (hamza seats, final ya and ta marbuta) reduced to one each.
"""

from __future__ import annotations

import re
import unicodedata

_ARABIC_MARKS = re.compile("[\u064b-\u065f\u0670\u0640]")
_ARABIC_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي"})
_ARABIC_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")
_NOT_WORD = re.compile(r"[^\w ]+")
_SPACES = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Lower-case text without accents, vowel marks or punctuation, single-spaced. Idempotent.

    Example:
        >>> normalise("Plusieurs  Bâtiments, près d'une forêt.")
        'plusieurs batiments pres d une foret'
        >>> normalise("طائرةٌ كبيرة")
        'طايره كبيره'
    """
    text = unicodedata.normalize("NFKC", text).lower()
    text = _ARABIC_MARKS.sub("", text).translate(_ARABIC_LETTERS).translate(_ARABIC_DIGITS)
    decomposed = unicodedata.normalize("NFD", text)
    text = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _SPACES.sub(" ", _NOT_WORD.sub(" ", text).replace("_", " ")).strip()
