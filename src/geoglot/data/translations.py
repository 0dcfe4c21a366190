"""The captions in Arabic, French and Italian: a table from an English caption to its translations.

The table is ``captions_multilingual.tsv.gz`` in the data folder: tab separated, a header line ``en ar fr it``,
UTF-8, one row per distinct caption. Its key column ``en`` is the normalised caption, see :func:`normalised_key`. A
dataset may bring a table of its own, of the same name in its own folder.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoglot.core.errors import DataError, UsageError
from geoglot.data.location import data_root

FILE_NAME = "captions_multilingual.tsv.gz"
LANGUAGES = ("en", "ar", "fr", "it")


def normalised_key(caption: str) -> str:
    """Lower case, every character but a-z, 0-9 and space made a space, runs of spaces made one, trimmed.

    Example:
        >>> normalised_key("Two tanks  at the water’s edge .")
        'two tanks at the water s edge'
        >>> normalised_key(" . ")
        ''
    """
    return " ".join(re.sub(r"[^a-z0-9 ]", " ", caption.lower()).split())


@dataclass(frozen=True, kw_only=True)
class TranslatedCaptions:
    """Captions in one language, in the order asked for.

    Attributes:
        language: Two-letter code.
        texts: One per caption; ``None`` where the table has no translation.
    """

    language: str
    texts: tuple[str | None, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Indices of the captions that have no translation."""
        return tuple(index for index, text in enumerate(self.texts) if text is None)


@dataclass(frozen=True)
class Translations:
    """The table in memory.

    Args:
        by_key: For every language but English, from normalised key to text.

    Example:
        >>> table = Translations({"fr": {"a river": "une rivière"}})
        >>> table.translate("A river .", "fr"), table.translate("a lake", "fr"), table.translate("A river .", "en")
        ('une rivière', None, 'A river .')
    """

    by_key: Mapping[str, Mapping[str, str]]

    @property
    def languages(self) -> tuple[str, ...]:
        """English first, then the table's."""
        return ("en", *self.by_key)

    def translate(self, caption: str, language: str) -> str | None:
        """The caption in a language; ``None`` where the table has no row for it. English is returned as it is.

        Raises:
            UsageError: The table does not hold this language.
        """
        if language == "en":
            return caption
        if language not in self.by_key:
            raise UsageError(language, cause="is no language here", remedy=f"choose one of {', '.join(self.languages)}")
        return self.by_key[language].get(normalised_key(caption))

    def translate_all(self, captions: Sequence[str], language: str) -> TranslatedCaptions:
        """All captions in a language, with the misses marked.

        Raises:
            UsageError: The table does not hold this language.
        """
        return TranslatedCaptions(language=language, texts=tuple(self.translate(c, language) for c in captions))


def load_translations(root: str | Path | None = None) -> Translations:
    """Read the tables from the data folder: the one for all, and those that datasets bring.

    Where two hold the same caption, the table for all is believed.

    Args:
        root: Folder that holds the tables; ``None`` asks the variable ``GEOGLOT_DATA``.

    Raises:
        DataError: There is none, or one is damaged.
    """
    folder = data_root(root)
    path = folder / FILE_NAME
    found = [*sorted(folder.glob(f"*/{FILE_NAME}")), *([path] if path.is_file() else [])]
    if not found:
        raise DataError(
            path, cause="is absent", remedy="put the table of translated captions there, or ask for en only"
        )
    together: dict[str, dict[str, str]] = {}
    for table in found:
        for language, texts in _read_table(table).items():
            together.setdefault(language, {}).update(texts)
    return Translations(together)


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    """By language, from normalised key to text."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    except (OSError, EOFError, ValueError) as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="copy it again") from error
    header = lines[0].split("\t")
    if header[0] != "en" or len(set(header)) != len(header):
        cause = f"begins with {lines[0][:60]!r}, not with the header en, ar, fr, it"
        raise DataError(path, cause=cause, remedy="copy it again")
    by_key: dict[str, dict[str, str]] = {language: {} for language in header[1:]}
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        key, *texts = line.split("\t")
        if len(texts) != len(by_key) or key != normalised_key(key):
            raise DataError(f"{path}, line {number}", cause="is not a row of the table", remedy="copy it again")
        for language, text in zip(by_key, texts, strict=True):
            if text.strip():
                by_key[language][key] = text.strip()
    return by_key


def write_translations(rows: Mapping[str, Mapping[str, str]], path: Path) -> Path:
    """Write a table that :func:`load_translations` reads.

    Args:
        rows: By English caption, its text in every other language.
        path: The file, named :data:`FILE_NAME`.
    """
    by_key = {normalised_key(caption): texts for caption, texts in rows.items()}
    lines = [[key, *(texts[language] for language in LANGUAGES[1:])] for key, texts in by_key.items()]
    text = "\n".join("\t".join(line) for line in [list(LANGUAGES), *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    return path
