from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.api.query import UNLIKE_WEIGHT, Query, Term, build_query, combine, parse_term, text_direction
from geoglot.core.errors import UsageError


@pytest.mark.parametrize(
    ("written", "text", "weight"),
    [
        ("airport", "airport", 1.0),
        ("airport:1", "airport", 1.0),
        ("snow:-0.5", "snow", -0.5),
        (" snow : 2 ", "snow", 2.0),
        ("road: wet", "road: wet", 1.0),
        ("scale 1:5000:0.5", "scale 1:5000", 0.5),
        ('"gate 1:2"', "gate 1:2", 1.0),
        ('"gate 1:2":0.5', "gate 1:2", 0.5),
        ("'a:1'", "a:1", 1.0),
        ("«un port: 3»:-1", "un port: 3", -1.0),
        ("مطار:0.7", "مطار", 0.7),
        ("a:1e-3", "a", 0.001),
    ],
)
def test_terms_as_people_write_them(written: str, text: str, weight: float) -> None:
    term = parse_term(written)
    assert (term.text, term.weight) == (text, weight)


@pytest.mark.parametrize("written", ["", "  ", ":1", '"":2', '""', "a:0", "a:nan", "a:inf", "a:-inf"])
def test_terms_that_make_no_sense_are_refused(written: str) -> None:
    with pytest.raises(UsageError):
        parse_term(written)


@given(st.text(min_size=1).filter(lambda t: t.strip()), st.floats(0.01, 9).map(lambda w: round(w, 3)))
def test_a_quoted_text_comes_back_as_it_was(text: str, weight: float) -> None:
    term = parse_term(f'"{text}":{weight}')
    assert term.text == text.strip()
    assert term.weight == weight


@given(st.text())
def test_any_string_is_a_term_or_a_usage_error(written: str) -> None:
    try:
        term = parse_term(written)
    except UsageError:
        return
    assert term.text
    assert np.isfinite(term.weight)
    assert term.weight != 0


def test_a_query_of_all_kinds_of_terms() -> None:
    query = build_query("tanks", like=["a.png"], unlike="b.png", terms=["snow:-0.5"])
    assert [(t.label, t.weight) for t in query.terms] == [
        ("tanks", 1.0),
        ("a.png", 1.0),
        ("b.png", UNLIKE_WEIGHT),
        ("snow", -0.5),
    ]
    assert query.label == "tanks + [a.png] − 0.5 × [b.png] − 0.5 × snow"


def test_a_plain_text_keeps_its_colon() -> None:
    assert build_query("gate:2").terms == (Term(text="gate:2"),)


def test_empty_and_purely_negative_queries_are_refused() -> None:
    with pytest.raises(UsageError, match="asks for nothing"):
        build_query()
    with pytest.raises(UsageError, match="only what to stay away from"):
        build_query(unlike="a.png")
    with pytest.raises(UsageError, match="either a text or a picture"):
        Term()
    with pytest.raises(UsageError, match="either a text or a picture"):
        Term(text="a", picture=Path("b"))


def test_combination_by_hand() -> None:
    # 2 * (1, 0) - 1 * (0.6, 0.8) = (1.4, -0.8); length sqrt(1.96 + 0.64) = 1.6124515
    vectors = np.array([[1, 0], [0.6, 0.8]], np.float32)
    np.testing.assert_allclose(combine(vectors, [2, -1]), [1.4 / 1.6124515, -0.8 / 1.6124515], rtol=1e-6)


def test_combination_of_one_term_is_the_term_whatever_its_weight() -> None:
    vector = np.array([[0.6, 0.8]], np.float32)
    np.testing.assert_allclose(combine(vector, [0.001]), vector[0], rtol=1e-6)


def test_terms_that_cancel_out_are_refused_rather_than_searched_with_noise() -> None:
    vector = np.array([0.6, 0.8], np.float32)
    with pytest.raises(UsageError, match="cancel"):
        combine(np.stack([vector, vector]), [1, -1])
    with pytest.raises(UsageError, match="finite"):
        combine(np.array([[np.nan, 1]], np.float32), [1])


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 3)), min_size=1, max_size=5))
def test_combination_has_length_one_and_ignores_the_order_of_terms(rows: list[tuple[float, float, float]]) -> None:
    vectors = np.array([[x, y, 2.0] for x, y, _ in rows], np.float32)
    weights = [w for _, _, w in rows]
    one = combine(vectors, weights)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(one, combine(vectors[::-1], weights[::-1]), atol=1e-6)


def test_language_is_guessed_unless_said() -> None:
    assert build_query("ميناء فيه قوارب").with_language().language == "ar"
    assert build_query("un port", language="it").with_language().language == "it"
    assert build_query(like="a.png").with_language().language is None


def test_direction_of_the_first_letter() -> None:
    assert [text_direction(t) for t in ("3 طائرات", "a طائرة", "١٢", "")] == ["rtl", "ltr", "ltr", "ltr"]
    assert Query(terms=(Term(text="ملاعب"),)).direction == "rtl"
