"""Every flipped bit is found, said and repaired."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
import shapely
import shapely.geometry
from samples import FakeEncoder, Options, PngDecoder, discover_png, everything, write_png, write_pngs
from test_archive_ingest import run

from geoglot.archive.errors_log import damaged_lines
from geoglot.archive.filter import Filter
from geoglot.archive.ingest import ingest
from geoglot.archive.store import ArchiveStore
from geoglot.archive.verify import verify


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_pngs(folder, 12)
    write_png(folder / "scene.png", width=160, height=160)
    (folder / "bad.png").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def archive(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards, three index segments, one failed and one removed source."""
    from samples import new_store

    folder = tmp_path_factory.mktemp("archive") / "a"
    extra = write_png(folder.parent / "extra" / "removed.png")
    with new_store(folder) as store:
        run(store, extra.parent)
        run(store, images, flush_rows=60, batch=16)
        store.remove([str(extra)])
    assert len(list((folder / "shards").iterdir())) >= 2
    return folder


def repaired(folder: Path, images: Path) -> dict[str, tuple[str, bytes]]:
    with ArchiveStore.open(folder, read_only=False) as store:
        ingest(store, FakeEncoder(), [images], options=Options(), decoder_factory=PngDecoder, discover=discover_png)
        return everything(store)


def kind_of(path: Path) -> str:
    return path.suffix if path.parent.name == "shards" else path.name


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_two_hundred_flipped_bits_are_all_found_and_repaired(archive: Path, images: Path, tmp_path: Path) -> None:
    with ArchiveStore.open(archive) as store:
        expected = everything(store)
    generator = random.Random(5)
    kinds: dict[str, list[Path]] = {}
    for path in sorted(archive.rglob("*")):
        if path.is_file() and path.stat().st_size:
            kinds.setdefault(kind_of(path), []).append(path.relative_to(archive))
    assert {
        "archive.json",
        "catalog.sqlite",
        "catalog.copy.sqlite",
        "catalog.seal.json",
        "errors.jsonl",
    } <= kinds.keys()
    assert {".parquet", "manifest.json", "codes.faiss", "vectors.npy", "ids.npy", "sources.npy"} <= kinds.keys()
    found: Counter[str] = Counter()
    names = sorted(kinds)
    for number in range(200):
        kind = names[number % len(names)]
        folder = tmp_path / "x"
        shutil.copytree(archive, folder)
        victim = folder / generator.choice(kinds[kind])
        data = bytearray(victim.read_bytes())
        position = generator.randrange(len(data))
        data[position] ^= 1 << generator.randrange(8)
        victim.write_bytes(data)
        report = verify(folder)
        assert not report.ok, f"byte {position} of {victim.name} went unseen"
        assert {Path(damage.file).name for damage in report.damages} == {victim.name}
        assert all(damage.cause and damage.redo for damage in report.damages)
        if kind == ".parquet":
            assert report.damages[0].sources
        found[kind] += 1
        if number % 4 == 0:
            assert repaired(folder, images) == expected
            again = verify(folder)
            assert again.ok, (victim.name, again.damages)
        shutil.rmtree(folder)
    assert sum(found.values()) == 200
    assert min(found.values()) >= 5


