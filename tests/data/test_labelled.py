from __future__ import annotations

import itertools
import os
from collections import Counter

import numpy as np
import pytest
from fake_datasets import write_fake, write_pictures, write_published, write_scene_folders
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.errors import DataError, UsageError
from geoglot.data import gtcrossview, satscene
from geoglot.data.checking import check_dataset
from geoglot.data.labelled import (
    FOLDS,
    SHARES,
    category_rows,
    labelled_names,
    load_labelled,
    load_pictures,
    split_rows,
)

CATEGORIES = st.lists(st.integers(0, 5), min_size=2, max_size=120)


def enough(categories: list[int], least: int) -> list[int]:
    """Every class with at least so many images."""
    return categories + [c for c, n in Counter(categories).items() for _ in range(least - n)]


@given(categories=CATEGORIES, share=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_split_is_stratified_and_deterministic(categories, share, seed):
    categories = enough(categories, 2)
    splits = split_rows(categories, share, seed)
    assert splits.shape == (len(categories),)
    assert set(splits.tolist()) <= {"train", "val", "test"}
    assert np.array_equal(splits, split_rows(np.array(categories), share, seed))
    for category, count in Counter(categories).items():
        counts = Counter(splits[np.array(categories) == category].tolist())
        assert abs(counts["test"] - count * (1 - share)) <= 1  # at least one test and one other image, else rounded
        assert counts["test"] >= 1
        assert counts["train"] >= 1
        rest = count - counts["test"]
        assert counts["val"] == (max(round(rest / 10), 1) if rest >= 3 else 0)


@given(categories=CATEGORIES, seed=st.integers(0, 1000))
def test_folds_test_every_image_once(categories, seed):
    categories = enough(categories, FOLDS)
    folds = [split_rows(categories, seed=seed, fold=fold) for fold in range(FOLDS)]
    tests = np.sum([splits == "test" for splits in folds], axis=0)
    assert (tests == 1).all()
    for splits in folds:
        for category, count in Counter(categories).items():
            found = int((splits[np.array(categories) == category] == "test").sum())
            assert found in (count // FOLDS, -(-count // FOLDS))
    sizes = [int((splits == "test").sum()) for splits in folds]
    assert max(sizes) - min(sizes) <= len(set(categories))


@given(categories=CATEGORIES, seed=st.integers(0, 1000))
def test_a_smaller_share_keeps_the_test_images_of_a_larger(categories, seed):
    categories = enough(categories, 2)
    tests = [set(np.flatnonzero(split_rows(categories, share, seed) == "test")) for share in SHARES]
    for larger, smaller in itertools.pairwise(tests):
        assert larger <= smaller


def test_uc_merced_sizes_and_other_seeds():
    categories = np.repeat(np.arange(21), 100)
    # 80/20: 20 test of 100; 8 of the other 80 validate.
    counts = Counter(split_rows(categories).tolist())
    assert counts == {"train": 21 * 72, "val": 21 * 8, "test": 21 * 20}
    assert Counter(split_rows(categories, 0.3).tolist()) == {"train": 21 * 27, "val": 21 * 3, "test": 21 * 70}
    assert not np.array_equal(split_rows(categories), split_rows(categories, seed=1))
    # Two classes are not cut alike.
    first = split_rows(categories).reshape(21, 100)
    assert len({tuple(row) for row in (first == "test").tolist()}) == 21


def test_the_draw_stays_what_it_was():
    """Golden: a run that is evaluated later must find the same split."""
    found = split_rows(["a"] * 6 + ["b"] * 5, 0.5, seed=7)
    assert " ".join(found) == "test train test train val test test train val test train"


def test_names_and_numbers_are_split_alike():
    names = ["river", "beach", "forest"] * 10
    _, rows = category_rows(names)
    assert np.array_equal(split_rows(names, seed=3), split_rows(rows, seed=3))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"share": 0.0}, UsageError),
        ({"share": 1.0}, UsageError),
        ({"fold": 5}, UsageError),
        ({"fold": -1}, UsageError),
        ({"fold": 0, "share": 0.5}, UsageError),
    ],
)
def test_refuses_splits_that_are_none(arguments, error):
    with pytest.raises(error):
        split_rows([0] * 10, **arguments)


def test_refuses_a_class_that_cannot_be_split():
    with pytest.raises(DataError, match="fewer than 2"):
        split_rows([0, 0, 1])
    with pytest.raises(DataError, match="fewer than 5"):
        split_rows([0] * 4, fold=0)
    assert split_rows([]).shape == (0,)


