"""Text from outside, made safe to show: a file name must not move a cursor or pose as another name."""

from __future__ import annotations

from html import escape


def printable(text: str) -> str:
    r"""The text with control characters, terminal escapes and direction overrides made visible.

    Example:
        >>> printable("a\x1b[2Jb\u202egpj.tif")
        'a\\x1b[2Jb\\u202egpj.tif'
        >>> printable("طائرات à côté")
        'طائرات à côté'
    """
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def in_html(value: object) -> str:
    r"""The value as text that is safe in HTML, in attributes too.

    Example:
        >>> in_html('<b> "x" \x1b')
        '&lt;b&gt; &quot;x&quot; \\x1b'
    """
    return escape(printable(str(value)), quote=True)
