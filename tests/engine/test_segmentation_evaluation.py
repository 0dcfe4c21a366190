"""Saved masks and what is measured of them: by hand, damaged files, several seeds, names of results, tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_referring import small_recipe

from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import write_json
from geoglot.data.published_segmentation import MEASURES, TABLE_II, TABLE_III, TABLE_IV
from geoglot.engine.segmentation.evaluation import evaluate_segmentation, result_name, scene_interval
from geoglot.engine.segmentation.recipe import recipe_record
from geoglot.engine.segmentation.saved_masks import (
    FILE,
    MASKS,
    Prediction,
    SavedMasks,
    as_bits,
    as_mask,
    load_predictions,
    save_predictions,
)
from geoglot.engine.segmentation.tables import category_rows, lgce_tables, segmentation_rows
from geoglot.metrics.mask import mask_measures

SIDE = 5


def row_of(pixels: int, *, first: int = 0) -> NDArray[np.bool_]:
    """A mask of 5 x 5 whose pixels from one on, row by row, are true."""
    mask = np.zeros(SIDE * SIDE, dtype=np.bool_)
    mask[first : first + pixels] = True
    return mask.reshape(SIDE, SIDE)


def line(split: str, scene: str, place: int, truth: int, **more: Any) -> Prediction:
    fields: dict[str, Any] = {
        "dataset": "squares",
        "id": f"{scene}_{place}",
        "scene": scene,
        "split": split,
        "language": "en",
        "phrase": "red square",
        "categories": ("red",),
        "template": "category",
        "score": 0.75,
        "truth": truth,
    }
    return Prediction(**{**fields, **more})


def saved_masks(*, shift: int = 0) -> SavedMasks:
    """Four test phrases of two scenes and one to validate, whose IoU are told in the tests."""
    truth = [row_of(10), row_of(10), row_of(4), row_of(0), row_of(20)]
    predicted = [row_of(10 - shift), row_of(6, first=4), row_of(4), row_of(0), row_of(10)]
    lines = [
        line("test", "a", 0, 0),
        line("test", "a", 1, 1, categories=("green",), phrase="green square"),
        line("test", "b", 0, 2, categories=("red", "blue"), template="category+relation", phrase="red near blue"),
        line("test", "b", 1, 3, categories=("blue",), phrase="blue square"),
        line("val", "c", 0, 4),
    ]
    return SavedMasks(
        lines=tuple(lines),
        side=SIDE,
        predicted=np.stack([as_bits(mask) for mask in predicted]),
        truth=np.stack([as_bits(mask) for mask in truth]),
    )


def write_run(run: Path, *, seed: int = 0, shift: int = 0, **changes: Any) -> Path:
    run.mkdir(parents=True)
    save_predictions(saved_masks(shift=shift), run)
    watched = {"epoch": 2, "figures": {"en": {"miou": 0.9}}}
    recipe = replace(small_recipe(Path("/data/squares")), seed=seed, config={}, size="compact", **changes)
    write_json(run / "recipe.json", recipe_record(recipe))
    write_json(run / "config.json", {"vocabulary": 9, "max_length": 20, "side": SIDE, "weights": None})
    write_json(run / "env.json", {"cpu": "a cpu", "cores": 2, "commit": "abc"})
    numbers = {"best_epoch": 2, "training_seconds": 3.0, "parameters": 7, "steps": 4, "samples": {"train": 24}}
    write_json(run / "summary.json", {**numbers, "test_watched": watched})
    return run


def test_by_hand(tmp_path: Path) -> None:
    """IoU 10 / 10, then 6 / 10, 4 / 4, and two empty masks: 0.

    mIoU = (1 + 0.6 + 1 + 0) / 4 = 0.65; oIoU = (10 + 6 + 4) / (10 + 10 + 4) = 20 / 24; Pr@0.6 = 3 / 4, Pr@0.7 = 2 / 4.
    Alone: red 1, green 0.6, blue 0. Foreground (10 + 10 + 4 + 0) / 100 = 24 %.
    """
    [(record, path)] = evaluate_segmentation([write_run(tmp_path / "run")], tmp_path / "results")
    figures = record["splits"]["test"]["en"]
    assert figures["miou"]["value"] == 0.65
    assert figures["oiou"]["value"] == round(20 / 24, 4)
    assert [figures[f"pr@0.{n}"]["value"] for n in (5, 6, 7, 8, 9)] == [0.75, 0.75, 0.5, 0.5, 0.5]
    assert (figures["phrases"], figures["scenes"], figures["foreground_percent"]) == (4, 2, 24.0)
    assert figures["everything_miou"] == 0.24
    assert {name: part["miou"]["value"] for name, part in figures["categories"].items()} == {
        "red": 1.0,
        "green": 0.6,
        "blue": 0.0,
    }
    assert figures["templates"]["category+relation"]["phrases"] == 1
    # 10 of 20 pixels.
    assert record["splits"]["val"]["en"]["miou"]["value"] == 0.5
    assert path == tmp_path / "results" / "segmentation" / "lavt-compact-squares.json"
    assert json.loads(path.read_text()) == record
    assert "/data" not in path.read_text()


@pytest.mark.parametrize(("rule", "miou", "blue"), [("zero", 0.65, 0.0), ("one", 0.9, 1.0), ("left-out", 0.8667, 0.0)])
def test_the_rule_for_empty_masks_is_told(tmp_path: Path, rule: Any, miou: float, blue: float) -> None:
    """(1 + 0.6 + 1 + 1) / 4 and (1 + 0.6 + 1) / 3."""
    [(record, _)] = evaluate_segmentation([write_run(tmp_path / "run")], empty=rule)
    assert record["splits"]["test"]["en"]["miou"]["value"] == miou
    assert record["splits"]["test"]["en"]["categories"]["blue"]["miou"]["value"] == blue
    assert record["protocol"]["empty_masks"] == rule
    assert record["protocol"]["measures"][-1].startswith("two empty masks")


def test_seeds_are_taken_together(tmp_path: Path) -> None:
    """The second run loses two pixels of the first mask: IoU 8 / 10. mIoU 0.65 and 0.6, deviation 0.05 / sqrt(2)."""
    runs = [write_run(tmp_path / "b", seed=1, shift=2), write_run(tmp_path / "a")]
    [(record, _)] = evaluate_segmentation(runs)
    assert [run["seed"] for run in record["runs"]] == [0, 1]
    assert [run["miou"]["test"]["en"] for run in record["runs"]] == [0.65, 0.6]
    cell = record["splits"]["test"]["en"]["miou"]
    assert (cell["value"], cell["spread"]) == (0.625, 0.0354)
    assert record["runs"][0]["test_watched"]["figures"]["en"]["miou"] == 0.9
    [row] = segmentation_rows([record])
    assert (row["mIoU"], row["chosen on test"], row["runs"]) == ("0.6250 ± 0.0354", "0.9000", "2")
    with pytest.raises(UsageError, match="one seed twice"):
        evaluate_segmentation([tmp_path / "a", write_run(tmp_path / "c")])


def test_other_settings_are_another_record(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", seed=1, epochs=9)]
    found = evaluate_segmentation(runs, tmp_path / "results")
    assert len(found) == 2
    names = sorted(path.name for _, path in found if path is not None)
    assert names[0] == "lavt-compact-squares.json" or names[1] == "lavt-compact-squares.json"
    assert len(set(names)) == 2
    again = evaluate_segmentation(runs[:1], tmp_path / "results")
    assert again[0][1] == found[0][1]


def test_runs_on_other_phrases_do_not_compare(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", seed=1)
    saved = load_predictions(tmp_path / "b")
    changed = replace(saved, lines=(replace(saved.lines[0], phrase="a red square"), *saved.lines[1:]))
    save_predictions(changed, tmp_path / "b")
    with pytest.raises(DataError, match="different phrases"):
        evaluate_segmentation([tmp_path / "a", tmp_path / "b"])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.data())
def test_bits_and_back(side: int, data: st.DataObject) -> None:
    bits = st.lists(st.booleans(), min_size=side * side, max_size=side * side)
    masks = [np.array(data.draw(bits)).reshape(side, side) for _ in range(2)]
    assert all((as_mask(as_bits(mask), side) == mask).all() for mask in masks)
    saved = SavedMasks(
        lines=(line("test", "a", 0, 0),),
        side=side,
        predicted=as_bits(masks[0])[None],
        truth=as_bits(masks[1])[None],
    )
    both, either = saved.counts()
    wanted = mask_measures(masks[:1], masks[1:])
    assert (both.tolist(), either.tolist()) == (wanted.intersection.tolist(), wanted.union.tolist())
    assert saved.foreground()[0] == pytest.approx(masks[1].mean())


def test_saved_masks_survive(tmp_path: Path) -> None:
    wanted = saved_masks()
    save_predictions(wanted, tmp_path)
    found = load_predictions(tmp_path)
    assert found.lines == wanted.lines
    assert (found.predicted == wanted.predicted).all()
    assert (found.mask(1) == row_of(6, first=4)).all()
    assert (found.true_mask(1) == row_of(10)).all()


def damaged(saved: SavedMasks, run: Path, what: str) -> None:
    lines = [asdict(one) for one in saved.lines]
    arrays: dict[str, Any] = {"side": np.array(SIDE), "predicted": saved.predicted, "truth": saved.truth}
    if what == "line":
        lines[1] = {"id": "no prediction"}
    elif what == "pointer":
        lines[1]["truth"] = 9
    elif what == "rows":
        arrays["predicted"] = saved.predicted[:-1]
    elif what == "side":
        arrays["side"] = np.array(9)
    elif what == "beyond":
        arrays["truth"] = saved.truth | 1
    elif what == "missing":
        del arrays["truth"]
    (run / FILE).write_text("".join(json.dumps(one) + "\n" for one in lines))
    np.savez(run / MASKS, **arrays)
    if what == "cut":
        (run / MASKS).write_bytes((run / MASKS).read_bytes()[:200])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("line", "line 2"),
        ("pointer", "no true mask"),
        ("rows", "4 masks for 5 lines"),
        ("side", "9 x 9"),
        ("beyond", "beyond the last"),
        ("missing", "cannot be read"),
        ("cut", "cannot be read"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, what: str, said: str) -> None:
    damaged(saved_masks(), tmp_path, what)
    with pytest.raises(DataError, match=said):
        load_predictions(tmp_path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_predictions(tmp_path)
    run = write_run(tmp_path / "run")
    (run / "summary.json").unlink()
    with pytest.raises(DataError, match="not finished"):
        evaluate_segmentation([run])
    with pytest.raises(UsageError, match="missing"):
        evaluate_segmentation([])


def naive_interval(ious: Sequence[float], scenes: Sequence[str], resamples: int, seed: int) -> tuple[float, float]:
    """Scene by scene, phrase by phrase, from the same draws."""
    names = sorted(set(scenes))
    weights = np.random.default_rng(seed).multinomial(len(names), [1 / len(names)] * len(names), size=resamples)
    means = []
    for weight in weights:
        drawn = [iou for iou, scene in zip(ious, scenes, strict=True) for _ in range(weight[names.index(scene)])]
        means.append(sum(drawn) / len(drawn))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def test_the_interval_draws_scenes() -> None:
    ious = [0.1, 0.2, 0.9, 0.8, 0.7, 0.4]
    scenes = ["a", "a", "b", "c", "c", "c"]
    found = scene_interval(np.array(ious), scenes, resamples=300, seed=5)
    assert found == pytest.approx(naive_interval(ious, scenes, 300, 5))
    # One scene has nothing to vary, and what is not a number does not count.
    assert scene_interval(np.array([0.2, np.nan, 0.4]), ["a", "a", "a"], resamples=20) == pytest.approx((0.3, 0.3))


def test_names_of_results() -> None:
    def name(config: dict[str, Any], **more: Any) -> str:
        fields = {"config": config, "datasets": ["dubai"], "languages": ["en"], **more}
        return result_name({"configuration": fields, "model": {"id": "lgce", "size": "paper"}, "dataset": "dubai"})

    assert name({}) == name({"embed": 8}) == "lgce-dubai"
    assert name({"variant": "without-language"}) == "lgce-without-language-dubai"
    assert name({}, datasets=["dubai", "../made"]) == "lgce-dubai-trained-on-dubai-..-made"


def test_printed_tables_stand_above_ours(tmp_path: Path) -> None:
    [(record, _)] = evaluate_segmentation([write_run(tmp_path / "run")])
    tables = lgce_tables([record], {"Baseline (LAVT)": {"gigaflops": 1.0, "parameters": 2.0, "gigamacs": 0.5}})
    second = tables["Table II: methods"]
    printed = [row for row in second if row["row"] == "published"]
    assert [row["method"] for row in printed] == ["LSTM-CNN", "ConvLSTM", "CMSA", "BRINet", "LAVT", "Ours"]
    place = second.index(next(row for row in printed if row["method"] == "LAVT"))
    assert (second[place]["mIoU"], second[place]["dataset"]) == ("0.5774", "refsegrs")
    assert (second[place + 1]["mIoU"], second[place + 1]["dataset"]) == ("0.6500", "squares")
    # Of LGCE nothing was measured: its row of ours is empty.
    assert second[-1]["mIoU"] == ""
    costs = tables["Table IV: costs"]
    assert (costs[0]["MACs G"], costs[1]["MACs G"], costs[3]["MACs G"]) == ("191.91", "0.50", "")


def test_categories_are_rows(tmp_path: Path) -> None:
    [(record, _)] = evaluate_segmentation([write_run(tmp_path / "run")])
    other = {**record, "dataset": "more squares", "splits": {"test": {"en": {**record["splits"]["test"]["en"]}}}}
    other["splits"]["test"]["en"]["categories"] = {"violet": {"miou": {"value": 0.25, "spread": None}}}
    rows = category_rows([record, other])
    [green] = [row for row in rows if row["category"] == "green"]
    assert list(green.values())[1:] == ["", "0.6000"]
    assert rows[-1]["category"] == "violet"
    assert list(rows[-1].values())[1:] == ["0.2500", ""]


def test_variants_find_their_row(tmp_path: Path) -> None:
    [(record, _)] = evaluate_segmentation([write_run(tmp_path / "run")])
    for variant, row in (("without-language", 1), ("without-cross", 2), ("lgce", 3)):
        settings_ = {**record["configuration"], "config": {"variant": variant}}
        own = {**record, "configuration": settings_, "model": {"id": "lgce", "title": "LGCE", "size": "paper"}}
        table = lgce_tables([own])["Table III: ablation of LGCE"]
        ours = [one for one in table if one["row"] != "published" and one["mIoU"]]
        assert [one["model"] for one in ours] == [TABLE_III[row].name]


def test_printed_figures_make_sense() -> None:
    for row in (*TABLE_II, *TABLE_III):
        assert len(row.values) == len(MEASURES)
        shares = row.values[:5]
        assert list(shares) == sorted(shares, reverse=True)
        # A mean of numbers of which a share is at least 0.t is at least the sum of the steps.
        assert row.cells["miou"] >= 0.5 * shares[0] + 0.1 * sum(shares[1:])
        assert row.cells["oiou"] > row.cells["miou"]
    best = max(TABLE_II, key=lambda row: row.cells["miou"])
    assert best.name == "Ours"
    assert all(1.9 < row.gigaflops / row.gigamacs < 2.1 for row in TABLE_IV)