@pytest.mark.parametrize("name", ["ucm", "rsicd"])
def test_captioned_datasets_serve(tmp_path, name):
    write_fake(tmp_path, name, per_category=5)
    found = load_labelled(name, tmp_path)
    assert Counter(image.category for image in found) == {"airport": 5, "beach": 5, "forest": 5, "river": 5}
    assert [(i.category, i.id) for i in found] == sorted((i.category, i.id) for i in found)
    assert all(image.path.is_file() for image in found)
    assert sorted(load_pictures(name, tmp_path)) == sorted(image.path for image in found)


def test_the_classes_follow_from_the_numbers_of_the_published_layout(tmp_path):
    write_published(tmp_path, "ucm")  # 100.tif, 200.tif ...: the last of each class
    found = load_labelled("ucm", tmp_path)
    assert found[0].id == "agricultural99"
    assert len({image.category for image in found}) == 12


def test_a_layout_without_classes_is_refused(tmp_path):
    write_published(tmp_path, "sydney")
    with pytest.raises(DataError, match="does not tell the scene class of 12 images"):
        load_labelled("sydney", tmp_path)


def test_names():
    assert {"rsicd", "satscene", "ucm"} <= set(labelled_names())
    assert not {"gtcrossview", "labelled", "captioned"} & set(labelled_names())
    with pytest.raises(UsageError, match="did you mean 'satscene'"):
        load_labelled("satscenes")
    with pytest.raises(UsageError, match="has no scene classes"):
        load_labelled("gtcrossview")


def test_satscene(tmp_path):
    write_scene_folders(tmp_path)
    found = load_labelled("satscene", tmp_path)
    assert len(found) == 19 * 3
    assert found[0].id == "class00/class_0_0"
    assert len({image.id for image in found}) == len(found)
    assert all(image.path.suffix == ".jpg" for image in found)
    record = check_dataset("satscene", tmp_path)[0]
    assert (record["images"], record["categories"], record["fewest"], record["most"]) == (57, 19, 3, 3)
    assert record["known_size"] is False
    assert record["faults"] == []


def test_satscene_says_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match="is absent"):
        satscene.images(tmp_path)
    (tmp_path / "satscene").mkdir()
    with pytest.raises(DataError, match="has no known layout"):
        satscene.images(tmp_path)
    write_scene_folders(tmp_path, classes=2)
    assert satscene.check(tmp_path)[0]["faults"] == ["has 2 classes, not 19"]
    inner = tmp_path / "satscene" / "WHU-RS19"
    (inner / "Class 00" / "class_0_0.png").write_bytes((inner / "Class 00" / "class_0_0.jpg").read_bytes())
    assert "has two images of one name in a class" in satscene.check(tmp_path)[0]["faults"]
    (inner / "class-00").mkdir()
    (inner / "class-00" / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="second folder of class 'class00'"):
        satscene.images(tmp_path)


def test_gtcrossview(tmp_path):
    folder = write_pictures(tmp_path)
    found = load_pictures("gtcrossview", tmp_path)
    assert [path.relative_to(folder).as_posix() for path in found] == [
        "overhead/0.png",
        "overhead/2.png",
        "overhead/4.png",
        "street/1.png",
        "street/3.png",
    ]
    assert check_dataset("gtcrossview", tmp_path) == [{"split": "all", "images": 5, "languages": {}, "faults": []}]
    (folder / "images.txt").write_text("street/3.png\n\noverhead/0.png\n")
    assert [path.name for path in gtcrossview.pictures(tmp_path)] == ["3.png", "0.png"]


@pytest.mark.parametrize(
    ("line", "words"), [("street/9.png", "is absent"), ("../other.png", "outside"), ("/etc/hostname", "outside")]
)
def test_gtcrossview_refuses_what_is_not_there(tmp_path, line, words):
    folder = write_pictures(tmp_path)
    (folder / "images.txt").write_text(f"street/3.png\n{line}\n")
    with pytest.raises(DataError, match=rf"line 2.*{words}"):
        gtcrossview.pictures(tmp_path)


def test_gtcrossview_without_pictures(tmp_path):
    (tmp_path / "gtcrossview").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        gtcrossview.pictures(tmp_path)


@pytest.mark.realdata
def test_real_uc_merced():
    if "GEOGLOT_DATA" not in os.environ:
        pytest.skip("GEOGLOT_DATA is not set")
    found = load_labelled("ucm")
    assert len(found) == 2100
    assert set(Counter(image.category for image in found).values()) == {100}
