from __future__ import annotations

import gzip
import json

import pytest
from fake_datasets import write_fake, write_published

from geoglot.core.errors import DataError, UsageError
from geoglot.data import rsicd, ucm
from geoglot.data.captioned import load_dataset


def test_manifest_order_and_fields(tmp_path):
    write_fake(tmp_path, "rsicd")
    found = rsicd.records("test", tmp_path)
    assert [record.id for record in found] == ["airport_5", "beach_5", "forest_5", "river_5"]
    assert found[1].category == "beach"
    assert found[1].captions[0] == "blue sand number 5 ."
    assert found[1].captions[1] == found[1].captions[2]


def test_published_layouts(tmp_path):
    write_published(tmp_path, "rsicd")
    found = rsicd.records("val", tmp_path)
    assert [record.id for record in found] == ["airport_1", "airport_4", "airport_7", "airport_10"]
    assert {record.category for record in found} == {"airport"}
    write_published(tmp_path, "ucm")
    assert [record.path.name for record in ucm.records("test", tmp_path)] == [
        "200.tif",
        "500.tif",
        "800.tif",
        "1100.tif",
    ]


def test_numbered_file_of_ucm_maps_to_class_and_number(tmp_path):
    write_published(tmp_path, "ucm")
    by_stem = {r.path.stem: r for split in ucm.SPLITS for r in ucm.records(split, tmp_path)}
    assert (by_stem["100"].id, by_stem["100"].category) == ("agricultural99", "agricultural")
    assert (by_stem["300"].id, by_stem["300"].category) == ("baseballdiamond99", "baseballdiamond")


def test_numbered_file_of_rsicd_has_no_class_in_the_published_layout(tmp_path):
    folder = write_published(tmp_path, "rsicd")
    listing = json.loads((folder / "dataset_rsicd.json").read_text())
    (folder / "RSICD_images" / "airport_3.jpg").rename(folder / "RSICD_images" / "00623.jpg")
    listing["images"][2]["filename"] = "00623.jpg"
    (folder / "dataset_rsicd.json").write_text(json.dumps(listing))
    assert {r.id: r.category for r in rsicd.records("train", tmp_path)}["00623"] is None


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"image": "../../secret.png", "split": "test", "captions": ["a"]}),
        json.dumps({"image": "/etc/passwd", "split": "test", "captions": ["a"]}),
        json.dumps({"image": "images/a.png", "split": "test", "captions": []}),
        json.dumps({"image": "images/a.png", "split": "test", "captions": "a sentence"}),
        json.dumps({"image": "images/a.png", "split": "test", "captions": [None]}),
    ],
)
def test_damaged_line_is_named(tmp_path, line):
    folder = write_fake(tmp_path, "ucm")
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(DataError, match=r"manifest\.jsonl, line 2"):
        ucm.records("train", tmp_path)


def test_truncated_gzip_is_an_error_of_the_data(tmp_path):
    folder = write_fake(tmp_path, "rsicd")
    manifest = folder / "manifest.jsonl.gz"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"manifest\.jsonl\.gz: cannot be read"):
        rsicd.records("train", tmp_path)
    manifest.write_bytes(gzip.compress(b"\xff\xfe not utf-8 \xff"))
    with pytest.raises(DataError, match="cannot be read"):
        rsicd.records("train", tmp_path)


def test_image_listed_twice_is_refused(tmp_path):
    folder = write_fake(tmp_path, "ucm")
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text() + manifest.read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match="lists airport_0 twice"):
        ucm.records("train", tmp_path)


def test_a_module_that_is_no_dataset_is_refused():
    with pytest.raises(UsageError, match="is no dataset"):
        load_dataset("location")
    with pytest.raises(UsageError, match="did you mean 'rsicd'"):
        load_dataset("rsicdd")
