"""Loaders of referring datasets: RefSegRS, RRSIS-D, written folders, the Dubai benchmark."""

from __future__ import annotations

import json
import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoglot.core.errors import DataError, UsageError
from geoglot.data import dubai_referring, refsegrs, rrsis_d, skyscapes
from geoglot.data.reference_rules import SKYSCAPES
from geoglot.data.referring import Referral, load_referring, read_pair
from geoglot.data.run_length import decode_mask, unpack_counts


def write_refsegrs(root: Path) -> Path:
    folder = root / "refsegrs"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    lines = {
        "train": ["1 road", "2  light-duty vehicle in the parking area "],
        "val": ["3 tree"],
        "test": ["4 car", ""],
    }
    for split, rows in lines.items():
        (folder / f"output_phrase_{split}.txt").write_text("\r\n".join(rows) + "\n")
    for number in range(1, 5):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / "images" / f"{number}.tif")
        mask = np.zeros((8, 8), np.uint8)
        mask[:number] = 1
        Image.fromarray(mask).save(folder / "masks" / f"{number}.tif")
    return folder


def test_refsegrs_as_it_is_published(tmp_path: Path) -> None:
    folder = write_refsegrs(tmp_path)
    with pytest.raises(DataError, match=r"lists 2 triplets, not 2,172.*JessicaYuan/RefSegRS.*SUBSET"):
        load_referring("refsegrs", tmp_path)
    (folder / "SUBSET").touch()
    dataset = load_referring("refsegrs", tmp_path)
    assert dataset.name == "refsegrs"
    assert [record.id for record in dataset.records("train")] == ["1", "2"]
    assert dataset.records("train", limit=1)[0].phrases == {"en": "road"}
    assert dataset.records("train")[1].phrases["en"] == "light-duty vehicle in the parking area"
    pixels, mask = read_pair(dataset.records("val")[0])
    assert (pixels[0, 0].tolist(), int(mask.sum())) == ([3, 3, 3], 24)
    assert dataset.records("train")[1].template == "attribute+category+relation"
    assert dataset.records("train")[1].categories == ("vehicle", "parking area")
    with pytest.raises(UsageError, match="is no split"):
        dataset.records("validation")


@pytest.mark.parametrize(
    ("line", "cause"),
    [("1", "holds no phrase"), ("9 car", "has no file in images"), ("1 car", "comes a second time")],
)
def test_faults_of_refsegrs_are_named_by_line(tmp_path: Path, line: str, cause: str) -> None:
    folder = write_refsegrs(tmp_path)
    with (folder / "output_phrase_test.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=rf"output_phrase_test.txt, line 3.*{cause}"):
        refsegrs.read_folder(folder, name="x")


def test_where_to_get_what_is_absent(tmp_path: Path) -> None:
    for name, address in (("refsegrs", refsegrs.SOURCE), ("rrsis_d", rrsis_d.SOURCE)):
        with pytest.raises(DataError) as error:
            load_referring(name, tmp_path)
        assert address in str(error.value)
    with pytest.raises(DataError, match="dubai_seg: is absent"):
        load_referring("dubai", tmp_path)
    with pytest.raises(DataError, match="SkyScapes"):
        skyscapes.sources(tmp_path)
    with pytest.raises(UsageError, match="neither a referring dataset nor a folder"):
        load_referring(tmp_path / "nothing")
    with pytest.raises(DataError, match="output_phrase"):
        load_referring(tmp_path)


def packed(counts: list[int]) -> str:
    """Run lengths as text, written from the format's description: the reverse of what is tested."""
    text = ""
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits, number = number & 31, number >> 5
            more = number != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


def runs_of(mask: np.ndarray) -> list[int]:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
    return np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_masks_come_back_from_run_lengths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.repeat(np.repeat(rng.random((7, 9)) < 0.4, 11, axis=0), 5, axis=1)
    counts = runs_of(mask)
    assert unpack_counts(packed(counts)).tolist() == counts
    for stored in (counts, packed(counts), packed(counts).encode()):
        assert decode_mask({"size": [77, 45], "counts": stored}, 77, 45).tolist() == mask.tolist()
        assert decode_mask([{"size": [77, 45], "counts": stored}], 77, 45).tolist() == mask.tolist()


def test_polygons_and_broken_run_lengths() -> None:
    square = decode_mask([[1, 1, 4, 1, 4, 3, 1, 3]], 6, 8)
    assert np.argwhere(square).min(axis=0).tolist() == [1, 1]
    assert np.argwhere(square).max(axis=0).tolist() == [3, 4]
    for stored, fault in (
        ({"size": [2, 2], "counts": [1, 2]}, "runs over 3 pixels"),
        ({"size": [2, 2], "counts": [-1, 5]}, "runs over 4 pixels"),
        ({"size": [3, 3], "counts": [9]}, "a mask of size"),
        ([[1, 2, 3]], "a polygon of 3 numbers"),
    ):
        with pytest.raises(ValueError, match=fault):
            decode_mask(stored, 2, 2)
    for text in ("\x10", "P"):
        with pytest.raises(ValueError, match="run lengths"):
            unpack_counts(text)


def write_rrsis_d(root: Path) -> Path:
    folder = root / "rrsis_d"
    (folder / "rrsisd").mkdir(parents=True)
    (folder / "images/rrsisd/JPEGImages").mkdir(parents=True)
    images, annotations, references = [], [], []
    for number, split in enumerate(("train", "train", "val", "test")):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(folder / f"images/rrsisd/JPEGImages/{number:05d}.jpg")
        mask = np.zeros((20, 20), dtype=bool)
        mask[2:6, 3 : 5 + number] = True
        images.append({"id": number, "file_name": f"{number:05d}.jpg", "height": 20, "width": 20})
        rle = [{"size": [20, 20], "counts": packed(runs_of(mask))}]
        annotations.append({"id": 10 + number, "image_id": number, "category_id": 3, "segmentation": rle})
        sentence = {"sent_id": number, "sent": "a  ship on the left", "raw": "A ship on the left", "tokens": []}
        references.append(
            {"ref_id": number, "ann_id": 10 + number, "image_id": number, "split": split, "sentences": [sentence]}
        )
    stored = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "Ship"}]}
    (folder / "rrsisd/instances.json").write_text(json.dumps(stored))
    (folder / "rrsisd/refs(unc).p").write_bytes(pickle.dumps(references))
    return folder


