"""Records of captioning runs: measures by language, seeds, attributes, names of files; and the paper's tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_datasets import write_fake

from geoglot.core.errors import DataError, UsageError
from geoglot.core.runs import write_json
from geoglot.data.captioned import load_dataset
from geoglot.engine.captioning.evaluation import evaluate_captioning
from geoglot.engine.captioning.java_measures import JavaMeasure, JavaMeasures
from geoglot.engine.captioning.prediction import Prediction, save_predictions
from geoglot.engine.captioning.recipe import captioning_recipe_from, recipe_record
from geoglot.engine.captioning.tables import captioning_rows, jtts_tables
from geoglot.engine.paper_tables import tables_of
from geoglot.engine.tables import read_results
from geoglot.metrics.caption import caption_measures
from geoglot.text.attributes import AttributeDictionary
from geoglot.text.ptb import caption_words


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    for name in ("ucm", "rsicd"):
        write_fake(root, name)
    return root


def write_run(folder: Path, data_root: Path, *, wrong: int = 0, drop: int = 0, **changes: Any) -> Path:
    """A run as training writes it, whose captions are the images' own first ones but for the first ``wrong`` images.

    The first attribute, ``planes``, is said of every image with 0.9, the second, ``sand``, of none.
    """
    recipe = captioning_recipe_from({"method": "jtts", "datasets": ("ucm",), **changes})
    folder.mkdir(parents=True)
    predictions = []
    for dataset in recipe.datasets:
        for split in ("val", "test"):
            records = load_dataset(dataset).records(split, data_root)[drop:]
            for language in recipe.languages:
                for row, record in enumerate(records):
                    caption = "nothing at all here" if row < wrong else record.captions[0]
                    own: dict[str, Any] = {"attributes": {"planes": 0.9}, "sampled": ("planes", "sand")}
                    predictions.append(
                        Prediction(
                            dataset=dataset,
                            id=record.id,
                            split=split,
                            language=language,
                            caption=caption,
                            **({} if recipe.config.get("variant") == "b" else own),
                        )
                    )
    save_predictions(predictions, folder / "predictions.jsonl")
    AttributeDictionary(["planes", "sand"]).save(folder / "attributes.json")
    write_json(folder / "recipe.json", recipe_record(recipe))
    write_json(folder / "env.json", {"commit": "c", "cpu": "x", "cores": 2})
    sizes = {"vocabulary": 9, "attributes": 2, "channels": 3}
    about = {"name": recipe.backbone, "weights": "w.safetensors", "trained_on": ["rsicd train"]}
    write_json(folder / "config.json", {**sizes, "backbone_sha256": "abc", "backbone_about": about})
    summary = {"best_epoch": 2, "beam": 1, "training_seconds": 5.0, "parameters": 1000, "validation_cider_by_beam": {}}
    write_json(folder / "summary.json", summary)
    return folder


def test_a_record_of_two_seeds(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # without Java
    runs = [write_run(tmp_path / f"run{seed}", data_root, wrong=seed, seed=seed) for seed in (1, 0)]
    [(record, path)] = evaluate_captioning(runs, tmp_path / "results", data_root=data_root)
    assert path == tmp_path / "results" / "captioning" / "jtts-ucm.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(record))
    assert [run["seed"] for run in record["runs"]] == [0, 1]
    images = load_dataset("ucm").records("test", data_root)
    references = {image.id: list(image.captions) for image in images}
    said = {image.id: image.captions[0] for image in images}
    right = caption_measures(said, references, tokenise=caption_words)
    wrong = caption_measures({**said, images[0].id: "nothing at all here"}, references, tokenise=caption_words)
    cider = record["splits"]["test"]["en"]["cider"]
    assert cider["value"] == pytest.approx((right.cider + wrong.cider) / 2, abs=1e-4)
    # Two values a and b deviate by |a - b| / sqrt(2) from their mean.
    assert cider["spread"] == pytest.approx(abs(right.cider - wrong.cider) / np.sqrt(2), abs=1e-4)
    assert cider["interval"][0] <= cider["value"] <= cider["interval"][1]
    assert record["runs"][0]["cider"]["test"]["en"] == pytest.approx(right.cider, abs=1e-4)
    assert record["splits"]["test"]["en"]["bleu_1"]["value"] == pytest.approx(
        (right.bleu[0] + wrong.bleu[0]) / 2, abs=1e-4
    )
    # Four images, one of them of an airport; "planes" is said of all, and "sand", of the beach, of none.
    seen = record["attributes"]["test"]["probable"]
    assert (seen["precision"]["value"], seen["recall"]["value"]) == (0.25, 0.5)
    sampled = record["attributes"]["test"]["sampled"]
    assert (sampled["precision"]["value"], sampled["recall"]["value"]) == (0.25, 1.0)
    assert record["protocol"]["backbone"]["trained_on"] == ["rsicd train"]
    assert str(tmp_path) not in json.dumps(record)
    assert record["protocol"]["left_out"] == {"meteor": "Java is not installed", "spice": "Java is not installed"}


def test_what_the_public_programs_say(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(hypotheses: dict[str, str], references: object, *, language: str) -> JavaMeasures:
        if language != "en":
            return JavaMeasures(meteor=JavaMeasure(left_out="French"), spice=JavaMeasure(left_out="French"))
        value = 0.5 if "nothing at all here" in hypotheses.values() else 0.7
        return JavaMeasures(meteor=JavaMeasure(value=value), spice=JavaMeasure(left_out="no jar"))

    monkeypatch.setattr("geoglot.engine.captioning.evaluation.java_measures", said)
    runs = [write_run(tmp_path / f"{s}", data_root, wrong=s, seed=s, languages=("en", "fr")) for s in (0, 1)]
    [(record, _)] = evaluate_captioning(runs, data_root=data_root)
    figures = record["splits"]["test"]["en"]
    assert figures["meteor"]["value"] == pytest.approx(0.6)
    parts = [figures[name]["value"] for name in ("bleu_4", "meteor", "rouge_l", "cider")]
    assert figures["mean_score"]["value"] == pytest.approx(sum(parts) / 4, abs=2e-4)
    assert "spice" not in figures
    assert record["protocol"]["left_out"] == {"spice": "no jar"}
    assert "meteor" not in record["splits"]["test"]["fr"]
    assert "meteor" not in record["splits"]["val"]["en"]


def test_paths_stay_out_of_a_record(data_root: Path, tmp_path: Path) -> None:
    weights = str(tmp_path / "weights" / "mine.safetensors")
    run = write_run(tmp_path / "run", data_root, backbone_weights=weights, word_vectors=weights)
    [(record, _)] = evaluate_captioning([run], data_root=data_root)
    assert record["configuration"]["backbone_weights"] == "mine.safetensors"
    assert str(tmp_path) not in json.dumps(record)


def test_every_dataset_and_language_is_measured_alone(data_root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data_root, datasets=("ucm", "rsicd"), languages=("en", "fr"))
    found = evaluate_captioning([run], tmp_path / "results", data_root=data_root)
    assert [path.name for _, path in found if path is not None] == [
        "jtts-ucm-trained-on-ucm-rsicd-en-fr.json",
        "jtts-rsicd-trained-on-ucm-rsicd-en-fr.json",
    ]
    figures = found[0][0]["splits"]["test"]
    # English sentences where French ones are asked for.
    assert figures["fr"]["bleu_1"]["value"] < 0.3 < figures["en"]["bleu_1"]["value"]
    assert found[0][0]["protocol"]["images"] == {"val": 4, "test": 4}


def test_configurations_are_told_apart(data_root: Path, tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", data_root, config={"variant": "b"}),
        write_run(tmp_path / "b", data_root, config={"variant": "b"}, epochs=3),
        write_run(tmp_path / "c", data_root, config={"variant": "sg+MSO+Ld", "margin": 0.3}),
    ]
    found = evaluate_captioning(runs, tmp_path / "results", data_root=data_root)
    names = [path.name for _, path in found if path is not None]
    assert names[0] == "jtts-b-ucm.json"
    assert re.fullmatch(r"jtts-b-ucm-[0-9a-f]{8}\.json", names[1])
    assert names[2] == "jtts-sg-MSO-Ld-margin-0.3-ucm.json"
    assert found[0][0]["attributes"]["test"] is None
    # Once more: the files are replaced by themselves.
    again = evaluate_captioning(runs, tmp_path / "results", data_root=data_root)
    assert [path for _, path in again] == [path for _, path in found]


def test_what_is_refused(data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--run"):
        evaluate_captioning([], data_root=data_root)
    run = write_run(tmp_path / "run", data_root)
    with pytest.raises(UsageError, match="one seed twice"):
        evaluate_captioning([run, run], data_root=data_root)
    with pytest.raises(DataError, match="has no en caption"):
        evaluate_captioning([write_run(tmp_path / "short", data_root, drop=1)], data_root=data_root)
    (run / "summary.json").unlink()
    with pytest.raises(DataError, match="not finished"):
        evaluate_captioning([run], data_root=data_root)
    broken = write_run(tmp_path / "broken", data_root)
    (broken / "predictions.jsonl").write_text('{"id": 3}\n')
    with pytest.raises(DataError, match="line 1"):
        evaluate_captioning([broken], data_root=data_root)


def test_the_paper_s_tables_have_ours_below(data_root: Path, tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "b0", data_root, config={"variant": "b", "hidden": 256}, seed=0),
        write_run(tmp_path / "b1", data_root, config={"variant": "b", "hidden": 256}, seed=1, wrong=1),
        write_run(tmp_path / "full", data_root, wrong=1),
        write_run(tmp_path / "margin", data_root, config={"variant": "sg+MSO+Ld", "margin": 0.4}, wrong=2),
        write_run(tmp_path / "up_down", data_root, method="up_down", wrong=3),
    ]
    evaluate_captioning(runs, tmp_path / "results", data_root=data_root)
    records = read_results(tmp_path / "results", "captioning")
    tables = tables_of("jtts", tmp_path / "results")
    assert tables == jtts_tables(records)
    assert len(tables) == 9

    def ours(title: str, **fields: str) -> list[dict[str, str]]:
        rows = next(rows for name, rows in tables.items() if name.startswith(title + ":"))
        return [r for r in rows if r["row"].startswith("ours") and fields.items() <= r.items()]

    [baseline] = ours("Table V", dataset="ucm", step="b.")
    assert (baseline["runs"], baseline["hidden"], "±" in baseline["C"]) == ("2", "256", True)
    assert baseline["M"] == baseline["S"] == baseline["Sm"] == ""
    assert ours("Table V", dataset="ucm", step="b.+sg/s")[0]["C"] == ""
    assert ours("Table V", dataset="ucm", step="b.+sg+MSO+Ld")[0]["runs"] == "1"
    assert [row["margin"] for row in ours("Table VI", dataset="ucm") if row["C"]] == ["0.2", "0.4"]
    assert [row["lambda"] for row in ours("Table VII", dataset="ucm") if row["C"]] == ["0.5"]
    assert [row["method"] for row in ours("Table II") if row["C"]] == ["Ours", "Up-Down"]
    assert ours("Table I", dataset="ucm", CNN="ResNet-101")[0]["C"] != ""
    assert ours("Table VIII", step="b.")[0]["training s"] == "5"
    # Every printed row is there, and never mixed with ours.
    printed = [row for row in tables["Table IV: RSICD"] if row["row"] == "published"]
    assert len(printed) == 18
    assert printed[-1]["C"] == "2.7958"
    shown = captioning_rows(records)
    assert [bool(row["CIDEr 95 %"]) for row in shown] == [True] * 4
    assert tables_of("jtts", tmp_path / "nothing")["Table V: ablation"][1]["C"] == ""
