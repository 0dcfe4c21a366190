"""The published layouts: sentence JSON and text files, their counts, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from fake_datasets import PUBLISHED, mark_as_subset, write_fake, write_precomp, write_published

from geoglot.core.errors import DataError
from geoglot.data import rsicd, rsitmd, sydney, ucm
from geoglot.data.captioned import CaptionedImage, Listing, Sizes, load_dataset, settled_records, size_faults
from geoglot.data.drawing import draw_validation

NAMES = sorted(PUBLISHED)


@pytest.fixture(params=NAMES)
def dataset(request):
    return load_dataset(request.param)


def ids(dataset, root) -> dict[str, list[str]]:
    return {split: [record.id for record in dataset.records(split, root)] for split in dataset.SPLITS}


def test_published_json(dataset, tmp_path):
    write_published(tmp_path, dataset.NAME)
    found = ids(dataset, tmp_path)
    expected = {"train": 4, "val": 4, "test": 4} if dataset.NAME != "rsitmd" else {"train": 6, "val": 2, "test": 4}
    assert {split: len(several) for split, several in found.items()} == expected
    assert all(len(record.captions) == 5 for record in dataset.records("train", tmp_path))


@pytest.mark.parametrize("per_caption", [False, True])
@pytest.mark.parametrize("verified", [False, True])
def test_text_files(dataset, tmp_path, verified, per_caption):
    folder = write_precomp(tmp_path, dataset.NAME, verified=verified, names_per_caption=per_caption)
    found = ids(dataset, tmp_path)
    assert {split: len(several) for split, several in found.items()} == {"train": 8, "val": 2, "test": 4}
    assert len(set().union(*found.values())) == 14
    for record in dataset.records("test", tmp_path):
        number = next(n for n in range(11, 15) if record.path.stem == PUBLISHED[dataset.NAME][2].format(n))
        assert record.captions[0] == f"red planes number {number} ."
        assert len(record.captions) == 5
    if verified:
        stems = [record.path.stem for record in dataset.records("val", tmp_path)]
        assert stems == [PUBLISHED[dataset.NAME][2].format(number) for number in (5, 10)]
    assert dataset.listing(tmp_path).val_is_drawn
    for path in sorted((folder / f"{dataset.NAME}_precomp").iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert ids(dataset, tmp_path) == found


def test_identifiers_are_the_same_in_both_layouts(dataset, tmp_path):
    write_published(tmp_path / "a", dataset.NAME)
    write_precomp(tmp_path / "b", dataset.NAME)
    first = {r.path.stem: (r.id, r.category) for s in dataset.SPLITS for r in dataset.records(s, tmp_path / "a")}
    second = {r.path.stem: (r.id, r.category) for s in dataset.SPLITS for r in dataset.records(s, tmp_path / "b")}
    assert len(first.keys() & second.keys()) >= 10
    assert all(first[stem] == second[stem] for stem in first.keys() & second.keys())


def test_windows_line_ends_are_taken_off_and_counted(dataset, tmp_path):
    folder = write_precomp(tmp_path, dataset.NAME)
    plain = [record.captions for record in dataset.records("test", tmp_path)]
    texts = folder / f"{dataset.NAME}_precomp"
    for name in ("test_caps.txt", "test_filename.txt"):
        (texts / name).write_bytes((texts / name).read_bytes().replace(b"\n", b"\r\n"))
    assert [record.captions for record in dataset.records("test", tmp_path)] == plain
    assert dataset.listing(tmp_path).crlf_lines == 40


def test_text_files_may_end_without_a_line_end(tmp_path):
    texts = write_precomp(tmp_path, "ucm") / "ucm_precomp"
    before = ids(ucm, tmp_path)
    for path in texts.iterdir():
        path.write_text("\ufeff" + path.read_text().removesuffix("\n"), encoding="utf-8")
    assert ids(ucm, tmp_path) == before


def edit(path: Path, change) -> None:
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_counts_that_do_not_go_together(dataset, tmp_path):
    texts = write_precomp(tmp_path, dataset.NAME) / f"{dataset.NAME}_precomp"
    edit(texts / "train_caps.txt", lambda lines: lines.pop())
    with pytest.raises(DataError, match=r"train_caps\.txt: has 49 captions, which do not go with the 10 names"):
        dataset.records("train", tmp_path)


def test_names_that_change_within_an_image(tmp_path):
    texts = write_precomp(tmp_path, "rsicd") / "rsicd_precomp"
    edit(texts / "test_filename.txt", lambda lines: lines.__setitem__(7, "airport_99.jpg"))
    with pytest.raises(DataError, match=r"test_filename\.txt, line 8: names 'airport_99\.jpg' where the same name"):
        rsicd.records("test", tmp_path)


def test_empty_lines_are_named(dataset, tmp_path):
    texts = write_precomp(tmp_path, dataset.NAME) / f"{dataset.NAME}_precomp"
    name = dataset.records("test", tmp_path)[1].id
    edit(texts / "test_caps.txt", lambda lines: lines.__setitem__(7, "  "))
    with pytest.raises(DataError, match=rf"image {name}: has an empty caption: number 3 of 5"):
        dataset.records("test", tmp_path)
    edit(texts / "train_filename.txt", lambda lines: lines.__setitem__(3, ""))
    with pytest.raises(DataError, match=r"train_filename\.txt, image 4: has no name"):
        dataset.records("train", tmp_path)


def test_an_empty_caption_of_a_manifest_is_named(tmp_path):
    folder = write_fake(tmp_path, "ucm")
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"Many planes in the picture ."', '""', 1))
    with pytest.raises(DataError, match=r"image airport_0: has an empty caption: number 4 of 5"):
        ucm.records("train", tmp_path)


def test_rsitmd_leaves_out_the_four_images_without_a_sentence(tmp_path):
    texts = write_precomp(tmp_path, "rsitmd", verified=True) / "rsitmd_precomp"
    images = tmp_path / "rsitmd" / "images"
    (images / "airport_1.tif").rename(images / "viaduct_4635.tif")
    for path in texts.glob("train_filename*"):
        edit(path, lambda lines: lines.__setitem__(0, "viaduct_4635.tif"))
    for path in texts.glob("train_caps*"):
        edit(path, lambda lines: lines.__setitem__(slice(0, 5), [""] * 5))
    assert len(rsitmd.listing(tmp_path).of("train")) == 8
    assert "viaduct_4635" not in [record.id for record in rsitmd.records("train", tmp_path)]
    assert len(rsitmd.records("train", tmp_path)) == 7
    for path in texts.glob("train_caps*"):
        edit(path, lambda lines: lines.__setitem__(5, ""))
    with pytest.raises(DataError, match="image airport_2: has an empty caption"):
        rsitmd.records("train", tmp_path)


def test_a_missing_text_file_or_image_is_named(dataset, tmp_path):
    folder = write_precomp(tmp_path, dataset.NAME)
    lost = dataset.records("test", tmp_path)[2].path
    lost.unlink()
    with pytest.raises(DataError, match=rf"{lost.name}: is absent, and 0 more of the 4 images"):
        dataset.records("test", tmp_path)
    (folder / f"{dataset.NAME}_precomp" / "test_caps.txt").unlink()
    with pytest.raises(DataError, match=r"test_caps\.txt: is absent"):
        dataset.records("test", tmp_path)


def test_a_name_that_leads_elsewhere_is_refused(tmp_path):
    texts = write_precomp(tmp_path, "sydney") / "sydney_precomp"
    edit(texts / "train_filename.txt", lambda lines: lines.__setitem__(0, "../../1.tif"))
    with pytest.raises(DataError, match="points outside"):
        sydney.records("train", tmp_path)


def test_an_image_in_two_splits_is_refused(tmp_path):
    texts = write_precomp(tmp_path, "rsicd") / "rsicd_precomp"
    edit(texts / "train_filename.txt", lambda lines: lines.__setitem__(0, "airport_11.jpg"))
    with pytest.raises(DataError, match="lists airport_11 twice"):
        rsicd.records("test", tmp_path)


@pytest.mark.parametrize(
    ("layout", "fault"),
    [(write_published, "lists 4 test images, not {}"), (write_precomp, "lists 4 test images, not {}")],
)
def test_a_wrong_split_size_is_an_error_unless_the_copy_says_so(dataset, tmp_path, layout, fault):
    folder = layout(tmp_path, dataset.NAME)
    assert dataset.records("test", tmp_path)
    (folder / "SUBSET").unlink()
    with pytest.raises(DataError, match=fault.format(f"{dataset.SIZES.test:,}") + r".*file named SUBSET"):
        dataset.records("test", tmp_path)
    with pytest.raises(DataError, match=f"not {dataset.SIZES.trainval:,}|not {dataset.SIZES.train:,}"):
        dataset.records("train", tmp_path)
    mark_as_subset(folder)
    assert dataset.records("train", tmp_path)


def listing(sizes: dict[str, int], *, drawn: bool) -> Listing:
    records = [
        CaptionedImage(id=f"{split}{k}", path=Path("x"), split=split, category=None, captions=("a",))
        for split, count in sizes.items()
        for k in range(count)
    ]
    return Listing(source=Path("/no/such/list.json"), records=tuple(records), val_is_drawn=drawn)


def test_size_rules():
    three, two = Sizes(train=5, val=2, test=3), Sizes(train=7, val=None, test=3)
    assert size_faults(listing({"train": 5, "val": 2, "test": 3}, drawn=False), three) == {}
    assert size_faults(listing({"train": 6, "val": 1, "test": 3}, drawn=True), three) == {}
    assert size_faults(listing({"train": 6, "val": 1, "test": 3}, drawn=False), two) == {}
    assert set(size_faults(listing({"train": 6, "val": 1, "test": 3}, drawn=False), three)) == {"train", "val"}
    assert set(size_faults(listing({"train": 5, "val": 1, "test": 3}, drawn=True), three)) == {"train", "val"}
    assert set(size_faults(listing({"train": 7, "val": 0, "test": 2}, drawn=False), two)) == {"test"}
    with pytest.raises(DataError, match=r"list\.json: lists 6 train images, not 5"):
        settled_records(listing({"train": 6, "val": 2, "test": 3}, drawn=False), "train", sizes=three)


def records(count: int, categories: int) -> list[CaptionedImage]:
    return [
        CaptionedImage(
            id=f"i{k:04}",
            path=Path("x"),
            split="train",
            category=f"c{k % categories}" if k % 11 else None,
            captions=("a",),
        )
        for k in range(count)
    ]


@pytest.mark.parametrize(("count", "categories"), [(1, 1), (10, 3), (97, 7), (500, 32)])
def test_the_draw_takes_a_fifth_of_every_class(count, categories):
    given = records(count, categories)
    for seed in range(3):
        drawn = draw_validation(given, seed=seed)
        assert [record.id for record in drawn] == [record.id for record in given]
        val = [record for record in drawn if record.split == "val"]
        assert len(val) == round(count * 0.2)
        sizes, taken = Counter(r.category for r in given), Counter(r.category for r in val)
        assert all(abs(taken[name] - 0.2 * size) < 1 for name, size in sizes.items())
        backwards = draw_validation(given[::-1], seed=seed)
        assert {r.id for r in backwards if r.split == "val"} == {r.id for r in val}
    if count > 50:
        assert draw_validation(given, seed=0) != draw_validation(given, seed=1)
        assert draw_validation(given, seed=0) != draw_validation(given, seed=0, stratified=False)
    assert all(record.split == "train" for record in draw_validation(given, share=0))
    assert all(record.split == "val" for record in draw_validation(given, share=1))


def test_the_test_split_is_never_drawn_from():
    given = [CaptionedImage(id=f"{k}", path=Path("x"), split="test", category=None, captions=("a",)) for k in range(9)]
    assert draw_validation(given, share=1) == given


def test_another_seed_gives_another_draw_of_rsitmd(tmp_path):
    write_precomp(tmp_path, "rsitmd")
    draws = {tuple(record.id for record in rsitmd.records("val", tmp_path, seed=seed)) for seed in range(6)}
    assert len(draws) > 1
    assert all(len(draw) == 2 for draw in draws)


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
@pytest.mark.parametrize(
    ("name", "texts"), [("rsicd", "rsicd/annotations/rsicd_precomp"), ("ucm", "ucm/annotations/ucm_precomp")]
)
def test_the_real_text_files_say_what_the_manifest_says(tmp_path, name, texts):
    real = Path(os.environ["GEOGLOT_DATA"])
    if not (real / texts).is_dir():
        pytest.skip(f"{texts} is not here")
    dataset = load_dataset(name)
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}_precomp").symlink_to(real / texts)
    images = folder / "images"
    images.mkdir()
    by_id = {record.id: record for split in dataset.SPLITS for record in dataset.records(split, real)}
    for record in by_id.values():
        # The text layout names UC Merced's images by number.
        stem = record.path.stem
        if name == "ucm":
            stem = str(ucm.CATEGORIES.index(str(record.category)) * 100 + int(record.id[-2:]) + 1)
        (images / f"{stem}{record.path.suffix}").touch()
    found = {split: dataset.records(split, tmp_path) for split in dataset.SPLITS}
    assert len(found["train"]) + len(found["val"]) == dataset.SIZES.trainval
    assert len(found["val"]) == round(0.2 * dataset.SIZES.trainval)
    assert {r.id for r in found["test"]} == {r.id for r in dataset.records("test", real)}
    for record in (record for several in found.values() for record in several):
        # The manifest's captions came without spaces at their ends.
        assert [caption.strip() for caption in record.captions] == list(by_id[record.id].captions), record.id


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
def test_the_real_captions_of_rsitmd_and_sydney(tmp_path):
    real = Path(os.environ["GEOGLOT_DATA"]) / "captions_text_only"
    if not real.is_dir():
        pytest.skip("the captions are not here")
    (tmp_path / "rsitmd" / "images").mkdir(parents=True)
    (tmp_path / "rsitmd" / "rsitmd_precomp").symlink_to(real / "rsitmd" / "rsitmd_precomp")
    listed = rsitmd.listing(tmp_path)
    assert [len(listed.of(split)) for split in rsitmd.SPLITS] == [3433, 858, 452]
    assert sum(not caption for record in listed.records for caption in record.captions) == 20
    for record in listed.records:
        record.path.touch()
    found = {split: rsitmd.records(split, tmp_path) for split in rsitmd.SPLITS}
    assert len(found["train"]) + len(found["val"]) == 4291 - 4
    assert len({caption for record in found["test"] for caption in record.captions}) == 2119
    assert sum(len(set(r.captions)) == 1 for r in listed.records if r.split != "test" and r.captions[0]) == 36
    (tmp_path / "sydney" / "imgs").mkdir(parents=True)
    published = gzip.decompress((real / "sydney" / "dataset_sydney_modified.json.gz").read_bytes())
    (tmp_path / "sydney" / "dataset.json").write_bytes(published)
    for entry in json.loads(published)["images"]:
        (tmp_path / "sydney" / "imgs" / entry["filename"]).touch()
    assert [len(sydney.records(split, tmp_path)) for split in sydney.SPLITS] == [497, 58, 58]
