"""What every captioned dataset keeps. A new dataset file is tested here before its author writes a test."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest
from fake_datasets import write_fake

from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import dataset_names, load_dataset

NAMES = dataset_names()


def test_the_shipped_datasets_are_found():
    assert {"rendered", "rsicd", "rsitmd", "sydney", "ucm"} <= set(NAMES)
    assert not {"captioned", "location", "translations"} & set(NAMES)


@pytest.fixture(params=NAMES)
def dataset(request):
    return load_dataset(request.param)


@pytest.fixture
def root(tmp_path, dataset):
    write_fake(tmp_path, dataset.NAME)
    return tmp_path


def test_says_what_it_is(dataset):
    for text in (dataset.NAME, dataset.LICENCE, dataset.SOURCE):
        assert isinstance(text, str)
        assert text.strip()
    assert dataset.SPLITS
    assert dataset.__doc__.strip()


def test_records_are_whole(dataset, root):
    for split in dataset.SPLITS:
        found = dataset.records(split, root)
        assert found
        for record in found:
            assert record.split == split
            assert record.path.is_file()
            assert len(record.captions) == 5
            assert all(caption.strip() for caption in record.captions)
            with pytest.raises(dataclasses.FrozenInstanceError):
                record.id = "other"


def test_splits_are_disjoint_and_identifiers_unique(dataset, root):
    ids = [record.id for split in dataset.SPLITS for record in dataset.records(split, root)]
    paths = [record.path for split in dataset.SPLITS for record in dataset.records(split, root)]
    assert len(ids) == len(set(ids))
    assert len(paths) == len(set(paths))


def test_order_is_stable(dataset, root):
    for split in dataset.SPLITS:
        assert dataset.records(split, root) == dataset.records(split, root)


def test_root_comes_from_the_variable_too(dataset, root, monkeypatch):
    monkeypatch.setenv("GEOGLOT_DATA", str(root))
    assert dataset.records("test") == dataset.records("test", root)


def test_absent_says_where_to_put_it(dataset, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"is absent.*Remedy: put the dataset there: .+"):
        dataset.records("test", tmp_path)
    (tmp_path / dataset.NAME).mkdir()
    with pytest.raises(DataError, match=rf"has no known layout.*Remedy: .*{re.escape(dataset.SOURCE)}"):
        dataset.records("test", tmp_path)
    monkeypatch.delenv("GEOGLOT_DATA", raising=False)
    with pytest.raises(DataError, match=r"--data-root or the variable GEOGLOT_DATA"):
        dataset.records("test")


def test_unknown_split_is_a_usage_error(dataset, root):
    with pytest.raises(UsageError, match="is no split"):
        dataset.records("tset", root)


def test_missing_image_is_named(dataset, root):
    lost = dataset.records("test", root)[1].path
    lost.unlink()
    with pytest.raises(DataError, match=lost.name):
        dataset.records("test", root)


def test_a_copy_of_another_size_is_refused_unless_it_says_so(dataset, root):
    (root / dataset.NAME / "SUBSET").unlink()
    with pytest.raises(DataError, match=r"lists 4 test images, not [\d,]+.*SUBSET"):
        dataset.records("test", root)


def test_the_listing_holds_all_splits_unchecked(dataset, root):
    lost = dataset.records("test", root)[0]
    lost.path.unlink()
    listed = dataset.listing(root)
    assert lost in listed.of("test")
    assert sorted({record.split for record in listed.records}) == sorted(dataset.SPLITS)


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
@pytest.mark.parametrize(
    ("name", "sizes", "test_captions", "distinct", "categories"),
    [("rsicd", (8734, 1094, 1093), 5465, 3331, 31), ("ucm", (1680, 210, 210), 1050, 377, 21)],
)
def test_real_sizes(name, sizes, test_captions, distinct, categories):
    if not (Path(os.environ["GEOGLOT_DATA"]) / name).is_dir():
        pytest.skip(f"{name} is not here")
    splits = [load_dataset(name).records(split) for split in ("train", "val", "test")]
    assert tuple(len(split) for split in splits) == sizes
    captions = [caption for record in splits[2] for caption in record.captions]
    assert len(captions) == test_captions
    assert len(set(captions)) == distinct
    assert len({record.category for record in splits[2]}) == categories
    ids = [record.id for split in splits for record in split]
    assert len(ids) == len(set(ids)) == sum(sizes)
    assert all(len(record.captions) == 5 for split in splits for record in split)
