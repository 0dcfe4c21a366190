"""Captions on the disk: parts, merging, kills, failing disks, tiles that leave, archives of every age."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from caption_samples import FakeCaptioner, caption_row, indexed, stored
from PIL import Image
from samples import FakeEncoder, new_store, sample_rows, source, write_png, write_pngs

from geoglot.archive import words
from geoglot.archive.captioning import caption_archive
from geoglot.archive.captions import as_table, parts_of, prune, put_captions
from geoglot.archive.filesystem import FileSystem
from geoglot.archive.filter import ids_among
from geoglot.archive.ingest import ingest
from geoglot.archive.store import ArchiveStore
from geoglot.archive.verify import verify
from geoglot.core.errors import ArchiveError, UsageError
from geoglot.geo.source import ReadOptions
from geoglot.text.search_words import word_query

CHILD = Path(__file__).with_name("captioning_child.py")
WRITER = {"captioner": "fake-captioner-1", "captioner_sha256": "ef" * 32}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photos, one of them dark, and a scene of 36 tiles whose lower right corner is nodata."""
    import rasterio

    folder = tmp_path_factory.mktemp("images")
    write_pngs(folder, 23)
    Image.new("RGB", (16, 16), (20, 20, 20)).save(folder / "dark.png")
    pixels = np.random.default_rng(0).integers(1, 255, (3, 96, 96)).astype(np.uint8)
    pixels[:, 80:, 80:] = 0
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(1, 0, 500_000, 0, -1, 5_000_000), "photometric": "RGB"}
    profile = {"driver": "GTiff", "width": 96, "height": 96, "count": 3, "dtype": "uint8", "nodata": 0, **place}
    with rasterio.open(folder / "scene.tif", "w", **profile) as file:
        file.write(pixels)
    return folder


