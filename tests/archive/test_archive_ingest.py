"""Ingest: incremental, resumable, deterministic, one bad file costs itself alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from samples import (
    FakeEncoder,
    Options,
    PngDecoder,
    discover_png,
    everything,
    new_store,
    write_png,
    write_pngs,
)

from geoglot.archive.ingest import IngestReport, Progress, ingest
from geoglot.archive.store import ArchiveStore
from geoglot.core.errors import ArchiveError, GeoglotError


def run(store: ArchiveStore, *paths: Path, encoder: FakeEncoder | None = None, **more: object) -> IngestReport:
    settings = {"options": Options(), "decoder_factory": PngDecoder, "discover": discover_png, **more}
    return ingest(store, encoder or FakeEncoder(), list(paths), **settings)  # type: ignore[arg-type]


def test_every_tile_of_every_file_is_found_by_its_own_picture(tmp_path: Path) -> None:
    files = [write_png(tmp_path / "in" / f"{n}.png", width=48, height=32) for n in range(5)]
    encoder = FakeEncoder()
    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in", jobs=2)
        assert (report.indexed, report.rows_added, report.failed) == (5, 5 * 6, [])
        for file in files:
            _, *batches = PngDecoder(Options()).read(file)
            for part in batches:
                vectors = encoder.encode_images(part.pixels)
                for tile, vector in zip(part.tiles, vectors, strict=True):
                    (hit,) = store.search(vector, k=1, collapse=False)
                    assert hit.source == str(file)
                    assert hit.tile.window == tile.window
                    assert hit.tile.bounds == tile.bounds
                    assert hit.tile.footprint == tile.footprint
                    assert hit.score == pytest.approx(1, abs=2e-3)


def test_a_second_run_reads_nothing(tmp_path: Path) -> None:
    write_pngs(tmp_path / "in", 20)
    with new_store(tmp_path / "a") as store:
        run(store, tmp_path / "in")
        before, commit = everything(store), store.info().commit
        encoder, reads = FakeEncoder(), PngDecoder.reads
        report = run(store, tmp_path / "in", encoder=encoder)
        assert (report.unchanged, report.indexed, encoder.images, PngDecoder.reads - reads) == (20, 0, 0, 0)
        assert everything(store) == before
        assert store.info().commit == commit


def test_jobs_do_not_change_what_is_committed(tmp_path: Path) -> None:
    write_pngs(tmp_path / "in", 30)
    for jobs in (1, 3):
        with new_store(tmp_path / f"a{jobs}") as store:
            run(store, tmp_path / "in", jobs=jobs, flush_seconds=1e9)
    shards = [sorted((tmp_path / f"a{jobs}" / "shards").iterdir()) for jobs in (1, 3)]
    assert [p.read_bytes() for p in shards[0]] == [p.read_bytes() for p in shards[1]]


def test_a_changed_file_brings_new_rows_and_takes_its_old_ones_away(tmp_path: Path) -> None:
    file = write_png(tmp_path / "in" / "a.png", seed=1)
    write_png(tmp_path / "in" / "b.png", seed=2)
    with new_store(tmp_path / "a") as store:
        run(store, tmp_path / "in")
        old = everything(store)
        write_png(file, seed=3)
        os.utime(file, ns=(10**18, 10**18))
        report = run(store, tmp_path / "in")
        assert (report.indexed, report.unchanged) == (1, 1)
        new = everything(store)
        assert len(new) == 2
        assert len(new.keys() & old.keys()) == 1


def test_a_touched_or_moved_or_copied_file_is_not_encoded_again(tmp_path: Path) -> None:
    files = [write_png(tmp_path / "in" / f"{n}.png", seed=n) for n in range(3)]
    with new_store(tmp_path / "a") as store:
        run(store, tmp_path / "in")
        ids = everything(store).keys()
        os.utime(files[0], ns=(10**18, 10**18))
        moved = files[1].rename(tmp_path / "in" / "moved.png")
        copy = tmp_path / "in" / "0copy.png"
        copy.write_bytes(files[2].read_bytes())
        encoder = FakeEncoder()
        report = run(store, tmp_path / "in", encoder=encoder)
        assert (encoder.images, report.known_bytes, report.indexed, report.gone) == (0, 3, 0, [])
        after = everything(store)
        assert after.keys() == ids
        assert sorted(path for path, _ in after.values()) == sorted(map(str, [files[0], moved, copy]))
        # the copy may go, its original stays
        assert store.remove([str(copy)]) == 1
        assert sorted(path for path, _ in everything(store).values()) == sorted(map(str, [files[0], moved, files[2]]))
        assert run(store, tmp_path / "in", encoder=encoder).known_bytes == 1
    with ArchiveStore.open(tmp_path / "a") as store:
        assert store.verify().ok


def test_two_files_of_the_same_bytes_in_one_run_make_one_set_of_rows(tmp_path: Path) -> None:
    write_png(tmp_path / "in" / "a.png", seed=1, width=64)
    write_png(tmp_path / "in" / "b.png", seed=1, width=64)
    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in")
        assert (report.indexed, report.known_bytes, report.rows_added) == (1, 1, 4)
        assert len(everything(store)) == 4
        store.remove([str(tmp_path / "in" / "a.png")])
        assert {path for path, _ in everything(store).values()} == {str(tmp_path / "in" / "b.png")}
        store.remove([str(tmp_path / "in" / "b.png")])
        assert everything(store) == {}


def test_other_options_replace_the_rows(tmp_path: Path) -> None:
    write_png(tmp_path / "in" / "a.png", width=64, height=64)
    with new_store(tmp_path / "a") as store:
        assert run(store, tmp_path / "in").rows_added == 16
        assert run(store, tmp_path / "in", options=Options(tile=32)).rows_added == 4
        assert len(everything(store)) == 4
        # back again: the very same ids as at first
        assert run(store, tmp_path / "in").rows_added == 16
        assert len(everything(store)) == 16


def test_a_bad_file_costs_itself_alone(tmp_path: Path) -> None:
    write_pngs(tmp_path / "in", 10)
    for number in range(5):
        (tmp_path / "in" / f"bad{number}.png").write_bytes(b"\x89PNG not at all" * number)
    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in")
        assert (report.indexed, len(report.failed)) == (10, 5)
        assert len(everything(store)) == 10
        assert store.info().sources == {"done": 10, "failed": 5}
    lines = [json.loads(line) for line in (tmp_path / "a" / "errors.jsonl").read_text().splitlines()]
    assert [Path(line["file"]).name for line in lines] == [f"bad{n}.png" for n in range(5)]
    assert all(line["stage"] and line["cause"] and line["remedy"] for line in lines)
    # repaired files are taken by the next run
    for number in range(5):
        write_png(tmp_path / "in" / f"bad{number}.png", seed=900 + number)
    with ArchiveStore.open(tmp_path / "a", read_only=False) as store:
        report = run(store, tmp_path / "in")
        assert (report.indexed, report.failed, report.unchanged) == (5, [], 10)


class HalfDecoder(PngDecoder):
    """Fails after the second batch of a file whose name says so."""

    def read(self, path, *, root=None):  # type: ignore[no-untyped-def]
        for number, part in enumerate(super().read(path, root=root)):
            if number == 3 and "half" in path.name:
                raise RuntimeError("decoder fell over")
            yield part


def test_tiles_before_a_failure_are_kept_and_the_next_run_adds_the_rest(tmp_path: Path) -> None:
    write_png(tmp_path / "in" / "half.png", width=160, height=64)  # 40 tiles, 5 batches
    write_png(tmp_path / "in" / "whole.png", width=160, height=64)
    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in", decoder_factory=HalfDecoder)
        assert "decoder fell over" in report.failed[0].cause
        assert len(everything(store)) == 40 + 16
        encoder = FakeEncoder()
        report = run(store, tmp_path / "in", encoder=encoder)
        assert (encoder.images, report.indexed, report.failed) == (24, 1, [])
        assert len(everything(store)) == 80


class NanEncoder(FakeEncoder):
    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        vectors = super().encode_images(pixels)
        vectors[pixels.reshape(len(pixels), -1).max(axis=1) == 0] = np.nan
        return vectors


def test_an_embedding_that_is_not_a_number_is_an_error_of_that_file(tmp_path: Path) -> None:
    from PIL import Image

    write_pngs(tmp_path / "in", 3)
    Image.new("RGB", (16, 16)).save(tmp_path / "in" / "00001black.png")
    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in", encoder=NanEncoder())
        assert [Path(error.subject).name for error in report.failed] == ["00001black.png"]
        assert report.failed[0].stage == "encode"
        assert (report.indexed, len(everything(store))) == (3, 3)


def test_another_model_is_refused(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    encoder.sha256 = "00" * 32
    with new_store(tmp_path / "a") as store, pytest.raises(ArchiveError, match="was made with model test-1"):
        run(store, tmp_path, encoder=encoder)


def test_a_decoder_that_cannot_start_is_reported_for_each_file(tmp_path: Path) -> None:
    write_pngs(tmp_path / "in", 3)

    def broken(options: Options) -> PngDecoder:
        raise OSError("no such program")

    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in", decoder_factory=broken)
        assert len(report.failed) == 3
        assert run(store, tmp_path / "in").indexed == 3


@pytest.mark.parametrize("where", ["progress", "encoder"])
def test_an_interrupt_leaves_whole_commits(tmp_path: Path, where: str) -> None:
    write_pngs(tmp_path / "in", 200)

    def stop(progress: Progress) -> None:
        if where == "progress" and progress.files_done == 100:
            raise KeyboardInterrupt

    class Stopped(FakeEncoder):
        def encode_images(self, pixels: np.ndarray) -> np.ndarray:
            if where == "encoder" and self.images >= 96:
                raise KeyboardInterrupt
            return super().encode_images(pixels)

    with new_store(tmp_path / "a") as store:
        with pytest.raises(KeyboardInterrupt):
            run(store, tmp_path / "in", encoder=Stopped(), progress=stop, flush_rows=32, batch=16)
        kept = everything(store)
        assert len(kept) == 96
        assert store.info().sources["done"] >= 95
        encoder = FakeEncoder()
        run(store, tmp_path / "in", encoder=encoder)
        assert encoder.images == 200 - len(kept)
        assert everything(store).items() >= kept.items()
        assert len(everything(store)) == 200
        assert store.verify().ok


def test_a_model_that_fails_stops_the_run_and_marks_nothing_as_done(tmp_path: Path) -> None:
    write_pngs(tmp_path / "in", 50)

    class Failing(FakeEncoder):
        def encode_images(self, pixels: np.ndarray) -> np.ndarray:
            raise RuntimeError("out of memory")

    with new_store(tmp_path / "a") as store:
        with pytest.raises(RuntimeError, match="out of memory"):
            run(store, tmp_path / "in", encoder=Failing(), batch=16)
        assert store.info().sources == {}
        assert run(store, tmp_path / "in").indexed == 50


def test_a_file_that_left_the_disk_stays_until_it_is_removed(tmp_path: Path) -> None:
    files = write_pngs(tmp_path / "in", 3)
    with new_store(tmp_path / "a") as store:
        run(store, tmp_path / "in")
        files[0].unlink()
        report = run(store, tmp_path / "in")
        assert report.gone == [str(files[0])]
        assert len(everything(store)) == 3
        store.remove([str(files[0])])
        assert run(store, tmp_path / "in").gone == []
        assert len(everything(store)) == 2


def test_names_that_are_not_text_are_reported(tmp_path: Path) -> None:
    write_pngs(tmp_path / "in", 1)
    (tmp_path / "in" / "00000.png").rename(Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.png")))
    write_png(tmp_path / "in" / "مطار.png")
    with new_store(tmp_path / "a") as store:
        report = run(store, tmp_path / "in")
        assert (report.indexed, len(report.failed)) == (1, 1)
        assert isinstance(report.failed[0], GeoglotError)


def test_ten_thousand_unchanged_files_take_under_five_seconds(tmp_path: Path) -> None:
    """Of processor time, so that what else the machine does has no say."""
    folder = tmp_path / "in"
    folder.mkdir()
    data = write_png(tmp_path / "one.png", width=2, height=2).read_bytes()
    for number in range(10_000):
        # a PNG may be followed by anything; that makes the bytes differ
        (folder / f"{number:05d}.png").write_bytes(data + str(number).encode())
    with new_store(tmp_path / "a") as store:
        report = run(store, folder)
        assert report.indexed == 10_000
    started = time.process_time()
    with ArchiveStore.open(tmp_path / "a", read_only=False) as store:
        assert run(store, folder).unchanged == 10_000
    assert time.process_time() - started < 5
