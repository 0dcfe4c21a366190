from hypothesis import given
from hypothesis import strategies as st

from geoglot.text.known_words import KnownWords, content_words

CAPTIONS = ["many planes are parked", "جسر فوق النهر", "plusieurs bâtiments", "alcune case vicino al fiume"]


def test_inflections_and_arabic_prefixes_are_known() -> None:
    known = KnownWords(CAPTIONS)
    # plane: its first max(4, ceil(0.7 * 5)) = 4 letters begin "planes"; nahr is looked up without bi-al-
    for word in ("plane", "batiment", "بالنهر", "الجسر", "fiumi", "12"):
        assert known.knows(word), word
    for word in ("giraffe", "زرافه", "plague", "volcan"):
        assert not known.knows(word), word


def test_half_of_the_words_unknown_is_not_understood() -> None:
    known = KnownWords(CAPTIONS)
    assert not known.understands("planes giraffe")  # one of two
    assert known.understands("many planes giraffe")  # one of three
    assert known.understands("")
    assert known.unknown("a giraffe and a giraffe") == ("giraffe",)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_what_was_seen_is_known_and_survives_the_file(texts: list[str]) -> None:
    known = KnownWords(texts)
    again = KnownWords.from_bytes(known.to_bytes())
    assert again.words == known.words
    assert all(not known.unknown(text) for text in texts)


def test_content_words_are_normalised() -> None:
    assert content_words("Près d'une FORÊT") == ["pres", "foret"]  # "une" has three letters
