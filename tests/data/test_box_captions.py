from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geoglot.api.datasets import boxes_to_captions, masks_to_boxes
from geoglot.core.errors import DataError, UsageError
from geoglot.data.box_captions import (
    Box,
    BoxedImage,
    box_captions,
    boxes_json,
    captioned_json,
    is_central,
    plural,
    read_boxes,
)
from geoglot.data.layouts import read_sentence_json
from geoglot.data.mask_folder import boxes_of_folder, read_classes

NUMBERS = dict(zip("one two three four five six seven eight nine ten".split(), range(1, 11), strict=True))


def box(category: str, column: float, row: float, side: float = 10) -> Box:
    return Box(category=category, column=column, row=row, width=side, height=side)


def image(*boxes: Box, name: str = "a.png") -> BoxedImage:
    return BoxedImage(name=name, width=120, height=90, boxes=boxes)


def told(sentence: str) -> dict[str, int | str]:
    """What a sentence says: how many of which category; "many" where it does not count."""
    found: dict[str, int | str] = {}
    pattern = rf"({'|'.join(NUMBERS)}|many|a lot of) (ships?|planes?|storage tanks?|buses|bus)\b"
    for number, words in re.findall(pattern, sentence):
        one = {"buses": "bus"}.get(words, words.removesuffix("s") if words != "bus" else words)
        found[one] = NUMBERS.get(number, "many")
    return found


def test_centre_and_surroundings_are_told_apart():
    # 120 x 90: the middle third is columns 40 to 80 and rows 30 to 60.
    central, other = box("ship", 55, 40), box("plane", 0, 0)
    assert is_central(central, image())
    assert not is_central(other, image())
    assert is_central(box("ship", 35, 25), image())  # its middle is (40, 30), just inside
    assert not is_central(box("ship", 34.9, 25), image())
    first, second, *rest = box_captions(image(central, other, other))
    assert told(first) == {"ship": 1}
    assert told(second) == {"plane": 2}
    for sentence in rest:
        assert told(sentence).items() <= {"ship": 1, "plane": 2}.items()
        assert told(sentence)


def test_more_than_ten_are_not_counted():
    ten = image(*[box("ship", 0, k) for k in range(10)])
    eleven = image(*[box("ship", 0, k) for k in range(11)])
    assert all(told(sentence) == {"ship": 10} for sentence in box_captions(ten))
    assert all(told(sentence) == {"ship": "many"} for sentence in box_captions(eleven))
    words = {
        word
        for seed in range(20)
        for s in box_captions(eleven, seed=seed)
        for word in ("many", "a lot of")
        if word in s
    }
    assert words == {"many", "a lot of"}


boxes = st.builds(
    box,
    st.sampled_from(["ship", "plane", "storage tank", "bus"]),
    st.floats(0, 110),
    st.floats(0, 80),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=30), st.integers(0, 5))
def test_whatever_is_said_is_true(some, seed):
    shown = image(*some)
    sentences = box_captions(shown, seed=seed)
    assert len(sentences) == 5
    assert sentences == box_captions(shown, seed=seed)
    assert len(set(sentences[2:])) == 3
    parts = ([b for b in some if is_central(b, shown)], [b for b in some if not is_central(b, shown)], some, some, some)
    for sentence, part in zip(sentences, parts, strict=True):
        assert sentence.endswith(".")
        assert sentence == sentence.lower()
        found = told(sentence)
        assert 1 <= len(found) <= 3
        for name, number in found.items():
            true = sum(b.category == name for b in (part or some))
            assert number == (true if true <= 10 else "many"), sentence


def test_verb_and_number_agree():
    one, two = image(box("bus", 0, 0)), image(box("bus", 0, 0), box("bus", 9, 0))
    assert "there is one bus in the picture." in box_captions(one)
    assert "there are two buses in the picture." in box_captions(two)
    assert [plural(word) for word in ("person", "box", "harbour", "two way")] == [
        "people",
        "boxes",
        "harbours",
        "two ways",
    ]


def test_the_choice_depends_on_name_and_seed_not_on_neighbours():
    some = tuple(box(name, 9 * k, 4 * k) for k, name in enumerate(["ship", "plane", "bus", "storage tank"] * 2))
    names = [f"{k}.png" for k in range(12)]
    record, _ = captioned_json([image(*some, name=name) for name in names], name="x")
    backwards, _ = captioned_json([image(*some, name=name) for name in names[::-1]], name="x")
    by_name = {e["filename"]: [s["raw"] for s in e["sentences"]] for e in record["images"]}
    assert by_name == {e["filename"]: [s["raw"] for s in e["sentences"]] for e in backwards["images"]}
    assert len({tuple(sentences) for sentences in by_name.values()}) > 6
    other, _ = captioned_json([image(*some, name=name) for name in names], name="x", seed=1)
    assert other != record


def test_boxes_to_captions_and_back_through_the_loader(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (120, 90)).save(tmp_path / "images" / name)
    shown = [
        image(box("ship", 5, 5), name="a.png"),
        image(name="b.png"),
        image(box("storage tank", 50, 40), box("plane", 0, 0), name="c.png"),
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(boxes_json(shown)))
    assert read_boxes(path) == shown
    record, left_out = boxes_to_captions(path, name="tanks", split="val", seed=3)
    assert left_out == ["b.png"]
    (tmp_path / "dataset.json").write_text(json.dumps(record))
    listing = read_sentence_json(tmp_path / "dataset.json", tmp_path / "images")
    assert not listing.val_is_drawn
    assert [(r.id, r.split, r.path.is_file()) for r in listing.records] == [("a", "val", True), ("c", "val", True)]
    assert listing.records[1].captions == box_captions(shown[2], seed=3)


