"""The table of names: whole in four languages, of classes that exist, and found in captions as words."""

from __future__ import annotations

from collections import Counter

from geoglot.data.ground_words import GROUND_WORDS, LANGUAGES, ground_word
from geoglot.data.scenery.classes import CLASSES

SURVEYED = {"water", "land", "road", "building", "vegetation"}


def test_every_name_is_said_in_four_languages() -> None:
    for word in GROUND_WORDS:
        assert set(word.wordings) == set(LANGUAGES)
        for language, wordings in word.wordings.items():
            assert wordings
            assert all(wording.strip() == wording and wording for wording in wordings)
            arabic = [any("\u0600" <= letter <= "\u06ff" for letter in wording) for wording in wordings]
            assert all(arabic) if language == "ar" else not any(arabic)


def test_classes_exist_and_are_not_both_covered_and_unsure() -> None:
    for word in GROUND_WORDS:
        assert set(word.rendered) <= set(CLASSES)
        assert set(word.surveyed) <= SURVEYED
        assert set(word.unsure) <= SURVEYED | set(CLASSES)
        # "water" is a class of surveyed maps alone, so a name may cover it there and leave rendered ones open.
        assert not set(word.rendered) & set(word.unsure)
        assert not set(word.surveyed) & set(word.unsure)


def test_names_are_unique_and_nearly_every_rendered_class_has_one() -> None:
    assert max(Counter(word.name for word in GROUND_WORDS).values()) == 1
    covered = {name for word in GROUND_WORDS for name in word.rendered}
    assert set(CLASSES) - covered == {"nothing", "apron"}
    assert {name for word in GROUND_WORDS for name in word.surveyed} == SURVEYED


def test_words_are_found_whole() -> None:
    assert ground_word("cars").in_captions(["Many cars stand there."])
    assert not ground_word("cars").in_captions(["A carpet of oscars."])
    assert ground_word("ships").in_captions(["no", "Two Ships lie in the port ."])
    assert not ground_word("pavement").in_captions(["pavement"])  # no caption word: captions do not tell
