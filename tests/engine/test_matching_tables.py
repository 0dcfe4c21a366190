from __future__ import annotations

from typing import Any

import pytest
from toy_matching import toy_predictions, write_run

from geoglot.api.bench import paper_tables
from geoglot.data.published_matching import (
    FIGURES,
    RELEVANT,
    TABLE_I,
    TABLE_II,
    TABLE_III,
    TABLE_IV,
    precision_bound,
)
from geoglot.engine.matching.evaluation import evaluate_runs, write_matching_result
from geoglot.engine.matching.tables import matching_rows
from geoglot.engine.tables import read_results, results_page

PAPER = "residual-dyad"
RSICD = {"kind": "reconstruction", "data": ["rsicd"]}
OWN = {"kind": "reconstruction", "data": ["train"]}
PAIRS = {"kind": "pairs", "data": ["train"]}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Records of the toy under the names of the paper's cells."""
    tmp_path = tmp_path_factory.mktemp("matching")
    folder = tmp_path / "results"

    def add(name: str, *, seeds: int = 1, noise: float = 0.5, **changes: Any) -> None:
        runs = [
            write_run(tmp_path / f"{name}{s}", toy_predictions(seed=s, noise=noise), seed=s, **changes)
            for s in range(seeds)
        ]
        write_matching_result(evaluate_runs(runs, resamples=10), folder)

    add("dyad", seeds=3, noise=0.1, stages=[RSICD, OWN, PAIRS])
    add("dyad-dml", stages=[RSICD, OWN, PAIRS], config={"discriminator": "residual"})
    add("plain", stages=[RSICD, PAIRS], config={"autoencoder": "residual", "discriminator": "residual"})
    add("distance", noise=3.0, stages=[RSICD, OWN], metric="euclidean")
    add("hog", stages=[], descriptor="hog", metric="euclidean")
    add("hog-cosine", stages=[], descriptor="hog", metric="cosine")
    add("hog-learned", stages=[PAIRS], descriptor="hog")
    add("fisher", stages=[], descriptor="dense_sift", descriptor_config={"aggregation": "fisher"}, metric="euclidean")
    weights = {"source": str(tmp_path / "some-run")}
    add("backbone", stages=[], descriptor="backbone", metric="euclidean", descriptor_config=weights)
    add("resnet50", stages=[], descriptor="resnet50", metric="euclidean")
    add("proxies", stages=[{"kind": "classes"}], method="normalised_softmax", metric="cosine")
    add("scenes", stages=[RSICD, OWN, PAIRS], dataset="satscene")
    for share in (0.7, 0.5):
        add(f"share{share}", stages=[RSICD, OWN, PAIRS], share=share)
    folds = [write_run(tmp_path / f"fold{k}", toy_predictions(seed=k, fold=k), fold=k) for k in range(5)]
    write_matching_result(evaluate_runs(folds, resamples=10), folder)
    return folder


def ours(rows, **where):
    return [r for r in rows if r["row"].startswith("ours") and all(r[key] == value for key, value in where.items())]


def test_every_printed_row_has_one_of_ours(results):
    tables = paper_tables(PAPER, results)
    one, two, three, four, folds, shares = tables.values()
    assert all(len({tuple(row) for row in rows}) == 1 for rows in tables.values())  # one set of columns a table
    for rows, printed in ((one, TABLE_I), (two, TABLE_II), (three, TABLE_III), (four, TABLE_IV), (folds, [0])):
        places = [number for number, row in enumerate(rows) if row["row"] == "published"]
        assert len(places) == len(printed)
        assert all(rows[place + 1]["row"].startswith("ours") for place in places)
    assert {row["share"] for row in shares} == {"0.8", "0.7", "0.6", "0.5", "0.4", "0.3"}


def test_cells_of_table_one(results):
    rows = paper_tables(PAPER, results)["Table I: with and without residual-dyad, UC Merced"]
    tuned = ours(rows, autoencoder="ResDyadAE", **{"learned from": "Fine Tuned"})
    assert [row["gallery"] for row in tuned] == ["all", "test"]
    assert {row["runs"] for row in tuned} == {"1/3"}  # ResDML, ResDyadDML
    assert "±" in tuned[0]["ResDyadDML mAP"]
    assert "±" not in tuned[0]["ResDML mAP"]
    plain = ours(rows, autoencoder="ResAE", **{"learned from": "GTCrossView"})
    assert plain[0]["row"] == "ours, rsicd"
    assert plain[0]["ResDML mAP"]
    assert plain[0]["ResDyadDML mAP"] == ""
    empty = ours(rows, autoencoder="ResAE", **{"learned from": "LandUse"})
    assert [(row["ResDML mAP"], row["side px"]) for row in empty] == [("", "")]