def test_rrsis_d_as_it_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOGLOT_CACHE", str(tmp_path / "cache"))
    folder = write_rrsis_d(tmp_path)
    with pytest.raises(DataError, match="lists 2 triplets, not 12,181"):
        load_referring("rrsis_d", tmp_path)
    (folder / "SUBSET").touch()
    dataset = load_referring("rrsis_d", tmp_path)
    assert {split: len(dataset.records(split)) for split in ("train", "val", "test")} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    record = dataset.records("train")[1]
    assert (record.phrases["en"], record.categories, record.scene) == ("a ship on the left", ("ship",), "00001")
    pixels, mask = read_pair(record)
    assert pixels.shape == (20, 20, 3)
    assert np.argwhere(mask).tolist() == [[row, column] for row in range(2, 6) for column in (3, 4, 5)]
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.png")}
    assert len(written) == 4
    load_referring("rrsis_d", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.png")} == written


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_cannot_run_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOGLOT_CACHE", str(tmp_path / "cache"))
    folder = write_rrsis_d(tmp_path)
    (folder / "rrsisd/refs(unc).p").write_bytes(pickle.dumps([_Hostile(tmp_path / "ran")]))
    with pytest.raises(DataError, match="mkdir"):
        load_referring("rrsis_d", tmp_path)
    assert not (tmp_path / "ran").exists()
    (folder / "rrsisd/refs(unc).p").write_bytes(b"")
    with pytest.raises(DataError, match="do not fit"):
        load_referring("rrsis_d", tmp_path)


def referral(folder: Path, size: tuple[int, int] = (6, 4), mask_size: tuple[int, int] = (6, 4)) -> Referral:
    Image.new("RGB", size, (10, 20, 30)).save(folder / "a.png")
    mask = Image.new("L", mask_size)
    mask.paste(255, (0, 0, 3, 2))
    mask.save(folder / "b.png")
    return Referral(id="a", scene="a", image=folder / "a.png", mask=folder / "b.png", phrases={"en": "road"})


def test_a_pair_is_resized_together(tmp_path: Path) -> None:
    record = referral(tmp_path)
    pixels, mask = read_pair(record)
    assert (pixels.shape, pixels.dtype, mask.shape, mask.dtype) == ((4, 6, 3), np.uint8, (4, 6), np.bool_)
    assert int(mask.sum()) == 6
    pixels, mask = read_pair(record, 12)
    assert (pixels.shape, mask.shape) == ((12, 12, 3), (12, 12))
    assert mask[:6, :6].all()
    assert int(mask.sum()) == 36
    assert (pixels == (10, 20, 30)).all()


def test_pairs_that_do_not_fit_or_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="5 x 5 pixels, its image 6 x 4"):
        read_pair(referral(tmp_path, mask_size=(5, 5)))
    record = referral(tmp_path)
    record.mask.write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        read_pair(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phrases": {"fr": "route"}}, "no English phrase"),
        ({"split": "tests"}, "line 1.*cannot be read"),
        ({"mask": "masks/other.tif"}, "other.tif: is absent"),
        ({"mask": "../../../etc/passwd"}, "passwd: is absent"),
    ],
)
def test_a_damaged_written_folder(tmp_path: Path, change: dict[str, object], message: str) -> None:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / part / "a.tif")
    line = {"id": "a", "scene": "a", "split": "train", "image": "images/a.tif", "mask": "masks/a.tif",
            "phrases": {"en": "road"}}  # fmt: skip
    (tmp_path / "phrases.jsonl").write_text(json.dumps(line) + "\n")
    assert load_referring(tmp_path).records("train")[0].phrases == {"en": "road"}
    (tmp_path / "phrases.jsonl").write_text(json.dumps(line | change) + "\n")
    with pytest.raises(DataError, match=message):
        load_referring(tmp_path)


