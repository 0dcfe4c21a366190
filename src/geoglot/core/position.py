"""What a phrase says about place, size and neighbours: rules that choose among regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = tuple[str, int, int]
"""``compass`` or ``image``, step to the right (east), step upwards (north)."""
Kind = Literal["near", "along", "inside", "surrounded", "far", "toward", "part", "size", "outermost", "central"]


@dataclass(frozen=True, kw_only=True)
class PositionRule:
    """One rule over what is found.

    Attributes:
        kind: What it looks at.
        direction: Of ``toward``, ``part`` and ``outermost``; ``None`` for the middle.
        size: Of ``size``: ``largest``, ``smallest``, ``longest`` or ``shortest``.
        count: How many are kept; ``None`` keeps those that come near to the first.
        rank: Number of the first that is kept, from 1 on.
        anchor: Of the kinds that look at a neighbour: what it is.
    """

    kind: Kind
    direction: Direction | None = None
    size: str = ""
    count: int | None = None
    rank: int = 1
    anchor: ParsedPhrase | None = None

    @property
    def words(self) -> str:
        """The rule in English, for people."""
        where = "" if self.direction is None else _direction_words(self.direction)
        many = "" if self.count in (None, 1) else f"{self.count} "
        name = "" if self.anchor is None else f"'{self.anchor.core}'"
        match self.kind:
            case "near" | "inside" | "along":
                return f"{self.kind} {name}"
            case "surrounded" | "far":
                return f"{self.kind} {'by' if self.kind == 'surrounded' else 'from'} {name}"
            case "toward":
                return f"{where} of {name}"
            case "part":
                return f"in the {where or 'middle'}"
            case "size":
                if self.count is None:
                    return f"those of nearly the size of the {self.size}"
                return f"the {_ordinal(self.rank)}{many}{self.size}"
            case "outermost":
                return f"the {many}farthest {where}"
            case _:
                return f"the {many}nearest to the middle"


@dataclass(frozen=True, kw_only=True)
class ParsedPhrase:
    """What a phrase names, and which of those are meant.

    Attributes:
        text: The phrase.
        core: What it names, in its own words.
        rules: In the order in which they are applied; none where it has no position words.
    """

    text: str
    core: str
    rules: tuple[PositionRule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that has to be looked for: the core, then what it is compared with."""
        inner = [name for rule in self.rules if rule.anchor is not None for name in rule.anchor.names]
        return tuple(dict.fromkeys([self.core, *inner]))


def _direction_words(direction: Direction) -> str:
    """A direction in English.

    Example:
        >>> _direction_words(("compass", 1, 1)), _direction_words(("image", -1, -1))
        ('north-east', 'bottom left')
    """
    frame, right, up = direction
    if frame == "compass":
        return "-".join(
            part for part in ({1: "north", -1: "south"}.get(up), {1: "east", -1: "west"}.get(right)) if part
        )
    return " ".join(part for part in ({1: "top", -1: "bottom"}.get(up), {1: "right", -1: "left"}.get(right)) if part)


def _ordinal(rank: int) -> str:
    """The rank in words; nothing for the first.

    Example:
        >>> _ordinal(1), _ordinal(2), _ordinal(11)
        ('', 'second ', '11th ')
    """
    return {1: "", 2: "second ", 3: "third "}.get(rank, f"{rank}th ")
