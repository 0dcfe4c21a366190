"""The page of a captioning run: right numbers and marks, harmless, both directions of writing, honest about gaps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_datasets import write_fake, write_translations
from page_reader import Reader

import geoglot as gg
from geoglot.api.reports.captioning_run import chosen_images, load_captioning_run, marked_attributes
from geoglot.cli import main as program
from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import write_json
from geoglot.data.captioned import load_dataset
from geoglot.data.translations import load_translations
from geoglot.engine.captioning.pictures import Looked
from geoglot.metrics.caption import caption_measures
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.ptb import caption_words

HOSTILE = "<script>alert(1)</script> \u202e houses"


@pytest.fixture(autouse=True)
def no_jars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEOGLOT_CAPTION_JARS", str(tmp_path))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    write_fake(folder, "ucm")
    write_translations(folder)
    return folder


def write_run(folder: Path, root: Path, *, languages: Sequence[str] = ("en",), shift: int = 0, **more: Any) -> Path:
    """Every test image is said what a reference of an image ``shift`` places further on says."""
    records = load_dataset("ucm").records("test", root)
    table = load_translations(root)
    lines: list[Mapping[str, Any]] = []
    for language in languages:
        for number, record in enumerate(records):
            text = records[(number + shift) % len(records)].captions[0]
            lines.append(
                {
                    "dataset": "ucm",
                    "id": record.id,
                    "split": "test",
                    "language": language,
                    "caption": table.translate(text, language),
                    "log_probability": -1.0,
                    "attributes": {"red": 0.9, "number": 0.4, "moon": 0.7},
                    "sampled": ["red"],
                    **more,
                }
            )
    lines.append({**lines[0], "split": "val", "id": "never shown"})
    folder.mkdir(parents=True)
    write_json(folder / "recipe.json", {"kind": "captioner", "method": "jtts", "languages": list(languages)})
    write_json(folder / "summary.json", {"beam": 3, "best_epoch": 2, "parameters": 12345})
    AttributeDictionary(["red", "number", "moon", "picture"]).save(folder / "attributes.json")
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
    curve = [{"epoch": e, "loss_total": 3 / e, "loss_caption": 2 / e, "cider": e / 10} for e in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in curve), encoding="utf-8")
    return folder


def test_the_numbers_are_those_of_the_measures(root: Path, tmp_path: Path) -> None:
    good, bad = write_run(tmp_path / "good", root), write_run(tmp_path / "bad", root, shift=1)
    report = gg.captioning_report(good, against=[bad], root=root)
    references = {record.id: list(record.captions) for record in load_dataset("ucm").records("test", root)}
    page = report.page()
    for record, shift in zip(report.as_records(), (0, 1), strict=True):
        items = list(references)
        said = {item: references[items[(n + shift) % len(items)]][0] for n, item in enumerate(items)}
        wanted = caption_measures(said, references, tokenise=caption_words).figures()
        assert {name: record[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)
        assert (record["meteor"], record["sm"]) == (None, None)
        assert "".join(f"<td>{value:.4f}</td>" for value in wanted.values()) in page
    # A caption that is one of its references word by word has every word and every pair right.
    assert report.as_records()[0]["bleu_4"] == pytest.approx(1.0, abs=1e-6)
    assert "Without METEOR 1.5" in page
    assert "meteor-1.5.jar is not in" in page


def test_the_page_is_harmless_whatever_a_run_says(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root, caption=HOSTILE, attributes={HOSTILE: 0.9})
    page = gg.captioning_report(run, root=root).page()
    reader = Reader(page)
    assert "script" not in reader.tags
    assert "\u202e" not in page
    assert not re.search(r"https?:", page)
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    anchors = [value for _, name, value in reader.attributes if name == "id"]
    assert len(anchors) == len(set(anchors))
    assert {value[1:] for _, name, value in reader.attributes if name == "href"} <= set(anchors)
    assert "never shown" not in page


def test_attributes_are_right_wrong_or_missed(root: Path, tmp_path: Path) -> None:
    run = load_captioning_run(write_run(tmp_path / "run", root))
    said = next(iter(run.said["ucm", "en"].values()))
    # Named are red, number and picture: red is right, moon is wrong, number (0.4) and picture (not kept) are missed.
    assert marked_attributes(run, said, ["red house number 1", "a picture"]) == [
        ("red", "right", 0.9),
        ("moon", "wrong", 0.7),
        ("number", "missed", 0.4),
        ("picture", "missed", None),
    ]
    assert marked_attributes(run, replace(said, attributes=None), ["red"]) == []


def test_arabic_runs_from_right_to_left(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root, languages=("en", "ar"))
    report = gg.captioning_report(run, root=root)
    arabic = next(iter(report.runs[0].said["ucm", "ar"].values())).caption
    assert f'<p lang="ar" dir="rtl">{arabic}</p>' in report.page()
    assert [record["language"] for record in report.as_records()] == ["en", "ar"]


def test_attention_is_drawn_once_for_every_word(root: Path, tmp_path: Path) -> None:
    report = gg.captioning_report(write_run(tmp_path / "run", root), root=root)
    assert "Attention is not shown" in report.page()
    item = next(iter(report.thumbnails))
    looked = Looked(words=("a", "red", "house"), maps=np.full((3, 2, 2), 0.25, np.float32))
    page = replace(report, looked={item: looked}, without_attention="").page()
    assert page.count("looked at for") == 3
    assert "Attention is not shown" not in page


def test_what_is_missing_is_said(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root)
    (run / "metrics.jsonl").unlink()
    (run / "attributes.json").unlink()
    page = gg.captioning_report(run, root=tmp_path / "nowhere").page()
    for words in ("Nothing of ucm is measured", "run reports no losses", "No run here predicts attributes"):
        assert words in page
    path = run / "predictions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]), encoding="utf-8")
    assert any(
        "1 test images of the data have no caption" in one for one in gg.captioning_report(run, root=root).missing
    )


def test_no_image_is_both_best_and_worst() -> None:
    values = {str(number): float(number) for number in range(5)}
    assert chosen_images(values, 2) == {"best": ["4", "3"], "median": ["2"], "worst": ["0", "1"]}
    assert chosen_images({"a": 1.0}, 2) == {"best": ["a"], "median": [], "worst": []}


def test_what_is_refused(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root)
    other = write_run(tmp_path / "other", root, languages=("fr",))
    with pytest.raises(UsageError, match="named twice"):
        gg.captioning_report(run, against=[run], root=root)
    with pytest.raises(UsageError, match="in common"):
        gg.captioning_report(run, against=[other], root=root)
    with pytest.raises(UsageError, match="at least one image"):
        gg.captioning_report(run, examples=0, root=root)
    with (run / "predictions.jsonl").open("a") as stream:
        stream.write('{"id": 1}\n')
    with pytest.raises(DataError, match=r"line \d+: is no prediction"):
        gg.captioning_report(run, root=root)
    (other / "summary.json").unlink()
    with pytest.raises(DataError, match=r"summary\.json"):
        gg.captioning_report(other, root=root)


def test_the_command_writes_the_page(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", root)
    asked = ["report", "captioning", str(run), "--data-root", str(root), "--format", "jsonl", "--quiet"]
    assert program.main(asked) == 0
    assert json.loads(capsys.readouterr().out)["images"] == len(load_dataset("ucm").records("test", root))
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
