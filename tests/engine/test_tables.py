from __future__ import annotations

import json

import pytest

from geoglot.api.bench import paper_tables
from geoglot.core.errors import DataError, UsageError
from geoglot.engine.evaluation import evaluate_retrieval, write_result
from geoglot.engine.paper_tables import first_caption_ranking
from geoglot.engine.presence import evaluate_presence
from geoglot.engine.tables import (
    confidence_rows,
    leaderboard_rows,
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
    assert page.count("Nothing measured yet.") == 8
    assert markdown_table([]) == ""


def test_cells_cannot_break_the_table():
    assert markdown_table([{"a": "x|y"}]).splitlines()[-1] == "| x\\|y |"


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"task": "bench"}), "{"])
def test_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "retrieval").mkdir()
    (tmp_path / "retrieval" / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json"):
        read_results(tmp_path, "retrieval")


def _race_result(method: str, dataset: str, mean: float) -> dict:
    from geoglot.engine.leaderboard import summary_of

    recalls = {f"R@{k}": summary_of([mean - 1, mean, mean + 1]) for k in (1, 5, 10)}
    counted = {"image_to_text": recalls, "text_to_image": recalls, "mR": summary_of([mean - 1, mean, mean + 1])}
    return {
        "task": "leaderboard",
        "method": method,
        "title": method.upper(),
        "variant": "paper",
        "dataset": dataset,
        "languages": {"en": {"plain": counted, "duplicate_aware": counted}},
        "runs": [{"seed": 0}, {"seed": 1}, {"seed": 2}],
        "trained_parameters": 1234567,
        "protocol": {"languages_trained": ["en", "ar"], "epochs": 7},
    }


def test_race_is_sorted_and_published_figures_stand_apart(tmp_path):
    folder = tmp_path / "leaderboard"
    folder.mkdir()
    for method, mean in (("mtfn", 10.0), ("scan", 12.0)):
        (folder / f"{method}.json").write_text(json.dumps(_race_result(method, "rsicd", mean)))
    rows = leaderboard_rows(read_results(tmp_path, "leaderboard"))
    assert [row["method"] for row in rows] == ["SCAN", "MTFN"]
    assert rows[1]["mR en"] == "10.00 ± 1.00"
    assert rows[1]["mR ar"] == ""
    assert (rows[1]["epochs"], rows[1]["seeds"]) == ("7", "3")
    assert rows[1]["i2t R@5"] == "10.00"
    assert rows[1]["mR en, published, another start"] == "14.81 (MTFN; ImageNet)"
    page = results_page(tmp_path)
    assert "## Same start" in page
    assert "another start" in page


def test_tables_of_the_multilanguage_paper_put_ours_beside_theirs(tmp_path):
    folder = tmp_path / "leaderboard"
    folder.mkdir()
    (folder / "scan.json").write_text(json.dumps(_race_result("scan", "ucm", 12.0)))
    (folder / "multilanguage.json").write_text(json.dumps(_race_result("multilanguage", "ucm", 20.0)))
    tables = paper_tables("multilanguage", tmp_path)
    two, three, four = tables.values()
    scan = [row for row in two if row["dataset"] == "ucm" and row["approach"] == "SCAN i2t"]
    assert [(row["row"], row["mR"]) for row in scan] == [("published", "43.43"), ("ours, same start", "12.00")]
    assert len(two) == 3 * 8 * 2
    multiple = [r for r in three if (r["dataset"], r["regime"], r["language"]) == ("ucm", "multiple", "en")]
    assert [(row["row"], row["mR"]) for row in multiple] == [("published", "55.81"), ("ours, same start", "20.00")]
    single = [r for r in three if (r["dataset"], r["regime"], r["language"]) == ("ucm", "single", "en")]
    assert [(row["row"], row["mR"]) for row in single] == [("published", "54.12"), ("ours", "")]
    assert len(four) == 16
    assert four[1]["rank"] == ""
    assert all(len({tuple(row) for row in rows}) == 1 for rows in tables.values())  # one set of columns a table
    with pytest.raises(UsageError, match="did you mean 'multilanguage'"):
        paper_tables("multilanguagee", tmp_path)


def test_rank_of_a_single_query_is_read_from_predictions(predictions):
    found = first_caption_ranking(predictions, predictions.image_ids[3], "fr")
    texts = predictions.texts["fr"]
    text = texts.text_of_caption[list(texts.image_of_caption).index(3)]
    scores = (predictions.image_vectors.astype(float) @ texts.vectors[text].astype(float)).astype("float32")
    assert int(found["rank"]) == 1 + sum(s > scores[3] for s in scores) + sum(s == scores[3] for s in scores[:3])
    assert found["rank 1"] in predictions.image_ids
    assert first_caption_ranking(predictions, "nowhere", "fr") == {}
