from __future__ import annotations

import json
import os

import pytest
from fake_datasets import write_fake, write_precomp

from geoglot.core.errors import DataError, UsageError
from geoglot.data.checking import check_dataset


def by_split(name, root):
    return {record["split"]: record for record in check_dataset(name, root)}


def test_a_whole_dataset(tmp_path):
    write_fake(tmp_path, "ucm")
    found = by_split("ucm", tmp_path)
    assert list(found) == ["train", "val", "test"]
    assert {split: record["images"] for split, record in found.items()} == {"train": 16, "val": 4, "test": 4}
    test = found["test"]
    # Of the five captions the second equals the third: 4 classes x 4 distinct.
    assert (test["captions"], test["distinct_captions"], test["categories"]) == (20, 16, 4)
    assert test["languages"] == {"en": 100.0, "ar": 100.0, "fr": 100.0, "it": 100.0}
    assert all(record["faults"] == [] for record in found.values())


def test_every_fault_is_told_at_once(tmp_path):
    folder = write_fake(tmp_path, "ucm")
    for name in ("airport_5.png", "beach_5.png"):
        (folder / "images" / name).unlink()
    (folder / "SUBSET").unlink()
    manifest = folder / "manifest.jsonl"
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    forest = next(entry for entry in entries if entry["image"] == "images/forest_5.png")
    forest["captions"][1] = " "
    river = next(entry for entry in entries if entry["image"] == "images/river_5.png")
    river["captions"] = ["one sentence of its own ."] * 5
    entries.append({**entries[0], "split": "test"})
    manifest.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    test = by_split("ucm", tmp_path)["test"]
    assert test["missing_images"] == 2
    assert test["empty_captions"] == 1
    assert test["images_without_captions"] == 0
    assert test["images_with_equal_captions"] == 1
    assert test["listed_twice"] == 1
    # 25 captions, one empty, five without a translation: 19 of 24.
    assert test["languages"]["fr"] == round(100 * 19 / 24, 2)
    assert test["faults"] == [
        "lists 5 test images, not 210",
        "2 image files are missing: airport_5.png, beach_5.png",
        "1 images are listed twice: airport_0",
        "1 images have an empty caption: forest_5",
    ]


def test_known_images_without_captions_are_counted_and_no_fault(tmp_path):
    texts = write_precomp(tmp_path, "rsitmd") / "rsitmd_precomp"
    (tmp_path / "rsitmd" / "images" / "airport_1.tif").rename(tmp_path / "rsitmd" / "images" / "mountain_2378.tif")
    for name, first in (("train_filename.txt", ["mountain_2378.tif"]), ("train_caps.txt", [""] * 5)):
        lines = (texts / name).read_text().splitlines()
        (texts / name).write_bytes("".join(f"{line}\r\n" for line in first + lines[len(first) :]).encode())
    found = check_dataset("rsitmd", tmp_path)
    assert sum(record["empty_captions"] for record in found) == 5
    assert sum(record["images_without_captions"] for record in found) == 1
    assert all(record["faults"] == [] and record["validation_drawn"] for record in found)
    assert found[0]["crlf_lines"] == 60
    assert found[0]["languages"] == {"en": 100.0}, "without a table there is English alone"


def test_absent_and_unknown(tmp_path):
    with pytest.raises(DataError, match="is absent"):
        check_dataset("sydney", tmp_path)
    with pytest.raises(UsageError, match="did you mean 'sydney'"):
        check_dataset("sidney", tmp_path)
    write_fake(tmp_path, "ucm")
    (tmp_path / "captions_multilingual.tsv.gz").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read"):
        check_dataset("ucm", tmp_path)


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
def test_the_real_datasets_are_whole():
    for name, equal in (("rsicd", [4529, 322, 2]), ("ucm", [0, 0, 0])):
        found = check_dataset(name)
        assert [record["images_with_equal_captions"] for record in found] == equal
        assert all(record["faults"] == [] and record["missing_images"] == 0 for record in found)
