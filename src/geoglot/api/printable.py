"""Text from outside, made safe to show: a file name must not move a cursor or pose as another name."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with control characters, terminal escapes and direction overrides made visible.

    Example:
        >>> printable("a\x1b[2Jb\u202egpj.tif")
        'a\\x1b[2Jb\\u202egpj.tif'
        >>> printable("طائرات à côté")
        'طائرات à côté'
    """
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
