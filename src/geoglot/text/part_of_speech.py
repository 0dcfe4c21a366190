"""Nouns and adjectives of captions about aerial images: a small tagger that needs no download.

Three steps, in the manner of Brill: a word's first tag from a list or from its ending, then corrections by the words
around it. The lists are closed classes (articles, prepositions, pronouns ...) and the verbs, adverbs and adjectives that
captions of aerial images use; every other word is taken for a noun. That default is right for this domain and wrong for
free English text: the tagger is not meant for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Tag = Literal["noun", "adjective", "verb", "adverb", "number", "other"]

_OTHER = frozenset(
    (
        "a an the this that these those some any each every both all another either neither no such same other "
        "i you he she it we they me him her us them my your his its our their one's each's itself themselves "
        "who whom which what whose there here 's n't 'd 'll 're 've 'm "
        "and or but nor so if than then as because while until when where why how though although whether "
        "at by for from in into inside of off on onto out outside over to under up down with within without about "
        "between through throughout during before after above below against along alongside among amongst across "
        "around round behind beside besides beneath beyond near next nearby opposite past per since toward towards "
        "upon via amid except like plus "
        "few many much several more most less least lots lot couple plenty enough not can could may might must shall "
        "should will would"
    ).split()
)
_NUMBERS = frozenset(
    (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty hundred thousand million first second third fourth"
    ).split()
)
_VERBS = frozenset(
    (
        "am is are was were be been being do does did done has have had having "
        "stand stands lie lies lay lays sit sits seem seems surround surrounds cross crosses go goes run runs "
        "see seen contain contains consist consists show shows occupy occupies cover covers pass passes flow flows "
        "connect connects separate separates separated divide divides divided grow grows line lines parked located "
        "surrounded arranged covered planted built made placed situated scattered filled decorated lined seen shown "
        "become becomes look looks spread spreads stretch stretches extend extends get gets take takes make makes "
        "give gives keep keeps leave leaves come comes lead leads link links stop stops hang hangs form forms"
    ).split()
)
_ADVERBS = frozenset(
    (
        "very quite too also only just together closely neatly densely sparsely orderly randomly well almost "
        "respectively away apart back forward even still already again always often together alone about"
    ).split()
)
_ADJECTIVES = frozenset(
    (
        "big bare dense green large small long short wide narrow tall high low huge little tiny great main new old "
        "many-coloured red blue white black yellow brown gray grey dark light bright orange pink purple golden deep "
        "shallow clear turbid dry wet empty full open close similar different several neat tidy straight curved round "
        "circular square rectangular triangular oval irregular regular residential industrial commercial baseball-like "
        "medium sparse rural urban mobile modern beautiful lush luxuriant flat uneven rough smooth soft hard thick thin "
        "left right central whole half single double parallel vertical horizontal arid snowy sandy grassy rocky busy "
        "crowded messy colorful colourful grey-white simple complex special unique artificial natural ancient"
    ).split()
)
_ADJECTIVE_ENDINGS = ("ous", "ful", "less", "ish", "ical", "ular", "shaped", "sized", "colored", "coloured")
_ARTICLES = frozenset("a an the its their some many several few two three four five six".split())
_BE = frozenset("is are was were be been being".split())


def part_of_speech(words: Sequence[str]) -> list[Tag]:
    """One tag per word of a sentence.

    Args:
        words: Words as :func:`geoglot.text.ptb.caption_words` makes them.

    Example:
        >>> part_of_speech("many green trees are planted beside a parking lot".split())
        ['other', 'adjective', 'noun', 'verb', 'verb', 'other', 'other', 'noun', 'noun']
    """
    tags = [_first_tag(word) for word in words]
    for place in range(len(words)):
        tags[place] = _corrected(words, tags, place)
    return tags


def _first_tag(word: str) -> Tag:
    if word[:1].isdigit() or word in _NUMBERS:
        return "number"
    if word in _OTHER or not any(letter.isalpha() for letter in word):
        return "other"
    if word in _VERBS:
        return "verb"
    if word in _ADVERBS or (word.endswith("ly") and len(word) > 4):
        return "adverb"
    if word in _ADJECTIVES or word.endswith(_ADJECTIVE_ENDINGS):
        return "adjective"
    if word.endswith(("ing", "ed")) and len(word) > 4:
        return "verb"
    return "noun"


def _corrected(words: Sequence[str], tags: Sequence[Tag], place: int) -> Tag:
    before = words[place - 1] if place else ""
    after = tags[place + 1] if place + 1 < len(tags) else "other"
    if words[place] == "lot" and before in ("parking", "packing"):
        return "noun"
    if words[place] in ("parking", "building", "swimming", "landing", "playing") and after == "noun":
        return "noun"
    if words[place] in ("building", "buildings"):
        return "noun"
    if words[place] == "parking" and place + 1 < len(words) and words[place + 1] == "lot":
        return "noun"
    return tags[place]
