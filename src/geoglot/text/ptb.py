"""A caption as the words that caption measures compare: Penn Treebank style, lower case, without punctuation.

Contractions part into their words (``don't`` -> ``do n't``, ``river's`` -> ``river 's``), hyphenated words and numbers
with a separator stay whole, marks at a word's edge are dropped. The tokenizer of the public caption evaluation does the
same to sentences of this kind, which is what makes scores comparable.
"""

from __future__ import annotations

import re
import unicodedata

_CONTRACTION = re.compile(r"^(?P<stem>.+?)(?P<rest>n't|'(?:s|re|ve|ll|d|m))$")
_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?\b"  # 3, 1,093, 0.5, 2nd
    r"|[^\W_]+(?:['’-][^\W_]+)*"  # words, joined by hyphen or apostrophe
    r"|[%&$€£+=@#<>°]"
)


def caption_words(caption: str) -> list[str]:
    """The words of a caption.

    Args:
        caption: A sentence in any of the four languages.

    Returns:
        Lower-case words in their order; empty for a caption without a word.

    Example:
        >>> caption_words("Two medium-sized tanks, near the river's bend .")
        ['two', 'medium-sized', 'tanks', 'near', 'the', 'river', "'s", 'bend']
        >>> caption_words(" . ")
        []
    """
    text = unicodedata.normalize("NFC", caption).lower().replace("’", "'")
    words: list[str] = []
    for token in _TOKEN.findall(text):
        parts = _CONTRACTION.match(token)
        words.extend((parts["stem"], parts["rest"]) if parts else (token,))
    return words
