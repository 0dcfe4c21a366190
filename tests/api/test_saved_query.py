from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.api.query import Term
from geoglot.api.saved_query import SavedQuery
from geoglot.core.errors import UsageError

WORDS = st.text(min_size=1, max_size=30).filter(lambda text: text.strip() != "")
WEIGHTS = st.floats(-4, 4).filter(lambda weight: abs(weight) > 1e-3)
TERMS = st.builds(lambda text, weight: Term(text=text, weight=weight), WORDS, WEIGHTS)
QUERIES = st.builds(
    SavedQuery,
    terms=st.lists(TERMS, max_size=4).map(tuple),
    language=st.sampled_from([None, "en", "ar", "fr", "it"]),
    words=st.none() | WORDS,
    within=st.none() | st.tuples(*[st.floats(-80, 80)] * 4),
    after=st.sampled_from([None, "2021", "2021-06-30"]),
    sources=st.lists(WORDS, max_size=3).map(tuple),
    gsd=st.none() | st.tuples(st.floats(0, 1), st.floats(1, 10)),
    right=st.lists(st.sampled_from(["0" * 32, "a" * 32]), max_size=2).map(tuple),
    k=st.integers(1, 500),
    offset=st.integers(0, 100),
    collapse=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(QUERIES)
def test_a_query_survives_its_file(query: SavedQuery) -> None:
    assert SavedQuery.from_record(json.loads(json.dumps(query.as_record()))) == query


@settings(max_examples=150, deadline=None)
@given(QUERIES)
def test_its_command_can_be_parsed(query: SavedQuery) -> None:
    from geoglot.cli import search
    from geoglot.cli._command import build_parser, parse

    line = shlex.split(query.command("town.archive"))
    options = parse(build_parser("search", search), line[2:])
    assert str(options.archive) == "town.archive"
    if options.query is None:
        assert options.k == query.k
        assert options.all is not query.collapse


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": "geoglot-query"}',
        '{"format": "geoglot-query", "version": 2}',
        '{"format": "geoglot-query", "version": 1, "terms": 3}',
        '{"format": "geoglot-query", "version": 1, "terms": [3]}',
        '{"format": "geoglot-query", "version": 1, "terms": [{"text": ""}]}',
        '{"format": "geoglot-query", "version": 1, "terms": [{"vector": ["x"]}]}',
        '{"format": "geoglot-query", "version": 1, "within": [1, 2]}',
        '{"format": "geoglot-query", "version": 1, "k": "many"}',
        '{"a": ' * 3000,
    ],
)
def test_what_is_no_query_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "query.json"
    file.write_text(text)
    with pytest.raises(UsageError):
        SavedQuery.load(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        SavedQuery.load(tmp_path / "none.json")