@pytest.fixture(scope="module")
def archive(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of them, without captions: 24 photos and 35 tiles."""
    folder = tmp_path_factory.mktemp("archives") / "plain"
    with indexed(folder, images, tile=16, overlap=0) as store:
        assert store.info().rows == 59
    return folder


@pytest.fixture
def copy(archive: Path, tmp_path: Path) -> Path:
    shutil.copytree(archive, tmp_path / "archive")
    return tmp_path / "archive"


def test_every_tile_gets_what_its_pixels_say(copy: Path) -> None:
    captioner = FakeCaptioner()
    with ArchiveStore.open(copy, read_only=False) as store:
        report = caption_archive(store, captioner, ("en", "ar"))
        assert (report.tiles, report.captions, report.unchanged) == (59, 116, 0)
        assert report.without == {"blank": 2}
        found = stored(store)
        assert len(found) == 118
        assert sum(text is None for text in found.values()) == 2
        searcher = store.searcher
        for segment in searcher.segments:
            for row in range(len(segment)):
                path = Path(searcher.names(segment).first(int(segment.source[row])))
                if path.suffix != ".png":
                    continue
                with Image.open(path) as image:
                    picture = np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR, reducing_gap=1))
                expected = captioner.described(picture, ("ar",)).told[0].sentence
                text = found[segment.ids[row].tobytes().hex(), "ar"]
                assert text == (None if expected is None else expected.text)
        again = FakeCaptioner()
        assert caption_archive(store, again, ("ar", "en")).unchanged == 59
        assert again.pictures == 0
    assert verify(copy).ok


def test_chosen_tiles_are_captioned_and_no_others(copy: Path) -> None:
    with ArchiveStore.open(copy, read_only=False) as store:
        segment = store.searcher.segments[0]
        chosen = [bytes(row).hex() for row in np.asarray(segment.ids)[[3, 7]]]
        report = caption_archive(store, FakeCaptioner(), ["en"], items=[*chosen, "ab" * 16])
        assert (report.tiles, report.unchanged) == (2, 0)
        again = caption_archive(store, FakeCaptioner(), ["en"], items=chosen)
        assert (again.tiles, again.unchanged) == (0, 2)
        rest = caption_archive(store, FakeCaptioner(), ["en"])
        assert (rest.tiles, rest.unchanged) == (24 + 35 - 2, 2)


def test_a_scene_of_several_levels_is_captioned_once_per_tile(images: Path, tmp_path: Path) -> None:
    """Level 1 of a scene of 96 pixels with tiles of 64 covers it at half resolution: windows shift at its edge."""
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(images / "scene.tif", folder)
    with indexed(tmp_path / "archive", folder, tile=32, levels=3) as store:
        count = store.info().rows
        report = caption_archive(store, FakeCaptioner(), ("en",))
        assert (report.tiles, len(stored(store))) == (count, count)
        assert caption_archive(store, FakeCaptioner(), ("en",)).unchanged == count


def test_small_parts_are_merged_and_nothing_is_lost(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        store.commit(sample_rows("a", 4), [source("a")])
        for number in range(30):
            put_captions(store, as_table([caption_row(number)], **WRITER))
            parts = parts_of(store.snapshot().meta)
            assert len(parts) < 8
            assert sum(part.rows for part in parts) == number + 1
            assert {path.stem for path in store.layout.captions.iterdir()} == {part.name for part in parts}
            files = {path.stem for path in store.layout.words.glob("*.sqlite")}
            assert files == {part.name for part in parts}
        assert stored(store) == {(n.to_bytes(16, "big").hex(), "en"): f"caption n{n}" for n in range(30)}
        index = store.words
        assert index is not None
        assert index.matching(word_query("n17")).tobytes() == (17).to_bytes(16, "big")
        assert len(index.matching(word_query("captions"))) == 30
    assert verify(tmp_path / "a").ok


def test_a_large_part_is_left_alone(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        put_captions(store, as_table([caption_row(number) for number in range(9000)], **WRITER))
        large = parts_of(store.snapshot().meta)[0]
        for number in range(9000, 9040):
            put_captions(store, as_table([caption_row(number)], **WRITER))
        assert parts_of(store.snapshot().meta)[0] == large
        assert len(stored(store)) == 9040


def test_replacing_takes_the_old_caption_out_in_the_same_commit(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        put_captions(store, as_table([caption_row(n) for n in range(5)], **WRITER))
        put_captions(store, as_table([caption_row(2, language="fr", text="un champ")], **WRITER))
        before = store.snapshot().commit
        other = {"captioner": "other-1", "captioner_sha256": "ab" * 32}
        put_captions(store, as_table([caption_row(2, text="another"), caption_row(9)], **other), replacing=True)
        assert store.snapshot().commit == before + 1
        found = stored(store)
        assert len(found) == 7
        assert found[(2).to_bytes(16, "big").hex(), "en"] == "another"
        assert found[(2).to_bytes(16, "big").hex(), "fr"] == "un champ"
        assert store.words is not None
        assert len(store.words.matching(word_query("n2"))) == 0


def start_child(archive: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(CHILD.parent)])}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(archive)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_kills_lose_no_acknowledged_caption_and_double_none(copy: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(copy, whole)
    child = start_child(whole)
    started = time.monotonic()
    first = 0.0
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("committed") and not first:
            first = time.monotonic() - started
    assert child.wait() == 0
    child.stdout.close()
    full = time.monotonic() - started
    with ArchiveStore.open(whole) as store:
        expected = stored(store)
    assert len(expected) == 118
    generator = random.Random(5)
    kills = half_way = 0
    for number in range(16):
        if kills >= 5 and half_way:
            break
        target = tmp_path / f"a{number}"
        shutil.copytree(copy, target)
        child = start_child(target)
        assert child.stdout is not None
        lines: list[str] = []
        reading = threading.Thread(target=lambda pipe=child.stdout, to=lines: to.extend(pipe))
        reading.start()
        time.sleep(generator.uniform(first * 0.8, max(full, first * 1.2)))
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
        reading.join()
        child.stdout.close()
        acknowledged: dict[tuple[str, str], str] = {}
        block: list[str] = []
        for line in lines:
            if line.startswith("committed"):
                acknowledged |= {(key, spoken): text for key, spoken, text in (one.split(" ", 2) for one in block)}
                block = []
            elif " " in line:
                block.append(line.rstrip("\n"))
        assert verify(target).ok
        with ArchiveStore.open(target) as store:
            found = stored(store)
        assert {key: str(found[key]) for key in acknowledged} == acknowledged
        half_way += 0 < len(found) < len(expected)
        with ArchiveStore.open(target, read_only=False) as store:
            report = caption_archive(store, FakeCaptioner(), ("en", "ar"))
            assert report.captions + sum(report.without.values()) == len(expected) - len(found)
            assert stored(store) == expected
        assert verify(target).ok
    assert kills >= 5


class FailingFileSystem(FileSystem):
    """Fails at its n-th operation with a full disk, and at all later ones."""

    def __init__(self, fail_at: int) -> None:
        self.left = fail_at

    def _next(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, file: BinaryIO, data: bytes | memoryview) -> int:
        self._next()
        return super().write(file, data)

    def flush(self, file: BinaryIO) -> None:
        self._next()
        super().flush(file)

    def rename(self, source: Path, target: Path) -> None:
        self._next()
        super().rename(source, target)

    def flush_directory(self, path: Path) -> None:
        self._next()
        super().flush_directory(path)

    def make_directory(self, path: Path) -> None:
        self._next()
        super().make_directory(path)

    def remove(self, path: Path) -> None:
        self._next()
        super().remove(path)


def test_a_disk_that_fails_at_any_operation_costs_nothing_that_was_committed(tmp_path: Path) -> None:
    """Seven parts, then an eighth that is merged with them, with a disk that fails at its n-th operation."""
    base = tmp_path / "base"
    with new_store(base) as store:
        store.commit(sample_rows("a", 2), [source("a")])
        for number in range(7):
            put_captions(store, as_table([caption_row(number)], **WRITER))
    before = {(n.to_bytes(16, "big").hex(), "en"): f"caption n{n}" for n in range(7)}
    after = {**before, ((7).to_bytes(16, "big").hex(), "en"): "caption n7"}
    outcomes, causes = set(), set()
    for fail_at in range(200):
        target = tmp_path / f"f{fail_at}"
        shutil.copytree(base, target)
        store = ArchiveStore.open(target, read_only=False)
        store.filesystem = FailingFileSystem(fail_at)
        try:
            put_captions(store, as_table([caption_row(7)], **WRITER))
            failed = False
        except ArchiveError as error:
            failed = True
            causes.add(error.cause.split(" (")[0])
        store.close()
        report = verify(target)
        assert [one for one in report.damages if "index" not in one.file] == []
        with ArchiveStore.open(target) as again:
            found = stored(again)
            assert found in (before, after)
            assert again.words is not None
            assert len(again.words.matching(word_query("caption"))) == len(found)
        outcomes.add((failed, found == after))
        with ArchiveStore.open(target, read_only=False) as again:
            if found == before:
                put_captions(again, as_table([caption_row(7)], **WRITER))
            assert stored(again) == after
            ingest(again, FakeEncoder(), [], options=ReadOptions(side=8))
        report = verify(target)
        assert (report.ok, report.notes) == (True, ())
        shutil.rmtree(target)
        if not failed:
            break
    else:
        pytest.fail("the disk never held out")
    assert outcomes == {(True, False), (True, True), (False, True)}
    assert causes == {"the disk is full"}


def test_captions_leave_with_their_tiles_even_after_a_kill_in_between(copy: Path, images: Path) -> None:
    with ArchiveStore.open(copy, read_only=False) as store:
        caption_archive(store, FakeCaptioner(), ("en",))
        store.commit(None, (), forgotten=[str(images / "00003.png")])  # killed before the captions are taken out
        assert len(stored(store)) == 59
        gone = next(iter({key for key, _ in stored(store)} - live(store)))
    with ArchiveStore.open(copy, read_only=False) as store:
        assert store.words is not None
        assert prune(store) == 1
        assert prune(store) == 0
        assert len(stored(store)) == 58
        assert (gone, "en") not in stored(store)
    assert verify(copy).ok


def live(store: ArchiveStore) -> set[str]:
    searcher = store.searcher
    found = set()
    for segment, mask in zip(searcher.segments, searcher.live, strict=True):
        rows = range(len(segment)) if mask is None else np.flatnonzero(mask)
        found |= {segment.ids[row].tobytes().hex() for row in rows}
    return found


def test_other_tiles_of_the_same_bytes_need_captions_of_their_own(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(images / "scene.tif", folder)
    with indexed(tmp_path / "archive", folder, tile=16, overlap=0) as store:
        caption_archive(store, FakeCaptioner(), ("en",))
        assert len(stored(store)) == 35
        ingest(store, FakeEncoder(), [folder], options=ReadOptions(side=8, tile=32, overlap=0))
        assert len(stored(store)) == 0, "those of the old tiles are gone"
        assert caption_archive(store, FakeCaptioner(), ("en",)).tiles == 9
        assert {key for key, _ in stored(store)} == live(store)


def test_a_damaged_shard_does_not_cost_its_captions(copy: Path, images: Path) -> None:
    with ArchiveStore.open(copy, read_only=False) as store:
        caption_archive(store, FakeCaptioner(), ("en",))
        before = stored(store)
    shard = next((copy / "shards").glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 4
    shard.write_bytes(bytes(content))
    with ArchiveStore.open(copy, read_only=False) as store:
        ingest(store, FakeEncoder(), [images], options=ReadOptions(side=8, tile=16, overlap=0))
        assert stored(store) == before
        assert caption_archive(store, FakeCaptioner(), ("en",)).unchanged == 59


def test_a_reader_sees_the_captions_of_its_commit(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        store.commit(sample_rows("a", 2), [source("a")])
        put_captions(store, as_table([caption_row(1)], **WRITER))
        with ArchiveStore.open(tmp_path / "a") as reader:
            index = reader.words
            assert index is not None
            put_captions(store, as_table([caption_row(2)], **WRITER))
            assert len(index.matching(word_query("caption"))) == 1
            reader.refresh()
            assert reader.words is not None
            assert len(reader.words.matching(word_query("caption"))) == 2


def test_a_line_in_the_catalogue_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    for value in ("{}", "x", "[]", '{"rows": 1, "bytes": 1, "sha256": "x", "languages": 3, "captioners": []}'):
        with pytest.raises(ArchiveError, match="is damaged in the catalogue"):
            parts_of({"captions/a": value})
    good = '{"rows": 1, "bytes": 1, "sha256": "x", "languages": {}, "captioners": []}'
    with pytest.raises(ArchiveError, match="outside of the archive"):
        parts_of({"captions/../../x": good})
    assert [part.name for part in parts_of({"captions/b": good, "captions/a": good, "format": "1"})] == ["a", "b"]


def test_a_store_for_reading_takes_no_captions(copy: Path) -> None:
    with ArchiveStore.open(copy) as store, pytest.raises(UsageError, match="open for reading only"):
        caption_archive(store, FakeCaptioner(), ("en",))


def test_errors_in_a_file_cost_its_rest_alone(copy: Path, images: Path, tmp_path: Path) -> None:
    """The bytes are those that were indexed, but the file cannot be decoded any more: its tiles stay to be done."""
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    with indexed(tmp_path / "own", folder, tile=16, overlap=0) as store:
        status = (folder / "scene.tif").stat()
        content = (folder / "scene.tif").read_bytes()
        (folder / "scene.tif").write_bytes(content[:400] + bytes(len(content) - 400))
        os.utime(folder / "scene.tif", ns=(status.st_atime_ns, status.st_mtime_ns))
        report = caption_archive(store, FakeCaptioner(), ("en",))
        done = report.tiles
        assert done >= 24
        (folder / "scene.tif").write_bytes(content)
        os.utime(folder / "scene.tif", ns=(status.st_atime_ns, status.st_mtime_ns))
        if report.failed:
            assert caption_archive(store, FakeCaptioner(), ("en",)).tiles == 59 - done
        assert len(stored(store)) == 59


def test_ids_are_found_among_others() -> None:
    generator = np.random.default_rng(1)
    ids = generator.integers(0, 256, (500, 16)).astype(np.uint8)
    ids[7, :8] = ids[3, :8]  # one half alone is no match
    wanted = ids[[3, 499, 0]]
    expected = [any((row == other).all() for other in wanted) for row in ids]
    assert ids_among(ids, wanted).tolist() == expected
    assert not ids_among(ids, ids[:0]).any()
    assert ids_among(ids[:0], wanted).shape == (0,)


def test_the_word_index_is_the_same_from_file_and_from_memory(tmp_path: Path) -> None:
    texts = ["many planes", "a plane beside a terminal", "ملاعب تنس كثيرة", "un terrain de tennis près d'une forêt"]
    with new_store(tmp_path / "a") as store:
        rows = [
            caption_row(number, text=text, language=("en", "en", "ar", "fr")[number])
            for number, text in enumerate(texts)
        ]
        put_captions(store, as_table([*rows, caption_row(9, text="")], **WRITER))
        parts = parts_of(store.snapshot().meta)
        from_file = words.WordIndex(store.layout, parts)
        shutil.rmtree(store.layout.words)
        in_memory = words.WordIndex(store.layout, parts)
        for asked, expected in {
            "plane": [0, 1],
            "PLANES terminal": [1],
            "التنس": [2],
            "tennis foret": [3],
            '"près forêt"': [],
            "plane -terminal": [0],
        }.items():
            found = [index.matching(word_query(asked)) for index in (from_file, in_memory)]
            assert [one.tobytes() for one in found[0]] == [n.to_bytes(16, "big") for n in expected], asked
            np.testing.assert_array_equal(*found)
        assert from_file.captions([(1).to_bytes(16, "big")]) == in_memory.captions([(1).to_bytes(16, "big")])
        from_file.close()
        in_memory.close()


def test_old_names_of_files_are_read_with_a_new_one(copy: Path, images: Path) -> None:
    """A photo that was renamed has its captions at once: they belong to its bytes."""
    with ArchiveStore.open(copy, read_only=False) as store:
        caption_archive(store, FakeCaptioner(), ("en",), sources=[str(images / "0000")])
        assert len(stored(store)) == 10
        assert caption_archive(store, FakeCaptioner(), ("en",), sources=["*.tif"]).tiles == 35
    write_png(copy.parent / "unrelated.png")
