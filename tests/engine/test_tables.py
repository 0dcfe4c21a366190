from __future__ import annotations

import json

import pytest

from geoglot.core.errors import DataError
from geoglot.engine.evaluation import evaluate_retrieval, write_result
from geoglot.engine.presence import evaluate_presence
from geoglot.engine.tables import (
    confidence_rows,
    markdown_table,
    read_results,
    results_page,
    retrieval_rows,
    write_results_page,
)


@pytest.fixture
def results(tmp_path, predictions):
    folder = tmp_path / "results"
    write_result(evaluate_retrieval(predictions, resamples=20), folder)
    decision = lambda query, gallery: float((gallery @ query).max())  # noqa: E731
    write_result(evaluate_presence(predictions, decision, likely_at=0.3, decision="best cosine"), folder)
    return folder


def test_rows_say_what_the_file_says(results):
    record = read_results(results, "retrieval")[0]
    rows = retrieval_rows([record])
    assert [row["language"] for row in rows] == ["en", "ar", "fr", "it"]
    plain = record["languages"]["fr"]["plain"]
    assert rows[2]["t2i R@5"] == f"{plain['text_to_image']['R@5']['value']:.2f}"
    low, high = plain["mR"]["interval"]
    assert rows[2]["mR"] == f"{plain['mR']['value']:.2f} ({low:.2f} to {high:.2f})"


def test_unmeasured_language_is_a_row_of_empty_cells(results):
    record = read_results(results, "retrieval")[0]
    del record["languages"]["it"]
    rows = retrieval_rows([record])
    assert rows[3]["language"] == "it"
    assert all(rows[3][name] == "" for name in rows[3] if name not in ("model", "dataset", "split", "language"))
    assert [row["language"] for row in retrieval_rows([record], languages=None)] == ["ar", "en", "fr"]
    assert confidence_rows([{**record, "languages": {}}])[0]["AUC"] == ""


def test_zero_is_a_figure_not_an_empty_cell(results):
    record = read_results(results, "retrieval")[0]
    record["languages"]["en"]["plain"]["image_to_text"]["R@1"] = {"value": 0.0, "interval": [0.0, 0.0]}
    assert retrieval_rows([record])[0]["i2t R@1"] == "0.00"
    confidence = read_results(results, "confidence")[0]
    confidence["languages"]["en"]["absent_called_likely_percent"] = 0.0
    assert confidence_rows([confidence])[0]["absent, called likely %"] == "0.0"


def test_page_is_made_from_the_files_alone(results, tmp_path):
    write_results_page(results, tmp_path / "docs" / "results.md")
    page = (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == results_page(results)
    assert page.count("| toy-1 | rsicd | train |") == 4 + 4 + 2  # languages twice, and the conditions
    assert "000000000000" in page  # the bundle's checksum
    widths = {line.count("|") for line in page.splitlines() if line.startswith("| toy-1 | rsicd | train | en")}
    assert len(widths) == 2


def test_no_results_no_numbers(tmp_path):
    page = results_page(tmp_path)
    assert page.count("Nothing measured yet.") == 2
    assert markdown_table([]) == ""


def test_cells_cannot_break_the_table():
    assert markdown_table([{"a": "x|y"}]).splitlines()[-1] == "| x\\|y |"


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"task": "bench"}), "{"])
def test_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "retrieval").mkdir()
    (tmp_path / "retrieval" / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json"):
        read_results(tmp_path, "retrieval")
