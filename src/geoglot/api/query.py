"""What is asked: words and pictures, each with a weight, combined into one unit vector.

A query is a sum of unit vectors, one per term, times the terms' weights, brought back to length one. Pictures
count as words do; a picture to stay away from has the weight :data:`UNLIKE_WEIGHT`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNLIKE_WEIGHT = -0.5
"""Weight of a picture given with ``unlike``: enough to turn the query, not to turn it round."""

_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»"}


@dataclass(frozen=True, kw_only=True)
class Term:
    """One thing to look for (or to stay away from): a text, a picture, a tile of the archive, or a vector.

    Attributes:
        text: Words in any language that the model knows.
        picture: Path of an example picture.
        weight: Share in the query; negative means "less of this". Never zero.
        item: Identifier of a tile of the archive, as a hit tells it.
        vector: A unit vector of the archive's model, as a saved query holds it.
        name: What to call a picture, tile or vector, where it has a better name than its own.

    Raises:
        UsageError: None or several are given, the text is empty, or the weight is zero or not finite.
    """

    text: str | None = None
    picture: Path | None = None
    weight: float = 1.0
    item: str | None = None
    vector: tuple[float, ...] | None = field(default=None, repr=False)
    name: str | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.text, self.picture, self.item, self.vector)) != 1:
            cause = "needs either a text or a picture (or a tile, or a vector)"
            raise UsageError("term", cause=cause, remedy="give exactly one of them")
        if self.text is not None and not self.text.strip():
            raise UsageError("term", cause="has no words", remedy="describe what to look for")
        if not math.isfinite(self.weight) or self.weight == 0:
            raise UsageError(
                self.label,
                cause=f"has the weight {self.weight:g}",
                remedy="give a weight other than 0, such as 1 or -0.5",
            )

    @property
    def label(self) -> str:
        """The words, or the picture's file name, for people to read."""
        if self.text is not None:
            return self.text
        if self.name is not None:
            return self.name
        if self.picture is not None:
            return self.picture.name
        return "saved query" if self.item is None else f"tile {self.item[:8]}"

    @property
    def by_example(self) -> bool:
        """Whether it shows what to look for, rather than saying it."""
        return self.picture is not None or self.item is not None

    def as_record(self) -> dict[str, object]:
        """The term as JSON-ready values."""
        if self.text is not None:
            told: dict[str, object] = {"text": self.text}
        elif self.picture is not None:
            told = {"picture": str(self.picture)}
        else:
            told = {"item": self.item} if self.vector is None else {"vector": list(self.vector)}
        named = {} if self.name is None else {"name": self.name}
        return {**told, "weight": self.weight, **named}


@dataclass(frozen=True, kw_only=True)
class Query:
    """All terms of one question.

    Attributes:
        terms: At least one of them has a positive weight.
        language: Language of the words (``en``, ``ar``, ``fr``, ``it``), where the asker said it.
        said: What the caption of a hit must say, as it was written; ``None`` where captions do not matter.

    Example:
        >>> build_query("an airport", terms=["snow:-0.5"]).label
        'an airport − 0.5 × snow'
    """

    terms: tuple[Term, ...]
    language: str | None = None
    said: str | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise UsageError(
                "query", cause="asks for nothing", remedy="give a text, --like PICTURE or --term 'WORDS:WEIGHT'"
            )
        if all(term.weight < 0 for term in self.terms):
            raise UsageError(
                "query",
                cause="says only what to stay away from",
                remedy="add a text or picture that says what to look for",
            )

    @property
    def label(self) -> str:
        """The query in one line, for people to read."""
        parts: list[str] = []
        for term in self.terms:
            size = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} × "
            words = f"[{term.label}]" if term.text is None else term.label
            sign = "− " if term.weight < 0 else "+ " if parts else ""
            parts.append(f"{sign}{size}{words}")
        label = " ".join(parts)
        return label if self.said in (None, label) else f"{label} (caption says {self.said})"

    def with_language(self) -> Query:
        """The query with the language of its words: the one that was said, else a guess.

        Example:
            >>> build_query("un port avec des bateaux").with_language().language
            'fr'
        """
        words = " ".join(term.text for term in self.terms if term.text)
        if self.language is not None or not words:
            return self
        from geoglot.text.language import detect

        return replace(self, language=detect(words))

    @property
    def direction(self) -> str:
        """``rtl`` when the first letter of the words is written right to left, else ``ltr``."""
        return text_direction(" ".join(term.text for term in self.terms if term.text))

    def as_record(self) -> dict[str, object]:
        """The query as JSON-ready values."""
        terms = [term.as_record() for term in self.terms]
        said = {} if self.said is None else {"said": self.said}
        return {"label": self.label, "language": self.language, "terms": terms, **said}


