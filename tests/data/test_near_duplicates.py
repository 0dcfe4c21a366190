from __future__ import annotations

import json

import numpy as np
import pytest
from fake_datasets import write_fake
from PIL import Image

from geoglot.api.datasets import write_leaks
from geoglot.core.errors import DataError, UsageError
from geoglot.data import rsicd, ucm
from geoglot.data.near_duplicates import (
    DuplicatePair,
    Fingerprints,
    ImageName,
    Leaks,
    find_leaks,
    fingerprint,
    first_of_each,
    read_leaks,
)


def scenes(count: int, seed: int = 0) -> list[Image.Image]:
    """Pictures with coarse and fine structure, no two alike."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    fine = generator.integers(-40, 40, (count, 96, 96, 3))
    large = [np.asarray(Image.fromarray(each).resize((96, 96), Image.Resampling.BICUBIC)) for each in coarse]
    return [Image.fromarray(np.clip(a + b, 0, 255).astype(np.uint8)) for a, b in zip(large, fine, strict=True)]


@pytest.fixture
def root(tmp_path):
    """rsicd and ucm, 24 different pictures each."""
    for name, module, seed in (("rsicd", rsicd, 1), ("ucm", ucm, 2)):
        write_fake(tmp_path, name)
        records = [record for split in module.SPLITS for record in module.records(split, tmp_path)]
        for record, picture in zip(records, scenes(len(records), seed), strict=True):
            picture.save(record.path)
    return tmp_path


def path_of(module, split, root, row=0):
    return module.records(split, root)[row].path


def look(root, **options):
    return find_leaks(fingerprint(["rsicd", "ucm"], root=root), **options)


def test_different_pictures_are_no_duplicates(root):
    found = look(root, symmetries=True)
    assert found.pairs == ()
    assert found.images == {
        "rsicd/train": 16,
        "rsicd/val": 4,
        "rsicd/test": 4,
        "ucm/train": 16,
        "ucm/val": 4,
        "ucm/test": 4,
    }
    assert found.leaking("rsicd", "test") == frozenset()


def test_planted_copies_are_found_and_named(root):
    train, test, other = path_of(rsicd, "train", root), path_of(rsicd, "test", root), path_of(ucm, "test", root, 1)
    Image.open(train).resize((128, 120)).save(test.with_suffix(".jpg"), quality=60)  # another size, and compressed
    test.with_suffix(".jpg").replace(test)
    other.write_bytes(train.read_bytes())
    found = look(root)
    by_parts = {(pair.first.part, pair.second.part): pair for pair in found.pairs}
    assert set(by_parts) == {("rsicd/train", "rsicd/test"), ("rsicd/train", "ucm/test"), ("rsicd/test", "ucm/test")}
    copy = by_parts["rsicd/train", "ucm/test"]
    assert (copy.distance, copy.correlation, copy.identical, copy.duplicate) == (0, 1.0, True, True)
    assert copy.second == ImageName("ucm", "test", "beach_5")
    assert by_parts["rsicd/train", "rsicd/test"].duplicate
    assert not by_parts["rsicd/train", "rsicd/test"].identical
    assert found.leaking("rsicd") == {"airport_5"}
    assert found.leaking("ucm") == {"beach_5"}
    assert found.leaking("ucm", seen=("val",)) == frozenset()
    assert found.leaking("rsicd", "train", seen=("test",)) == {"airport_0"}
    row = next(row for row in found.summary() if (row["first"], row["second"]) == ("rsicd/train", "ucm/test"))
    assert (row["near"], row["alike"], row["duplicates"], row["identical"], row["images_of_second"]) == (1, 1, 1, 1, 1)


def test_turned_copies_are_found_only_when_asked_for(root):
    train, test = path_of(rsicd, "train", root), path_of(rsicd, "test", root)
    Image.open(train).transpose(Image.Transpose.ROTATE_90).save(test)
    assert look(root).pairs == ()
    (pair,) = look(root, symmetries=True).pairs
    assert (pair.symmetry, pair.duplicate, pair.distance) == ("turned 90", True, 0)


def test_flat_pictures_are_near_and_no_duplicates(root):
    for number, module in enumerate((rsicd, ucm)):
        Image.new("RGB", (64, 64), (10 + number, 60, 90)).save(path_of(module, "test", root))
    found = look(root)
    assert sum(found.near.values()) == 1
    assert found.pairs == ()


def test_equal_pixels_are_a_duplicate_even_when_flat(root):
    for module, size in ((rsicd, 64), (ucm, 64)):
        Image.new("RGB", (size, size), (10, 60, 90)).save(path_of(module, "test", root))
    (pair,) = look(root).pairs
    assert (pair.identical, pair.duplicate, pair.correlation) == (True, True, 0.0)


def test_against_a_loop_over_all_pairs(root):
    prints = fingerprint(["rsicd", "ucm"], ["train"], root)
    found = find_leaks(prints, below=30, alike=-1, same_detail=-1)
    expected = {}
    for i in range(len(prints.names)):
        for j in range(i + 1, len(prints.names)):
            a, b = prints.thumbnails[i].ravel(), prints.thumbnails[j].ravel()
            expected[prints.names[i], prints.names[j]] = np.corrcoef(a, b)[0, 1]
    assert 0 < len(found.pairs) < len(expected)
    for pair in found.pairs:
        assert pair.distance < 30
        assert pair.correlation == pytest.approx(expected[pair.first, pair.second], abs=1e-4)


def test_written_and_read_again(root, tmp_path):
    path_of(ucm, "test", root).write_bytes(path_of(rsicd, "train", root).read_bytes())
    found = look(root)
    path = write_leaks(found, tmp_path / "results")
    assert path.relative_to(tmp_path).as_posix() == "results/leaks/rsicd-ucm.json"
    again = read_leaks(path)
    assert again.pairs == found.pairs
    assert dict(again.near) == dict(found.near)
    assert again.summary() == found.summary()
    stored = json.loads(path.read_text())
    assert stored["task"] == "leaks"
    assert "red planes" not in path.read_text()
    some = find_leaks(fingerprint(["ucm"], ["train", "test"], root), symmetries=True)
    assert write_leaks(some, tmp_path).name == "ucm-train-test-symmetries.json"


def test_bad_input_is_named(root, tmp_path):
    with pytest.raises(UsageError, match=r"rsicd/val: was not looked at, only ucm/test"):
        find_leaks(fingerprint(["ucm"], ["test"], root)).leaking("rsicd", "val")
    with pytest.raises(UsageError, match="0: is no bound"):
        look(root, below=0)
    with pytest.raises(UsageError, match="no image to compare"):
        find_leaks(Fingerprints(names=(), thumbnails=np.zeros((0, 32, 32), np.uint8), digests=()))
    path_of(ucm, "test", root).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"airport_5\.png: cannot be read"):
        look(root)
    for content in ("", "[]", "{}", '{"task": "leaks"}', '{"task": "retrieval"}'):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(DataError, match=r"x\.json"):
            read_leaks(tmp_path / "x.json")
    with pytest.raises(DataError, match=r"none\.json"):
        read_leaks(tmp_path / "none.json")


def test_a_pair_that_failed_the_last_check_leaks_nothing():
    pair = DuplicatePair(
        first=ImageName("a", "train", "1"),
        second=ImageName("a", "test", "2"),
        distance=8,
        correlation=0.96,
        detail=0.1,
        symmetry="as it is",
        identical=False,
        duplicate=False,
    )
    leaks = Leaks(images={"a/train": 1, "a/test": 1}, near={}, pairs=(pair,), settings={})
    assert leaks.leaking("a") == frozenset()
    rows = {(row["first"], row["second"]): row for row in leaks.summary()}
    assert rows["a/train", "a/test"]["alike"] == 1
    assert rows["a/train", "a/test"]["duplicates"] == 0


def test_the_first_of_each_group_stays():
    # 0 and 1 differ in one bit, 1 and 2 too, 0 and 2 in two: 1 falls for 0, and 2 stays because 1 is gone.
    hashes = np.array([0b000, 0b001, 0b011, 0b000], np.uint64)
    assert first_of_each(hashes).tolist() == [True, False, True, False]
    assert first_of_each(hashes, below=3).tolist() == [True, False, False, False]
    assert first_of_each(hashes[:0]).tolist() == []