def coco(**changes: object) -> dict[str, object]:
    good = {
        "images": [{"id": 7, "file_name": "a.png", "width": 10, "height": 10}],
        "annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5]}],
        "categories": [{"id": 1, "name": "Small_Vehicle"}],
    }
    return {**good, **changes}


def test_names_become_words(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(coco()))
    assert read_boxes(tmp_path / "x.json")[0].boxes[0].category == "small vehicle"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"annotations": [{"image_id": 8, "category_id": 1, "bbox": [0, 0, 5, 5]}]}, "unknown image"),
        ({"annotations": [{"image_id": 7, "category_id": 2, "bbox": [0, 0, 5, 5]}]}, "unknown image or category"),
        ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 0, 5]}]}, "annotation 0 has the box"),
        ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, float("nan"), 5]}]}, "annotation 0"),
        ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 5]}]}, "cannot be read"),
        ({"categories": [{"id": 1, "name": " _ "}]}, "a category has no name"),
        ({"images": 3}, "cannot be read"),
        ({"images": [{"id": k, "file_name": "a.png", "width": 9, "height": 9} for k in (7, 8)]}, r"a\.png twice"),
    ],
)
def test_damaged_boxes_are_named(tmp_path, changes, named):
    (tmp_path / "x.json").write_text(json.dumps(coco(**changes)))
    with pytest.raises(DataError, match=named):
        read_boxes(tmp_path / "x.json")


def test_other_bad_input(tmp_path):
    (tmp_path / "x.json").write_text("{")
    for path in (tmp_path / "x.json", tmp_path / "none.json"):
        with pytest.raises(DataError, match=r"\.json: cannot be read"):
            read_boxes(path)
    (tmp_path / "x.json").write_text(json.dumps(coco(annotations=[])))
    with pytest.raises(DataError, match="has no image with a box"):
        boxes_to_captions(tmp_path / "x.json")
    with pytest.raises(UsageError, match="is no split"):
        boxes_to_captions(tmp_path / "x.json", split="all")
    with pytest.raises(DataError, match=r"a\.png: has no box"):
        box_captions(image())


@pytest.fixture
def masks(tmp_path):
    """Two masks with a palette, classes 0 to 2, and images of the same stems."""
    for name in ("masks", "images"):
        (tmp_path / name).mkdir()
    values = np.zeros((20, 30), np.uint8)
    values[2:5, 3:9] = 1
    values[10:, 20:] = 2
    values[0, 29] = 2
    for stem, mask in (("a", values), ("b", values.T.copy())):
        picture = Image.fromarray(mask)
        picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        picture.save(tmp_path / "masks" / f"{stem}.png")
        Image.new("RGB", mask.shape[::-1]).save(tmp_path / "images" / f"{stem}.jpg")
    (tmp_path / "classes.json").write_text('{"index": {"0": "land", "1": "building", "2": "water"}}')
    return tmp_path


def test_masks_to_boxes_to_captions(masks):
    found = masks_to_boxes(masks / "masks", masks / "classes.json", ignore=["land"], images=masks / "images")
    assert [entry["file_name"] for entry in found["images"]] == ["a.jpg", "b.jpg"]
    names = {entry["id"]: entry["name"] for entry in found["categories"]}
    assert [(e["image_id"], names[e["category_id"]], e["bbox"]) for e in found["annotations"]] == [
        (0, "building", [3, 2, 6, 3]),
        (0, "water", [29, 0, 1, 1]),
        (0, "water", [20, 10, 10, 10]),
        (1, "building", [2, 3, 3, 6]),
        (1, "water", [10, 20, 10, 10]),
        (1, "water", [0, 29, 1, 1]),
    ]
    (masks / "boxes.json").write_text(json.dumps(found))
    record, left_out = boxes_to_captions(masks / "boxes.json")
    assert left_out == []
    sentences = [sentence["raw"] for entry in record["images"] for sentence in entry["sentences"]]
    assert any("two areas of water" in sentence for sentence in sentences)
    fewer = masks_to_boxes(masks / "masks", masks / "classes.json", ignore=["land"], least_pixels=2)
    assert len(fewer["annotations"]) == 4
    assert fewer["images"][0]["file_name"] == "a.png"


def test_bad_masks_are_named(masks):
    classes = read_classes(masks / "classes.json")
    with pytest.raises(DataError, match=r"sea: is no class.*land, building, water"):
        boxes_of_folder(masks / "masks", classes, ignore=["sea"])
    with pytest.raises(DataError, match=r"a\.png: holds class 2, which has no name"):
        boxes_of_folder(masks / "masks", {0: "land", 1: "building"})
    with pytest.raises(DataError, match="holds no mask"):
        boxes_of_folder(masks / "none", classes)
    with pytest.raises(UsageError, match="0: is no number of pixels"):
        masks_to_boxes(masks / "masks", masks / "classes.json", least_pixels=0)
    (masks / "images" / "b.jpg").unlink()
    with pytest.raises(DataError, match=r"b\.png: has no image of its name"):
        boxes_of_folder(masks / "masks", classes, images=masks / "images")
    Image.new("RGB", (4, 4)).save(masks / "masks" / "c.png")
    with pytest.raises(DataError, match=r"c\.png: is a picture in colour"):
        boxes_of_folder(masks / "masks", classes)
    (masks / "masks" / "c.png").write_bytes(b"?")
    with pytest.raises(DataError, match=r"c\.png: cannot be read"):
        boxes_of_folder(masks / "masks", classes)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": "water"}', '{"0": ""}', "3"])
def test_bad_class_names(tmp_path, text):
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(DataError, match=r"classes\.json: cannot be read"):
        read_classes(tmp_path / "classes.json")
