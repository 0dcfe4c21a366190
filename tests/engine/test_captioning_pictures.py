"""Where a captioner looks: the run's own words, one map each, and only through the backbone it trained with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_datasets import write_fake
from toy_captioning import picture_recipe

from geoglot.core.errors import DataError
from geoglot.data.captioned import load_dataset
from geoglot.engine.captioning.pictures import attention_pictures
from geoglot.engine.captioning.prediction import load_predictions
from geoglot.engine.captioning.running import run_captioning


def test_every_word_of_the_runs_caption_has_a_map(tmp_path: Path) -> None:
    write_fake(tmp_path, "ucm", side=64)
    run = run_captioning(picture_recipe(epochs=1), tmp_path / "run", data_root=tmp_path)
    records = load_dataset("ucm").records("test", tmp_path)
    said = {one.id: one.caption for one in load_predictions(run / "predictions.jsonl") if one.split == "test"}
    looked = attention_pictures(run, [record.path for record in records])
    for record, one in zip(records, looked, strict=True):
        assert " ".join(one.words) == said[record.id]
        assert one.maps.shape[0] == len(one.words)
        assert one.maps.sum((1, 2)) == pytest.approx(1, abs=1e-5)
    sizes = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**sizes, "backbone_sha256": "0" * 64}))
    with pytest.raises(DataError, match="another backbone"):
        attention_pictures(run, [records[0].path])
