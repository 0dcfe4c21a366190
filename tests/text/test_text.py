import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.errors import BundleError
from geoglot.text.language import detect
from geoglot.text.normalise import normalise
from geoglot.text.tokenizer import PADDING, UNKNOWN, Tokenizer

PHRASES = {
    "en": [
        "many planes beside the terminal",
        "storage tanks near a river",
        "a tennis court",
        "sparse residential area",
    ],
    "ar": ["طائرات كثيرة بجانب المبنى", "خزانات تخزين قرب نهر", "ملعب تنس"],
    "fr": [
        "plusieurs avions à côté du terminal",
        "des réservoirs près d'une rivière",
        "un terrain de baseball",
        "une forêt dense",
    ],
    "it": ["molti aerei accanto al terminal", "serbatoi vicino a un fiume", "un campo da tennis", "una foresta fitta"],
}


@pytest.mark.parametrize(("language", "text"), [(k, t) for k, texts in PHRASES.items() for t in texts])
def test_language_of_typical_queries(language: str, text: str) -> None:
    assert detect(text) == language


def test_language_without_evidence_is_english() -> None:
    assert detect("") == "en"
    assert detect("123 !?") == "en"


@given(st.text(max_size=60))
def test_normalise_is_idempotent_and_single_spaced(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == " ".join(once.split())


def test_normalise_unifies_arabic_spellings() -> None:
    # hamza on alef, ta marbuta, vowel marks and the lengthening stroke do not distinguish queries
    assert normalise("أَشْجَار خضراء كثيـــرة") == normalise("اشجار خضراء كثيره")
    assert normalise("١٢ طائرة") == "12 طايره"


def test_tokenizer_round_trip(tmp_path) -> None:
    corpus = [t for texts in PHRASES.values() for t in texts] * 4
    tokenizer = Tokenizer.train(corpus, vocabulary_size=300, max_length=6)
    tokens = tokenizer.encode(["many planes", "", "many planes beside the terminal near a river"])
    assert tokens.shape[1] <= 6
    assert tokens[1, 0] == UNKNOWN
    assert set(tokens[1, 1:]) <= {PADDING}
    assert PADDING not in tokens[2]
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json", max_length=6)
    assert (again.encode(["ملعب تنس"]) == tokenizer.encode(["ملعب تنس"])).all()
    assert again.size == tokenizer.size


def test_tokenizer_refuses_what_is_not_one(tmp_path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match="not a tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")
