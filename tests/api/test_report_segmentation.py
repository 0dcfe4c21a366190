"""The page of a segmentation run: right numbers, right pictures, harmless whatever a run says, honest about gaps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_squares import SIDE, write_referring
from numpy.typing import NDArray
from page_reader import Reader

import geoglot as gg
from geoglot.api.reports.segmentation_pictures import (
    HIT,
    MISSED,
    STRENGTH,
    TRUTH,
    WRONG,
    enlarged,
    outlined,
    with_agreement,
    with_truth,
)
from geoglot.api.reports.segmentation_run import (
    by_category,
    by_size,
    by_template,
    chosen_samples,
    find_pictures,
    histogram,
    load_run,
)
from geoglot.cli import main as program
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import write_json
from geoglot.data.referring import load_referring, read_pair
from geoglot.engine.segmentation.saved_masks import Prediction, SavedMasks, as_bits, save_predictions
from geoglot.metrics.mask import mask_measures

HOSTILE = "<script>alert(1)</script> \u202e square"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_referring(tmp_path_factory.mktemp("referring") / "squares")


def write_run(folder: Path, data: Path, *, grow: int = 0, languages: tuple[str, ...] = ("en",), **more: Any) -> Path:
    """Every test phrase gets its true mask, moved to the right by some pixels."""
    lines, predicted, truth = [], [], []
    for record in load_referring(str(data)).records("test"):
        mask = read_pair(record)[1]
        truth.append(as_bits(mask))
        for language in languages:
            if language not in record.phrases:
                continue
            predicted.append(as_bits(np.roll(mask, grow, axis=1)))
            fields: dict[str, Any] = {
                "dataset": "squares",
                "id": record.id,
                "scene": record.scene,
                "split": "test",
                "language": language,
                "phrase": record.phrases[language],
                "categories": record.categories,
                "template": record.template,
                "score": 0.9,
                "truth": len(truth) - 1,
            }
            lines.append(Prediction(**{**fields, **more}))
    lines.append(Prediction(**{**fields, "split": "val", "phrase": "never shown"}))
    predicted.append(predicted[-1])
    folder.mkdir(parents=True)
    saved = SavedMasks(lines=tuple(lines), side=SIDE, predicted=np.stack(predicted), truth=np.stack(truth))
    save_predictions(saved, folder)
    recipe = {"kind": "segmenter", "method": "lavt", "languages": languages, "datasets": [str(data)], "size": "compact"}
    write_json(folder / "recipe.json", recipe)
    watched = {"epoch": 3, "figures": {"en": {"miou": 0.4321}}}
    write_json(folder / "summary.json", {"best_epoch": 2, "parameters": 12345, "test_watched": watched})
    curve = [
        {
            "epoch": e,
            "loss_total": 3 / e,
            "loss_mask": 2 / e,
            "miou": e / 10,
            "val": {"en": {"miou": e / 10}},
            "test_watched": {"en": {"miou": e / 20}},
        }
        for e in (1, 2, 3)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in curve), encoding="utf-8")
    return folder


def test_the_numbers_are_those_of_the_measures(data: Path, tmp_path: Path) -> None:
    good, bad = write_run(tmp_path / "good", data), write_run(tmp_path / "bad", data, grow=2)
    report = gg.segmentation_report(good, against=[bad])
    page = report.page()
    masks = [read_pair(record)[1] for record in load_referring(str(data)).records("test")]
    for record, grow in zip(report.as_records(), (0, 2), strict=True):
        wanted = mask_measures([np.roll(mask, grow, axis=1) for mask in masks], masks).figures()
        assert {name: record[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)
        assert "".join(f"<td>{value:.4f}</td>" for value in wanted.values()) in page
    assert report.as_records()[0]["miou"] == 1.0
    # Squares of 8 x 8 moved by 2: 48 pixels of 80.
    assert report.as_records()[1]["miou"] == 0.6
    # A mask of all pixels: 64 of 1,024.
    assert page.count("<td>0.0625</td>") == 2
    assert "0.4321" in page
    assert "two empty masks: IoU 0" in page


def test_the_page_is_harmless_whatever_a_run_says(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data, phrase=HOSTILE, categories=(HOSTILE,), template="category")
    page = gg.segmentation_report(run).page()
    reader = Reader(page)
    assert "script" not in reader.tags
    assert "\u202e" not in page
    assert not re.search(r"https?:", page)
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    anchors = [value for _, name, value in reader.attributes if name == "id"]
    assert len(anchors) == len(set(anchors))
    assert {value[1:] for _, name, value in reader.attributes if name == "href"} <= set(anchors)
    assert "never shown" not in page
    assert str(data.parent) not in page


def test_every_example_has_its_pictures(data: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, data, grow=grow) for name, grow in (("one", 1), ("two", 3))]
    report = gg.segmentation_report(runs[0], against=runs[1:], examples=2)
    page = report.page()
    # Two each of best, median and worst of eight phrases: picture, truth, and a mask of each run.
    assert page.count("<img ") == 6 * 4
    assert page.count("IoU 0.778") == 6  # 56 of 72
    assert page.count("IoU 0.455") == 6  # 40 of 88


def test_what_is_missing_is_said(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data)
    recipe = json.loads((run / "recipe.json").read_text())
    write_json(run / "recipe.json", {**recipe, "datasets": ["/nowhere/squares"]})
    (run / "metrics.jsonl").unlink()
    page = gg.segmentation_report(run).page()
    for words in ("No picture of squares is shown", "run reports no losses", "run reports no validation mIoU"):
        assert words in page
    assert "/nowhere" not in page
    assert "<img " not in page
    assert "IoU 1.000" in page


def test_arabic_runs_from_right_to_left(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data, language="ar", phrase="مربع أحمر")
    page = gg.segmentation_report(run).page()
    assert '<h4 lang="ar" dir="rtl">مربع أحمر</h4>' in page


def test_parts_of_the_phrases(data: Path, tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", data, grow=2, languages=("en", "fr")))
    asked = run.asked["squares", "en"]
    assert {name: len(one.lines) for name, one in by_category(asked).items()} == {"blue": 2, "green": 2, "red": 2}
    assert {name: len(one.lines) for name, one in by_template(asked).items()} == {"category": 6, "category+relation": 2}
    # 64 of 1,024 pixels are 6.25 %.
    assert list(by_size(asked)) == ["5 to 20 %"]
    assert len(run.asked["squares", "fr"].lines) == 6
    assert set(find_pictures(run, None).records["squares"]) == {line.id for line in asked.lines}


def test_samples_are_chosen_by_iou(data: Path, tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", data))
    asked = run.asked["squares", "en"]
    both = np.array([64, 10, 50, 0, 20, 30, 40, 0])
    either = np.array([64, 64, 64, 0, 64, 64, 64, 64])
    changed = type(asked)(
        rows=asked.rows,
        lines=asked.lines,
        both=both,
        either=either,
        foreground=np.where(either > 0, 0.1, 0.0),
    )
    # Place 3 has nothing to find. By IoU: 0, 2, 6, 5, 4, 1, 7.
    assert chosen_samples(changed, 2) == {"best": [0, 2], "median": [6, 5], "worst": [7, 1]}
    assert chosen_samples(changed, 4) == {"best": [0, 2, 6, 5], "median": [], "worst": [7, 1, 4]}


def test_every_share_is_counted_once() -> None:
    shares = np.array([0.0, 0.049, 0.05, 0.3, 0.999, 1.0])
    counts = histogram(shares, bins=20)
    assert (counts["0 to 5 %"], counts["5 to 10 %"], counts["95 to 100 %"], sum(counts.values())) == (2, 1, 2, 6)


def grey() -> NDArray[np.uint8]:
    return np.full((24, 24, 3), 100, dtype=np.uint8)


def block(top: int, left: int, size: int = 12) -> NDArray[np.bool_]:
    mask = np.zeros((24, 24), dtype=np.bool_)
    mask[top : top + size, left : left + size] = True
    return mask


def test_colours_of_hits_and_errors() -> None:
    """Within the outline: what both have is green; of what is missed or wrong every other stripe is left as it was."""
    mask, truth = block(0, 0), block(0, 6)
    shown = with_agreement(grey(), mask, truth)

    def share(colour: tuple[int, int, int], where: NDArray[np.bool_]) -> float:
        wanted = np.round((1 - STRENGTH) * 100 + STRENGTH * np.array(colour))
        return float((shown[where] == wanted).all(1).mean())

    inside = np.zeros_like(mask)
    inside[1:11, 1:11] = True
    assert share(HIT, mask & truth & inside) == 1.0
    assert share(WRONG, mask & ~truth & inside) == pytest.approx(0.5)
    assert share(MISSED, truth & ~mask) == pytest.approx(0.5)
    assert (shown[~mask & ~truth] == 100).all()
    assert (shown[0, :12] == 255).all()
    blue = with_truth(grey(), truth)
    assert tuple(blue[5, 12]) == tuple(round(0.45 * 100 + STRENGTH * value) for value in TRUTH)


def test_outlines_and_sizes() -> None:
    assert (outlined(grey(), block(4, 4, 3)) == 255).all(2).sum() == 8
    assert (outlined(grey(), np.zeros((24, 24), dtype=np.bool_)) == 100).all()
    mask = block(4, 4)
    assert (enlarged(mask, 48)[::2, ::2] == mask).all()
    assert (enlarged(mask, 24) == mask).all()
    assert enlarged(mask, 36).mean() == pytest.approx(mask.mean())


def test_runs_that_do_not_fit(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data)
    with pytest.raises(UsageError, match="shows nothing"):
        gg.segmentation_report(run, examples=0)
    with pytest.raises(UsageError, match="named twice"):
        gg.segmentation_report(run, against=[run])
    with pytest.raises(UsageError, match="in common"):
        gg.segmentation_report(run, against=[write_run(tmp_path / "other", data, dataset="else")])
    (tmp_path / "captions").mkdir()
    write_json(tmp_path / "captions" / "recipe.json", {"kind": "captioner"})
    with pytest.raises(DataError, match="not a run of referring segmentation"):
        gg.segmentation_report(tmp_path / "captions")
    (run / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(DataError, match="cannot be read"):
        gg.segmentation_report(run)


def test_from_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", data)
    assert program.main(["report", "segmentation", str(run), "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["miou"] == 1.0
    assert (run / "report.html").is_file()
    assert "wrote" in shown.err
