"""Phrases with words for places, sizes and neighbours: what is named, and rules for which of them are meant.

"The three largest buildings next to the river" names *buildings*; of those found, rules keep the ones near *river*,
and of these the three largest. A rule never guesses: words that are not understood stay in the name and go to the
model. A phrase of nothing but such words is left whole.

Reading, in all four languages:

- "in the north", "on the left", "in the upper right corner": most of a thing lies in that part of the picture.
- "the northern building", "the leftmost building": of one thing the outermost; of several ("northern buildings") those
  in that part. "central" and "in the middle" likewise.
- "the largest building": one; "the three largest": three; "the largest buildings": those of at least half the size of
  the largest; "the second largest": the second. "The longest" goes by length.
- "next to", "along", "in" and "on", "surrounded by", "far from", "north of" and the like, with a noun: the noun is
  looked for, too. What the noun's own words say ("next to the largest lake") is applied to it first.

Rules are applied in this order: neighbours, parts, sizes, outermost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, cast

from geoglot.core.position import Direction, Kind, ParsedPhrase, PositionRule
from geoglot.text.normalise import normalise
from geoglot.text.position_lexicon import counted, direction_named, lexicon, split

_ORDER: Final[tuple[Kind, ...]] = (
    "near",
    "along",
    "inside",
    "surrounded",
    "far",
    "toward",
    "part",
    "size",
    "outermost",
    "central",
)
_WITH_ANCHOR: Final = ("near", "along", "inside", "surrounded", "far", "toward")
_RANKING: Final = ("size", "outermost", "central")
_JOINED: Final = {"محاط": "ب", "مجاور": "ل", "محاذي": "ل", "تحيط": "ب", "يحيط": "ب"}
"""Arabic words (without article and feminine ending) whose preposition is written with the next word."""
_MARKS = re.compile("[\u064b-\u065f\u0670\u0640]")
_WORD = re.compile(r"[^\W_]+")
_MOST_COUNTED = 100
_MASS = {
    *("water", "vegetation", "grass", "land", "farmland", "forest", "sand", "soil", "snow", "eau", "vegetation"),
    *("herbe", "terrain", "foret", "sable", "acqua", "vegetazione", "erba", "terreno", "foresta", "sabbia"),
    *("مياه", "المياه", "ماء", "الماء", "غطاء", "الغطاء", "ارض", "الارض", "عشب", "العشب", "غابه", "الغابه", "رمل"),
}
_ENGLISH_SINGULAR = ("ss", "us", "is")
_ITALIAN_SINGULAR_E = ("ione", "ale", "ponte", "nave", "mare", "torre", "canale", "cortile", "fiume", "stazione")
_ARABIC_PLURALS = {
    *("مبان", "مباني", "المباني", "بيوت", "البيوت", "منازل", "المنازل", "طرق", "الطرق", "اشجار", "الاشجار", "سفن"),
    *("السفن", "قوارب", "القوارب", "ملاعب", "الملاعب", "مسابح", "المسابح", "انهار", "الانهار", "جسور", "الجسور"),
    *("حقول", "الحقول", "شوارع", "الشوارع", "مواقف", "المواقف", "مصانع", "المصانع", "برك", "البرك"),
}


def parse_phrase(text: str, language: str) -> ParsedPhrase:
    """Take the position words out of a phrase.

    Args:
        text: Any text.
        language: Its code.

    Example:
        >>> parsed = parse_phrase("the three largest buildings next to the river", "en")
        >>> parsed.core, [rule.words for rule in parsed.rules]
        ('buildings', ["near 'river'", 'the 3 largest'])
        >>> parse_phrase("les bâtiments au nord-est", "fr").rules[0].words
        'in the north-east'
        >>> parse_phrase("many planes beside the terminal", "en").names
        ('many planes', 'terminal')
    """
    clean = _MARKS.sub("", unicodedata.normalize("NFKC", text))
    parsed = _Parser(language, clean).phrase(_tokens(clean, language))
    if not parsed.core or not parsed.rules:
        return ParsedPhrase(text=text, core=text.strip())
    return replace(parsed, text=text)


@dataclass(frozen=True)
class _Token:
    written: str
    plain: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class _Patterns:
    """Regular expressions of a language over normalised words, each followed by a space."""

    articles: re.Pattern[str]
    toward: re.Pattern[str]
    outermost: re.Pattern[str]
    part: re.Pattern[str]
    beside: re.Pattern[str]
    centre: re.Pattern[str]
    central: re.Pattern[str]
    size: re.Pattern[str]
    relation: re.Pattern[str]
    picture: re.Pattern[str]
    of: re.Pattern[str]
    directions: dict[str, str]
    sizes: dict[str, str]
    relations: dict[str, str]
    numbers: dict[str, int]
    ordinals: dict[str, int]
    fillers: frozenset[str]
    singular: frozenset[str]
    plural: frozenset[str]


def _any(phrases: Iterable[str], name: str = "") -> str:
    """A group that matches one of some phrases; nothing where there are none."""
    ordered = sorted(phrases, key=lambda phrase: (-len(phrase.split()), -len(phrase)))
    inner = "|".join(f"{re.escape(phrase)} " for phrase in ordered) or "(?!)"
    return f"(?P<{name}>{inner})" if name else f"(?:{inner})"


def _by_phrase(table: dict[str, str]) -> dict[str, str]:
    return {phrase: key for key, phrases in table.items() for phrase in split(phrases)}


@lru_cache(maxsize=4)
def _patterns(language: str) -> _Patterns:
    words = lexicon(language)
    directions, beside = _by_phrase(words.directions), _by_phrase(words.adjectives)
    extremes, sizes, relations = _by_phrase(words.extremes), _by_phrase(words.sizes), _by_phrase(words.relations)
    numbers, ordinals = counted(words.numbers), counted(words.ordinals)
    where, part, picture = _any(directions, "where"), _any(split(words.parts)), _any(split(words.picture))
    within, article = _any(split(words.within)), _any(split(words.articles))
    number = f"(?P<number>{'|'.join([*(re.escape(word) for word in numbers), '[0-9]+'])}) "
    after = number.replace("<number>", "<number_after>")
    ordinal = f"(?P<ordinal>{'|'.join(re.escape(word) for word in ordinals)}|[0-9]+(?:st|nd|rd|th|eme|e|o|a)) "
    inner = f"(?:{part}(?:{_any(split(words.of))})?)?"
    tail = f"(?:{part})?(?:{picture})?"
    of, bare = _any(split(words.of)), _any(_by_phrase(words.toward), "bare")
    return _Patterns(
        articles=re.compile(article),
        toward=re.compile(f"(?:{within})?(?:{where}(?:{part})?{of}|{bare})"),
        outermost=re.compile(f"(?:{number})?(?:{_any(extremes, 'extreme')}|{_any(split(words.most))}{where}){tail}"),
        part=re.compile(f"(?:{within}{inner}{where}{tail}|{_any(directions, 'bare')}(?:{part})?{picture})"),
        beside=re.compile(_any(beside, "where")),
        centre=re.compile(_any(split(words.centre))),
        central=re.compile(
            f"(?:{number})?(?:{_any(split('most|le plus|la plus|les plus|piu'))})?{_any(split(words.central))}"
        ),
        size=re.compile(f"(?:{ordinal})?(?:{number})?{_any(sizes, 'size')}(?:{after})?"),
        relation=re.compile(_any(relations, "relation")),
        picture=re.compile(picture),
        of=re.compile(_any(split(words.of))),
        directions={**directions, **beside, **extremes},
        sizes=sizes,
        relations=relations,
        numbers=numbers,
        ordinals=ordinals,
        fillers=frozenset(split(words.fillers)),
        singular=frozenset(split(words.singular)),
        plural=frozenset(split(words.plural)),
    )


class _Parser:
    def __init__(self, language: str, text: str) -> None:
        self._language, self._text = language, text
        self._say = _patterns(language)

    def phrase(self, tokens: Sequence[_Token]) -> ParsedPhrase:
        """What some words name, and their rules."""
        plain = _plain(tokens)
        starts = [0]
        for token in tokens:
            starts.append(starts[-1] + len(token.plain) + 1)
        kept: list[_Token] = []
        rules: list[PositionRule] = []
        beside: list[PositionRule] = []  # adjectives: of one thing the outermost, of several a part
        place = 0
        while place < len(tokens):
            found = self._at(plain, starts[place], named=bool(kept))
            if found is None:
                kept.append(tokens[place])
                place += 1
                continue
            rule, end, is_beside = found
            begin, place = place, starts.index(end)
            if rule.kind in _WITH_ANCHOR:
                anchor = self.phrase(tokens[place:])
                if not anchor.core:  # no noun follows: these were no such words
                    kept += tokens[begin:place]
                    continue
                raised = [one for one in anchor.rules if one.kind == "part"]
                inner = tuple(one for one in anchor.rules if one.kind != "part")
                rules += [replace(rule, anchor=replace(anchor, rules=inner)), *raised]
                break
            (beside if is_beside else rules).append(rule)
        return self._finished(kept, rules, beside)

    def _at(self, plain: str, start: int, *, named: bool) -> tuple[PositionRule, int, bool] | None:
        """The rule that begins at a word, where it ends, and whether it is an adjective."""
        say = self._say
        if match := say.outermost.match(plain, start):
            direction = self._direction(match["extreme"] or match["where"])
            count = self._number(match["number"])
            return PositionRule(kind="outermost", direction=direction, count=count), match.end(), False
        if match := say.size.match(plain, start):
            return self._size(match), match.end(), False
        if match := say.centre.match(plain, start):
            return self._centre(plain, match.end(), named=named)
        toward, part = say.toward.match(plain, start), say.part.match(plain, start)
        follows = toward is not None and toward.end() < len(plain) and not (part and part.end() > toward.end())
        if toward is not None and named and follows:
            direction = self._direction(toward["where"] or toward["bare"])
            return PositionRule(kind="toward", direction=direction), toward.end(), False
        if part:
            return (
                PositionRule(kind="part", direction=self._direction(part["where"] or part["bare"])),
                part.end(),
                False,
            )
        if match := say.central.match(plain, start):
            return PositionRule(kind="central", count=self._number(match["number"])), match.end(), True
        if named and (match := say.relation.match(plain, start)) and match.end() < len(plain):
            return PositionRule(kind=cast(Kind, say.relations[match["relation"].strip()])), match.end(), False
        if match := say.beside.match(plain, start):
            return PositionRule(kind="outermost", direction=self._direction(match["where"])), match.end(), True
        return None

    def _size(self, match: re.Match[str]) -> PositionRule:
        rank = self._ordinal(match["ordinal"])
        count = self._number(match["number"] or match["number_after"])
        return PositionRule(
            kind="size", size=self._say.sizes[match["size"].strip()], rank=rank, count=1 if rank > 1 else count
        )

    def _centre(self, plain: str, end: int, *, named: bool) -> tuple[PositionRule, int, bool]:
        """In the middle: of the picture, or of something that is named."""
        if match := self._say.picture.match(plain, end):
            return PositionRule(kind="part"), match.end(), False
        match = self._say.of.match(plain, end)
        if named and match is not None and match.end() < len(plain):
            return PositionRule(kind="inside"), match.end(), False
        if named and self._language == "ar" and end < len(plain):
            return PositionRule(kind="inside"), end, False
        return PositionRule(kind="part"), end, False

    def _direction(self, phrase: str) -> Direction:
        return direction_named(self._say.directions[phrase.strip()])

    def _number(self, word: str | None) -> int | None:
        if not word:
            return None
        return int(word) if word.isdecimal() else self._say.numbers[word]

    def _ordinal(self, word: str | None) -> int:
        if not word:
            return 1
        digits = re.match("[0-9]+", word)
        return int(digits.group()) if digits else self._say.ordinals[word]

    def _without_articles(self, tokens: Sequence[_Token]) -> list[_Token]:
        left, plain = list(tokens), _plain(tokens)
        while match := self._say.articles.match(plain):
            left, plain = left[match.group().count(" ") :], plain[match.end() :]
        return left

    def _finished(self, kept: list[_Token], rules: list[PositionRule], beside: list[PositionRule]) -> ParsedPhrase:
        """The name in its own words, and the rules with what its number and article say about them."""
        articles = {token.plain for token in kept[:2]}
        core, count = self._without_articles(kept), None
        if len(core) > 1:
            word = core[0].plain
            if word in self._say.numbers or word.isdecimal():
                count, core = self._number(word), self._without_articles(core[1:])
            elif word in self._say.ordinals:  # "il secondo edificio più grande"
                rank, core = self._say.ordinals[word], core[1:]
                rules = [replace(rule, rank=rank, count=1) if rule.kind == "size" else rule for rule in rules]
            elif self._say.of.fullmatch(f"{word} "):  # "the smallest of the pools"
                core, count = self._without_articles(core[1:]), 1
        while core and core[-1].plain in self._say.fillers:
            core = core[:-1]
        several = self._several(core, articles)
        many = several or self._is_mass(core)
        settled = [_settled(rule, count, several=several) for rule in rules]
        settled += [
            _as_part(rule) if many and not count and not rule.count else _settled(rule, count) for rule in beside
        ]
        ordered = sorted(dict.fromkeys(settled), key=lambda rule: _ORDER.index(rule.kind))
        return ParsedPhrase(text=self._text, core=self._written(core), rules=tuple(ordered))

    def _written(self, tokens: Sequence[_Token]) -> str:
        """Words as they stand in the phrase, with what lies between neighbours."""
        parts: list[str] = []
        for number, token in enumerate(tokens):
            if number:
                between = self._text[tokens[number - 1].end : token.start]
                parts.append(between if len(between) <= 2 else " ")
            parts.append(token.written)
        return "".join(parts)

    def _several(self, core: Sequence[_Token], articles: set[str]) -> bool:
        """Whether the name is a plural."""
        if not core or articles & self._say.plural:
            return bool(core)
        if self._language == "en":
            joints = [
                number for number, token in enumerate(core) if token.plain in ("with", "of", "from", "and", "for")
            ]
            head = core[joints[0] - 1 if joints and joints[0] else -1].plain
            return head.endswith("s") and not head.endswith(_ENGLISH_SINGULAR)
        if articles & self._say.singular:
            return False
        noun = core[0].plain
        if self._language == "fr":
            return noun.endswith(("s", "x"))
        if self._language == "it":
            return noun.endswith("i") or (noun.endswith("e") and not noun.endswith(_ITALIAN_SINGULAR_E))
        return noun in _ARABIC_PLURALS or (noun.endswith(("ات", "ون")) and len(noun) > 4)

    def _is_mass(self, core: Sequence[_Token]) -> bool:
        """Whether the name is of something that is not counted."""
        return bool(core) and bool({core[0].plain, core[-1].plain} & _MASS)


def _settled(rule: PositionRule, count: int | None, *, several: bool = False) -> PositionRule:
    """How many a ranking keeps: as many as are said, else one; of several by size those that come near the first."""
    if rule.kind not in _RANKING or rule.count is not None:
        return rule
    usual = None if several and rule.kind == "size" else 1
    return replace(rule, count=min(_MOST_COUNTED, count) if count else usual)


def _as_part(rule: PositionRule) -> PositionRule:
    return PositionRule(kind="part", direction=rule.direction)


def _plain(tokens: Sequence[_Token]) -> str:
    return "".join(f"{token.plain} " for token in tokens)


def _tokens(text: str, language: str) -> list[_Token]:
    """Words; in Arabic what is written together with some prepositions as two."""
    found: list[_Token] = []
    for match in _WORD.finditer(text):
        token = _Token(match.group(), normalise(match.group()), match.start(), match.end())
        if language == "ar" and found and len(token.plain) > 3:
            letter = _JOINED.get(found[-1].plain.removeprefix("ال").removesuffix("ه"))
            if letter is not None and token.plain.startswith(letter):
                rest = token.written[1:]
                rest = f"ا{rest}" if token.plain.startswith("لل") else rest  # the article loses its first letter
                found.append(_Token(letter, letter, token.start, token.start + 1))
                token = _Token(rest, normalise(rest), token.start + 1, token.end)
        found.append(token)
    return found
