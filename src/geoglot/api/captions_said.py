"""What the captions of an archive say: tiles that say something, and the caption that a hit shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geoglot.core.errors import UsageError
from geoglot.core.records import Hit

if TYPE_CHECKING:
    from geoglot.archive.filter import Filter
    from geoglot.archive.words import WordIndex
    from geoglot.text.search_words import WordQuery


def saying(
    index: WordIndex | None, said: WordQuery, language: str | None, selection: Filter | None
) -> tuple[Filter, tuple[str, ...]]:
    """The selection narrowed to tiles whose caption says something; notes on what no caption says."""
    from geoglot.archive.filter import Filter

    if index is None:
        cause, remedy = "need captions, and this archive has none", "run 'geoglot caption --archive DIR' first"
        raise UsageError("words", cause=cause, remedy=remedy)
    if language is not None and language not in index.languages():
        cause = f"is no language of this archive's captions ({', '.join(index.languages())})"
        raise UsageError(f"language {language}", cause=cause, remedy="leave it out, or write captions in it")
    found = index.matching(said, () if language is None else (language,))
    unsaid = [text for phrase, text in zip(said.wanted, said.texts, strict=True) if not index.says(phrase)]
    notes = (f"no caption says {', '.join(unsaid)}",) if unsaid else ()
    return replace(selection or Filter(), ids=found), notes


def with_captions(
    index: WordIndex | None, hits: tuple[Hit, ...], language: str | None, said: WordQuery | None
) -> tuple[Hit, ...]:
    """Hits with captions: one that says what was asked for, in a language, else in English, else in any."""
    if index is None or not hits:
        return hits
    known = index.captions([bytes.fromhex(hit.id) for hit in hits])
    order = dict.fromkeys(one for one in (language, "en", *index.languages()) if one is not None)
    told = []
    for hit in hits:
        captions = known.get(bytes.fromhex(hit.id), {})
        there = [(captions[one].caption or "", one) for one in order if one in captions and captions[one].caption]
        if said is not None:
            there.sort(key=lambda pair: not said.fits(pair[0]))
        told.append(replace(hit, caption=there[0][0], caption_language=there[0][1]) if there else hit)
    return tuple(told)