def test_every_kind_of_loss_is_found_and_repaired(archive: Path, images: Path, tmp_path: Path) -> None:
    with ArchiveStore.open(archive) as store:
        expected = everything(store)
    files = [path.relative_to(archive) for path in sorted(archive.rglob("*")) if path.is_file() and path.name != "lock"]
    one_of_each = {kind_of(path): path for path in files}
    for kind, victim in one_of_each.items():
        for harm in ("delete", "truncate", "zero"):
            folder = tmp_path / "x"
            shutil.copytree(archive, folder)
            path = folder / victim
            size = path.stat().st_size
            if harm == "delete":
                path.unlink()
            elif harm == "truncate":
                path.write_bytes(path.read_bytes()[: size // 2])
            else:
                path.write_bytes(bytes(size))
            if (kind, harm) != ("errors.jsonl", "delete"):
                assert not verify(folder).ok, (kind, harm)
            assert repaired(folder, images) == expected, (kind, harm)
            report = verify(folder)
            assert report.ok, (kind, harm, report.damages)
            shutil.rmtree(folder)


def test_search_never_answers_with_a_damaged_row(archive: Path, tmp_path: Path) -> None:
    """Damage in the index costs time, not truth: the reader makes it again from the shards, in memory."""
    with ArchiveStore.open(archive) as store:
        queries = [store.background_sample()[row] for row in (0, 7, 30)]
        expected = [store.search(query, k=5) for query in queries]
        area = Filter.from_options(polygon=shapely.geometry.mapping(shapely.Point(0.5, 0.5).buffer(3)))
        inside = store.search(queries[0], k=500, filter=area)
        assert inside
    generator = random.Random(6)
    index_files = [path.relative_to(archive) for path in sorted((archive / "index").rglob("*")) if path.is_file()]
    for victim in index_files:
        folder = tmp_path / "x"
        shutil.copytree(archive, folder)
        data = bytearray((folder / victim).read_bytes())
        if victim.name in ("vectors.npy", "footprints.npy"):
            data = data[:128] + bytes(
                value ^ 1 for value in data[128:]
            )  # all of it: else a row may be missed, not wrong
        else:
            data[generator.randrange(len(data))] ^= 4
        (folder / victim).write_bytes(data)
        with ArchiveStore.open(folder) as store:
            assert store.search(queries[0], k=500, filter=area) == inside
            assert [store.search(query, k=5) for query in queries] == expected
        shutil.rmtree(folder)


def test_a_damaged_shard_whose_source_is_gone_is_said(archive: Path, images: Path, tmp_path: Path) -> None:
    folder, copy = tmp_path / "a", tmp_path / "images"
    shutil.copytree(archive, folder)
    shard = max((folder / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    (damage,) = verify(folder).damages
    assert str(images / "scene.png") in damage.sources
    copy.mkdir()
    hidden = images / "scene.png"
    hidden.rename(tmp_path / "scene.png")
    try:
        with ArchiveStore.open(folder, read_only=False) as store:
            report = run(store, copy)
            assert any(error.subject.endswith("scene.png") and "gone" in error.cause for error in report.failed)
    finally:
        (tmp_path / "scene.png").rename(hidden)
    # the next run, whatever folder it is given, reads what the archive misses
    with ArchiveStore.open(folder, read_only=False) as store:
        run(store, copy)
        assert len(everything(store)) == 112
    assert verify(folder).ok


def test_a_lost_tail_of_the_log_is_noticed(archive: Path, images: Path, tmp_path: Path) -> None:
    """SQLite drops a damaged tail of its write-ahead log in silence: then commits are missing, and the seal tells."""
    folder = tmp_path / "a"
    shutil.copytree(archive, folder)
    store = ArchiveStore.open(folder, read_only=False)
    write_png(tmp_path / "new" / "late.png")
    run(store, tmp_path / "new")
    crashed = tmp_path / "crashed"
    shutil.copytree(folder, crashed)
    expected = everything(store)
    store.close()
    assert verify(crashed).ok
    log = crashed / "catalog.sqlite-wal"
    data = bytearray(log.read_bytes())
    data[40] ^= 1
    log.write_bytes(data)
    report = verify(crashed)
    assert any("commit" in damage.cause for damage in report.damages)
    with ArchiveStore.open(crashed, read_only=False) as store:
        run(store, images, tmp_path / "new")
        assert everything(store) == expected
    assert verify(crashed).ok


def test_lines_of_the_error_log_carry_their_checksum(archive: Path, tmp_path: Path) -> None:
    log = archive / "errors.jsonl"
    lines = log.read_bytes().splitlines()
    assert {"file", "stage", "cause", "remedy", "time", "crc32"} == json.loads(lines[0]).keys()
    assert damaged_lines(log) == []
    copy = tmp_path / "errors.jsonl"
    for position in range(len(lines[0]) + 1):
        data = bytearray(log.read_bytes())
        data[position] ^= 2
        copy.write_bytes(data)
        assert damaged_lines(copy)
