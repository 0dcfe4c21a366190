"""From facts to sentences in four languages that say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from geoglot.core.errors import UsageError
from geoglot.data.scenery.hashing import generator
from geoglot.data.scenery.phrases_ar import sentences as arabic
from geoglot.data.scenery.phrases_en import sentences as english
from geoglot.data.scenery.phrases_fr import sentences as french
from geoglot.data.scenery.phrases_it import sentences as italian
from geoglot.data.scenery.relations import Fact, View, find_facts

LANGUAGES: tuple[str, ...] = ("en", "ar", "fr", "it")
"""Languages of the captions, by ISO 639-1 code."""

_SENTENCES: dict[str, Callable[[Fact], list[str]]] = {"en": english, "ar": arabic, "fr": french, "it": italian}


def choose_facts(view: View, *, count: int, seed: int) -> list[tuple[Fact, int]]:
    """Facts to tell, each with the number of its wording.

    The weightiest facts come first, but a thing that was already the subject waits until others have had their turn.
    With fewer facts than asked for, they come again in another wording.

    Args:
        view: The picture.
        count: How many.
        seed: Chooses wordings.
    """
    rng = generator(seed, view.classes.size, int(view.classes.sum()))
    waiting = find_facts(view, rng)
    chosen: list[Fact] = []
    said: dict[str, int] = {}
    while waiting and len(chosen) < count:
        best = max(waiting, key=lambda fact: fact.weight - 4.0 * said.get(fact.subject.noun, 0))
        waiting.remove(best)
        if best.kind == "closeup" and chosen:
            continue
        chosen.append(best)
        said[best.subject.noun] = said.get(best.subject.noun, 0) + 1
    first = [rng.randrange(6) for _ in chosen]
    return [(chosen[k % len(chosen)], first[k % len(chosen)] + k // len(chosen)) for k in range(count)]


def write_captions(view: View, *, languages: Sequence[str], count: int, seed: int) -> dict[str, list[str]]:
    """Sentences by language; the n-th of each language tells the same fact.

    Raises:
        UsageError: A language is not one of the four.

    Example:
        >>> import numpy as np
        >>> sand = np.full((64, 64), 6, dtype=np.uint8)
        >>> view = View(classes=sand, instances=np.zeros((64, 64), np.int32), objects=[], gsd_m=0.5)
        >>> write_captions(view, languages=("en", "it"), count=1, seed=0)
        {'en': ['most of the picture is a desert'], 'it': ['la maggior parte della foto è un deserto']}
    """
    for language in languages:
        if language not in _SENTENCES:
            raise UsageError(language, cause="is not a language of captions", remedy=f"use {', '.join(LANGUAGES)}")
    facts = choose_facts(view, count=count, seed=seed) if count > 0 else []
    written: dict[str, list[str]] = {}
    for language in languages:
        wordings = [(_SENTENCES[language](fact), number) for fact, number in facts]
        written[language] = [options[number % len(options)] for options, number in wordings]
    return written