def test_cells_of_table_two(results):
    rows = paper_tables(PAPER, results)["Table II: mAP by Euclidean distance and learned, UC Merced"]
    for features in ("HoG", "ResDyadAE"):
        for row in ours(rows, features=features):
            assert row["Euclidean mAP"]
            assert row["learned mAP"]
    assert len(ours(rows, features="ResDyadAE")) == 4  # two discriminators, two galleries
    assert ours(rows, features="our backbone")[0]["learned mAP"] == ""
    assert ours(rows, features="VGG-16")[0]["Euclidean mAP"] == ""


def test_cells_of_tables_three_and_four(results):
    tables = paper_tables(PAPER, results)
    rows = tables["Table III: UC Merced"]
    assert len(ours(rows, method="HoG")) == 2  # Euclidean alone, both galleries
    assert len(ours(rows, method="HoG, cosine")) == 2  # after the printed rows
    assert all(ours(rows, method="Dense SIFT (FV)")[0][name] for name in FIGURES)
    assert ours(rows, method="Dense SIFT (VLAD)")[0]["mAP"] == ""
    assert {row["method"] for row in ours(rows)} >= {
        "our backbone, euclidean",
        "normalised softmax, cosine",
        "HoG, ResDyadDML",
    }
    assert ours(rows, method="SatResNet-50")[0]["row"] == "ours, ResNet-50, euclidean"  # other weights: said so
    assert all(str(results.parent) not in file.read_text() for file in (results / "matching").iterdir())
    scenes = tables["Table IV: SatScene"]
    assert scenes[-2]["row"] == "ours, rsicd then train, ResDyadAE-ResDyadDML"
    printed = next(r for r in scenes if r["method"] == "SatResNet-50" and r["row"] == "published")
    assert (printed["P@100"], printed["mAP"]) == ("68.02 (impossible)", "74.19")


def test_shares_show_only_what_was_trained_at_another_share(results):
    rows = paper_tables(PAPER, results)["Figure 10: shares of UC Merced that train"]
    assert {row["method"] for row in rows if row["share"] == "0.8"} == {"ResDyadAE-ResDyadDML"}
    assert [row["mAP"] for row in rows if row["share"] == "0.3"] == [""]


def test_results_page(results):
    rows = matching_rows(read_results(results, "matching"))
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0]["clean"] == "no"
    assert rows[1]["clean"] == "yes"
    assert rows[0]["features and comparison"] in results_page(results)


def test_without_results_the_cells_are_empty(tmp_path):
    tables = paper_tables(PAPER, tmp_path)
    assert all(row["runs"] == "" for rows in tables.values() for row in rows)
    assert len(tables["Table III: UC Merced"]) == 2 * len(TABLE_III)


@pytest.mark.parametrize(("table", "dataset"), [(TABLE_III, "ucm"), (TABLE_IV, "satscene")])
def test_exactly_the_cells_beyond_the_bound_are_called_impossible(table, dataset):
    """P@k of a class with G images is at most G / k: counted from the sizes, against what is marked by hand."""
    for row in table:
        for name, value in row.cells.items():
            if name.startswith("P@") and value is not None:
                beyond = value > precision_bound(dataset, int(name[2:])) + 0.005
                assert (row.verdict(name) == "impossible") == beyond, (row.title, name)
    assert RELEVANT["satscene"] * 19 == pytest.approx(1005)


def test_the_copied_row_is_marked():
    copied = next(row for row in TABLE_IV if row.title == "Dense SIFT (VLAD)")
    assert copied.figures == next(row for row in TABLE_III if row.title == copied.title).figures
    assert all(copied.verdict(name) for name in FIGURES)


def test_the_bound_of_precision_on_map():
    """With G = 100 and x = P@100, AP is most when all x stand first and the others from place 101 on."""
    for row in TABLE_III:
        within = round(row.cells["P@100"])
        places = [*range(1, within + 1), *range(101, 201 - within)]
        most = sum(number / place for number, place in enumerate(places, start=1))  # of 100, in percent
        assert (row.verdict("mAP") == "impossible") == (row.cells["mAP"] > most + 1), row.title