def test_skyscapes_by_values_and_by_colours(tmp_path: Path) -> None:
    folder = tmp_path / "skyscapes"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    classes = np.full((40, 60), 18, np.uint8)
    classes[:10] = 2
    classes[12:30, 5:25] = 11
    colours = np.zeros((40, 60, 3), np.uint8)
    for row in skyscapes.table().rows:
        colours[classes == row.value] = row.colour
    for name, stored in (("one", classes), ("two", colours)):
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(folder / "images" / f"{name}.jpg")
        Image.fromarray(stored).save(folder / "labels" / f"{name}.png")
    one, two = skyscapes.sources(tmp_path)
    from geoglot.core.records import Window

    window = Window(0, 0, 60, 40)
    assert one.read(window).classes.tolist() == two.read(window).classes.tolist() == classes.tolist()
    assert one.gsd_m == 0.13
    known = {name for c in (*SKYSCAPES.categories, *SKYSCAPES.references) for name in (*c.classes, *c.lying_on)}
    assert known <= set(skyscapes.table().names.values())
    assert len(skyscapes.table().rows) == 20


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("GEOGLOT_DATA"), reason="GEOGLOT_DATA is not set")
def test_the_dubai_benchmark(tmp_path: Path) -> None:
    from geoglot.data.reference_builder import build

    data_root = Path(os.environ["GEOGLOT_DATA"])
    if not (data_root / "dubai_seg").is_dir():
        pytest.skip("the Dubai class maps are not there")
    some = [each for each in dubai_referring.sources(data_root) if each.id in ("t2_001", "t5_005", "t6_002")]
    about = build(some, dubai_referring.RULES, tmp_path / "x", name="dubai", settings=dubai_referring.SETTINGS)
    # t2_001 is 509 x 544 pixels: one crop. t5_005 and t6_002 are larger: four crops of 512 each, apart or touching,
    # of which one shows nothing but the sea.
    assert about["scenes"] == {"train": 1, "val": 3, "test": 4}
    assert about["dropped"]["whole crop"] >= 1
    dataset = load_referring(tmp_path / "x")
    for split, tile in (("train", "t2"), ("val", "t5"), ("test", "t6")):
        assert {record.scene[:2] for record in dataset.records(split)} == {tile}
    kinds = Counter(record.template for split in dataset.splits for record in dataset.records(split))
    assert kinds["category"] > 10
    assert kinds["category+relation"] > 2
    for record in dataset.records("val"):
        pixels, mask = read_pair(record)
        assert pixels.shape == (512, 512, 3)
        assert 0.001 <= mask.mean() <= 0.9
    # The mask of a bare category is the class map itself.
    record = next(record for record in dataset.records("train") if record.phrases["en"] == "road")
    classes = np.asarray(Image.open(data_root / "dubai_seg/masks/t2_001.png"))[17:526]  # 35 rows too many
    stretched = Image.fromarray(classes == 2).resize(read_pair(record)[1].shape[::-1], Image.Resampling.NEAREST)
    assert (np.asarray(stretched) == read_pair(record)[1]).mean() > 0.999
