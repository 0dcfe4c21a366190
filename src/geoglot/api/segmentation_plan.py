"""What a model is asked for on behalf of some phrases, and what is done with its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoglot.core.position import ParsedPhrase, PositionRule
from geoglot.text.known_words import content_words
from geoglot.text.language import detect
from geoglot.text.position_words import parse_phrase

if TYPE_CHECKING:
    from geoglot.api.position_rules import Frame
    from geoglot.api.segmenter import PhraseFound
    from geoglot.geo.regions import PixelRegion
    from geoglot.geo.source import SourceInfo
    from geoglot.geo.sweep import SweepGrid

ASSUMED_GSD_M = 0.5
"""Metres of a pixel where nothing says how large it is: for distances in position words alone."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One phrase: its language, what it names and its rules, and the words that the model never saw."""

    phrase: str
    language: str
    parsed: ParsedPhrase
    unknown: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All phrases of one request.

    Attributes:
        asked: The phrases.
        texts: What the model is asked for, each text once.
    """

    asked: tuple[Asked, ...]
    texts: tuple[str, ...]

    def apply(
        self, instances: Sequence[Sequence[PixelRegion]], info: SourceInfo, grid: SweepGrid, gsd_m: float | None = None
    ) -> tuple[list[list[PixelRegion]], tuple[PhraseFound, ...]]:
        """Choose among what was found.

        Args:
            instances: For each text the regions that the model found.
            info: What the scene is.
            grid: How it was read.
            gsd_m: What the model was trained at: what its pixels are taken for where the scene does not say.

        Returns:
            For each phrase its regions, and what became of it.
        """
        from geoglot.api.position_rules import LEAST_PIXELS, frame_of
        from geoglot.api.segmenter import PhraseFound

        metres = info.gsd_m or (gsd_m or ASSUMED_GSD_M) / grid.scale
        least = LEAST_PIXELS * grid.scale
        frame = frame_of(info.width, info.height, info.transform, metres=metres, least=least)
        found = dict(zip(self.texts, instances, strict=True))
        chosen, told = [], []
        for one in self.asked:
            unseen = f"the model has never seen {', '.join(one.unknown)}"
            if _understood(one):
                kept, notes = _chosen(one, found, frame)
                notes += [f"{unseen}: it goes by how the word is spelt"] * bool(one.unknown)
            else:
                kept, notes = [], [f"{unseen}: the layer of '{one.phrase}' is empty"]
            if info.gsd_m is None and any(rule.anchor is not None for rule in one.parsed.rules):
                notes.append(f"how near things are is judged as if a pixel were {metres:g} m")
            chosen.append(kept)
            told.append(
                PhraseFound(
                    phrase=one.phrase,
                    language=one.language,
                    looked_for=one.parsed.core,
                    rules=tuple(rule.words for rule in one.parsed.rules),
                    regions=len(kept),
                    unknown_words=one.unknown,
                    notes=tuple(notes),
                )
            )
        return chosen, tuple(told)


def _understood(asked: Asked) -> bool:
    """Whether the model knows more than half of the words that carry meaning; what it marks otherwise is a guess."""
    return not asked.unknown or 2 * len(asked.unknown) < len(content_words(asked.phrase))


def _chosen(asked: Asked, found: dict[str, Sequence[PixelRegion]], frame: Frame) -> tuple[list[PixelRegion], list[str]]:
    """The regions that are meant, and, where there are none, why."""
    from geoglot.api.position_rules import apply_rule

    parsed = asked.parsed
    left = list(found[parsed.core])
    if not left:
        return [], [f"nothing found for '{parsed.core}': the layer of '{asked.phrase}' is empty"]
    for rule in parsed.rules:
        anchors = _anchors(rule, found, frame)
        kept = apply_rule(left, rule, frame, anchors)
        if not kept:
            missing = rule.anchor is not None and not anchors
            why = f"no '{rule.anchor.core}' was found" if missing and rule.anchor else f"none is {rule.words}"
            things = "region" if len(left) == 1 else "regions"
            return [], [f"{len(left)} {things} of '{parsed.core}', but {why}: the layer of '{asked.phrase}' is empty"]
        left = kept
    return left, []


def _anchors(rule: PositionRule, found: dict[str, Sequence[PixelRegion]], frame: Frame) -> list[PixelRegion]:
    """What a neighbour can be: what was found of it, after its own rules."""
    from geoglot.api.position_rules import apply_rule

    if rule.anchor is None:
        return []
    left = list(found[rule.anchor.core])
    for inner in rule.anchor.rules:
        left = apply_rule(left, inner, frame, _anchors(inner, found, frame))
    return left


def plan_of(
    phrases: Sequence[str],
    language: str | None,
    unknown_words: Callable[[str], tuple[str, ...]],
    *,
    positions: bool,
) -> Plan:
    """What is to be asked for some phrases.

    Args:
        phrases: At least one.
        language: Of all of them; guessed for each by default.
        unknown_words: What the model never saw of a text.
        positions: Whether position words are taken out of the phrases and become rules.

    Example:
        >>> plan_of(["pools", "the largest pool by the road"], None, lambda text: (), positions=True).texts
        ('pools', 'pool', 'road')
    """
    asked = []
    for phrase in phrases:
        spoken = language or detect(phrase)
        parsed = parse_phrase(phrase, spoken) if positions else ParsedPhrase(text=phrase, core=phrase)
        unknown = dict.fromkeys(word for name in parsed.names for word in unknown_words(name))
        asked.append(Asked(phrase=phrase, language=spoken, parsed=parsed, unknown=tuple(unknown)))
    return Plan(asked=tuple(asked), texts=tuple(dict.fromkeys(name for one in asked for name in one.parsed.names)))