def build_query(
    text: str | None = None,
    *,
    like: str | Path | Sequence[str | Path] | None = None,
    unlike: str | Path | Sequence[str | Path] | None = None,
    terms: Sequence[str | Term] | Mapping[str, float] | None = None,
    language: str | None = None,
) -> Query:
    """Put words, pictures and weighted terms together.

    Args:
        text: Plain words, taken as they are (a colon in them means nothing), weight 1.
        like: Example picture or pictures, weight 1 each.
        unlike: Picture or pictures to stay away from, weight :data:`UNLIKE_WEIGHT` each.
        terms: Weighted words: ``"airport:1"``, :class:`Term` values, or a mapping of words to weights.
        language: Language of the words, where known.

    Raises:
        UsageError: Nothing is asked, or a term makes no sense.

    Example:
        >>> build_query(terms={"airport": 1, "snow": -0.5}).label
        'airport − 0.5 × snow'
        >>> build_query("tanks", like="example.png").label
        'tanks + [example.png]'
    """
    found = [Term(text=text)] if text is not None else []
    found += [Term(picture=path) for path in _as_paths(like)]
    found += [Term(picture=path, weight=UNLIKE_WEIGHT) for path in _as_paths(unlike)]
    if isinstance(terms, Mapping):
        found += [Term(text=words, weight=float(weight)) for words, weight in terms.items()]
    else:
        found += [term if isinstance(term, Term) else parse_term(term) for term in terms or ()]
    return Query(terms=tuple(found), language=language)


def parse_term(written: str) -> Term:
    """Read ``WORDS``, ``WORDS:WEIGHT``, ``"WORDS"`` or ``"WORDS":WEIGHT``.

    What follows the last colon is the weight if it is a number; else the colon belongs to the words. Words in
    quotes are taken as they are, so a text that ends in a colon and a number can be asked for.

    Raises:
        UsageError: There are no words, or the weight is zero or not finite.

    Example:
        >>> parse_term("snow:-0.5")
        Term(text='snow', picture=None, weight=-0.5, item=None, name=None)
        >>> parse_term("map at scale 1: parking").text
        'map at scale 1: parking'
        >>> parse_term('"gate 1:2":0.5')
        Term(text='gate 1:2', picture=None, weight=0.5, item=None, name=None)
    """
    stripped = written.strip()
    if _quoted(stripped):
        return Term(text=stripped[1:-1].strip())
    words, colon, number = stripped.rpartition(":")
    weight = _as_number(number) if colon else None
    if weight is None:
        return Term(text=stripped)
    words = words.strip()
    return Term(text=words[1:-1].strip() if _quoted(words) else words, weight=weight)


def combine(vectors: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """The weighted sum of unit vectors, brought back to length one.

    Args:
        vectors: ``(T, D)`` float32, unit rows.
        weights: ``T`` numbers.

    Returns:
        ``(D,)`` float32 of length one.

    Raises:
        UsageError: The terms cancel each other out, or a vector is not finite.

    Example:
        >>> import numpy as np
        >>> combine(np.eye(2, dtype=np.float32), [3.0, -4.0]).round(3).tolist()
        [0.6000000238418579, -0.800000011920929]
    """
    import numpy as np

    total = np.asarray(weights, dtype=np.float64) @ np.asarray(vectors, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if not math.isfinite(length):
        raise UsageError("query", cause="has no finite vector", remedy="check the example pictures")
    if length < 1e-6 * float(np.abs(weights).sum()):
        raise UsageError("query", cause="has terms that cancel each other out", remedy="change a word or a weight")
    return (total / length).astype(np.float32)


def text_direction(text: str) -> str:
    """``rtl`` when the first strong letter is written right to left, else ``ltr``.

    Example:
        >>> text_direction("طائرات"), text_direction("2 avions"), text_direction("")
        ('rtl', 'ltr', 'ltr')
    """
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return "ltr"


def _as_paths(given: str | Path | Sequence[str | Path] | None) -> list[Path]:
    if given is None:
        return []
    return [Path(given)] if isinstance(given, str | Path) else [Path(one) for one in given]


def _quoted(text: str) -> bool:
    return len(text) >= 2 and _QUOTES.get(text[0]) == text[-1]


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
