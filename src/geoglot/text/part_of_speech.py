"""Nouns and adjectives of captions about aerial images: a small tagger that needs neither a download nor a model file.

Two steps, in the manner of Brill: a first tag for each word, from a list or its ending, then corrections by its
neighbours. The lists hold the closed classes (articles, prepositions, pronouns ...) and the verbs, adverbs and
adjectives that captions of aerial images use. Every other word is taken for a noun.

That default suits these captions, where nearly all unlisted words are things, and it does not suit free English text.
For other texts give :func:`lexicon_tagger`, which reads the lexicon of 94,000 words of the package TextBlob. Words of
quantity (many, several, other ...) are determiners here and adjectives there.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Final, Literal

from geoglot.core.errors import UsageError

Tag = Literal["noun", "adjective", "verb", "adverb", "number", "other"]
Tagger = Callable[[Sequence[str]], list[Tag]]

_DETERMINERS = frozenset(
    (
        "a an the this that these those some any each every both all another either neither no such same other others "
        "my your his its our their one's few many much several more most less least lots losts plenty enough"
    ).split()
)
_OTHER = _DETERMINERS | frozenset(
    (
        "i you he she it we they me him her us them itself themselves who whom which what whose ones something nothing "
        "there here 's n't 'd 'll 're 've 'm s "
        "and or but nor so if than then as because while until when where why how though although whether "
        "at by for from in into inside of off on onto out outside over to under up down with within without about "
        "between through throughout during before after above below against along alongside among amongst across "
        "around behind beside besides beneath beyond near nearby next opposite past per since toward towards upon via "
        "amid except like plus not can could may might must shall should will would"
    ).split()
)
_NUMBERS = frozenset(
    (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty hundred thousand million dozen dozens"
    ).split()
)
_BE = frozenset("am is are was were be been being".split())
_VERBS = _BE | frozenset(
    (
        "do does did done has have had stand stands stood lie lies lay lays lying sit sits sat seem seems surround "
        "surrounds cross crosses go goes went gone run runs ran see sees saw seen contain contains consist consists "
        "constitute constitutes compose composes comprise comprises include includes own owns occupy occupies cover "
        "covers pass passes flow flows flourish flourishes grow grows grew grown connect connects separate separates "
        "divide divides distribute distributes arrange arranges locate locates built made lit become becomes stretch "
        "stretches extend extends reach reaches get gets got take takes took taken make makes give gives keep keeps "
        "kept leave leaves come comes came lead leads led hang hangs hung beat beats hit hits slap slaps throw throws "
        "threw thrown cast casts melt melts meet meets met join joins span spans wind winds bend bends curve enclose "
        "encloses face faces fill fills split splits set put shine shines spread spreads wear worn broken drawn "
        "driven hidden shown known sunk"
    ).split()
)
_PLURAL_DOES = frozenset("line form park show border dock fringe circle ring cross face cover flow separate".split())
"""Verbs after a plural noun and before a determiner (trees line the road), else nouns or what the lists say."""
_SINGULAR_DOES = frozenset("lines forms parks shows borders docks tracks bridges rings".split())
_ADVERBS = frozenset(
    (
        "very quite too also only just together well almost away apart aside abreast back forward even still again "
        "always often never alone rather diagonally else once around ahead"
    ).split()
)
_ADJECTIVES = frozenset(
    (
        "big bare dense green large small smaller little tiny great huge vast massive main major new old ancient "
        "modern long longer short wide wider broad narrow tall high higher low thick thin deep shallow flat uneven "
        "rough smooth soft hard steep rugged open close full empty abandoned idle mixed compact complicated simple "
        "complex different similar various diverse uniform special unique single double triple parallel vertical "
        "horizontal diagonal oval round circular square rectangular triangular hexagonal pentagonal polygonal curved "
        "straight crooked curly irregular regular symmetrical neat tidy orderly messy crowded busy bustling quiet "
        "peaceful desolate prosperous commercial industrial residential rural urban mobile medium sparse healthy lush "
        "luxuriant verdant withered wilted wild arid dry wet muddy sandy snowy rocky grassy hilly leafy turbid clear "
        "clean dirty bright dark light pale colorful colourful red blue white black yellow brown gray grey orange pink "
        "purple golden silver khaki beige emerald crystal atrovirens beautiful lovely lively ordinary common free "
        "fanned roofed manicured multilevel exquisite spectacular artificial natural violent left right central whole "
        "half upper lower northern southern eastern western tropical sparkling striped streamlined corrugated squared"
    ).split()
)
_ADJECTIVE_ENDINGS = ("ous", "ful", "less", "ish", "ical", "ular", "-shaped", "-sized", "-colored", "-coloured")
_ING_NOUNS = frozenset(
    "parking building swimming landing housing teaching sailing crossing clearing ring spring wing string thing".split()
)
_COLOURS = re.compile("(?:(?:light|dark|deep|bluish|greenish|red|blue|white|green|grey|gray|yellow|brown|black)-?)+")


def part_of_speech(words: Sequence[str]) -> list[Tag]:
    """One tag per word of a sentence.

    Args:
        words: Words as :func:`geoglot.text.ptb.caption_words` makes them.

    Example:
        >>> part_of_speech("many green trees are planted beside a crowded parking lot".split())
        ['other', 'adjective', 'noun', 'verb', 'verb', 'other', 'other', 'adjective', 'noun', 'noun']
    """
    first = [_by_itself(word) for word in words]
    padded: list[Tag] = ["other", *first, "other"]
    spelled = ["", *words, ""]
    return [_in_context(spelled[place - 1 : place + 2], padded[place - 1 : place + 2]) for place in _places(words)]


def lexicon_tagger() -> Tagger:
    """The tagger of TextBlob, for text of any subject: a lexicon and rules in text files of the package.

    Raises:
        UsageError: TextBlob is not installed.
    """
    try:
        tag = importlib.import_module("textblob.en").tag
    except ImportError as error:
        raise UsageError("the lexicon tagger", cause="needs textblob", remedy="pip install textblob") from error

    def tagger(words: Sequence[str]) -> list[Tag]:
        if not words:
            return []
        return [_PENN.get(penn[:2], "other") for _, penn in tag(" ".join(words), tokenize=False)]

    return tagger


_PENN: Final[dict[str, Tag]] = {"NN": "noun", "JJ": "adjective", "VB": "verb", "RB": "adverb", "CD": "number"}


def _places(words: Sequence[str]) -> range:
    return range(1, len(words) + 1)


def _by_itself(word: str) -> Tag:
    if word[:1].isdigit() or word in _NUMBERS:
        return "number"
    if word in _OTHER or not word[:1].isalpha():
        return "other"
    if word in _VERBS:
        return "verb"
    if word in _ADJECTIVES or word.endswith(_ADJECTIVE_ENDINGS) or _COLOURS.fullmatch(word):
        return "adjective"
    if word in _ADVERBS or (word.endswith("ly") and len(word) > 4):
        return "adverb"
    if word in _ING_NOUNS or not word.endswith(("ing", "ed")) or len(word) <= 4:
        return "noun"
    return "verb"


def _in_context(words: Sequence[str], tags: Sequence[Tag]) -> Tag:
    """The tag of the middle of three words."""
    (before, word, after), (tag_before, tag, tag_after) = words, tags
    opens = before in _DETERMINERS or tag_before in ("number", "adjective")
    plural_before = tag_before == "noun" and before.endswith("s")
    if word == "lot":
        return "other" if before == "a" and after == "of" else "noun"
    if word == "round" and after in _DETERMINERS:
        return "other"
    if word in _PLURAL_DOES and not opens and plural_before and after in _DETERMINERS:
        return "verb"
    if word in _SINGULAR_DOES and not opens and tag_before == "noun" and not plural_before and after in _DETERMINERS:
        return "verb"
    if word in _ING_NOUNS and before in _BE and tag_after != "noun":
        return "verb"
    if tag == "verb" and tag_after == "noun" and word.endswith(("ed", "ing")) and (opens or tag_before == "other"):
        return "adjective" if word.endswith("ed") else "noun"
    if tag == "verb" and opens and tag_after != "noun" and not word.endswith(("ed", "ing")) and word not in _BE:
        return "noun"
    return tag
