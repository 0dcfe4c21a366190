"""What a model is asked for on behalf of some phrases, and what is done with its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoglot.text.language import detect

if TYPE_CHECKING:
    from geoglot.api.segmenter import PhraseFound
    from geoglot.geo.regions import PixelRegion
    from geoglot.geo.source import SourceInfo


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One phrase: its language and the text that the model gets for it."""

    phrase: str
    language: str
    text: str
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
        self, instances: Sequence[Sequence[PixelRegion]], info: SourceInfo
    ) -> tuple[list[list[PixelRegion]], tuple[PhraseFound, ...]]:
        """Choose among what was found.

        Args:
            instances: For each text the regions that the model found.
            info: What the scene is.

        Returns:
            For each phrase its regions, and what became of it.
        """
        from geoglot.api.segmenter import PhraseFound

        chosen, told = [], []
        for one in self.asked:
            some = list(instances[self.texts.index(one.text)])
            notes = [f"nothing found for '{one.phrase}'"] if not some else []
            if one.unknown:
                notes.append(f"the model has never seen {', '.join(one.unknown)}")
            chosen.append(some)
            told.append(
                PhraseFound(
                    phrase=one.phrase,
                    language=one.language,
                    looked_for=one.text,
                    regions=len(some),
                    unknown_words=one.unknown,
                    notes=tuple(notes),
                )
            )
        return chosen, tuple(told)


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
    """
    asked = [
        Asked(phrase=phrase, language=language or detect(phrase), text=phrase, unknown=unknown_words(phrase))
        for phrase in phrases
    ]
    return Plan(asked=tuple(asked), texts=tuple(dict.fromkeys(one.text for one in asked)))
