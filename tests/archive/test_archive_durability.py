"""Kills, full disks, power losses, failing writes, two writers, readers beside a writer, newer formats."""

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
from samples import (
    DIMENSION,
    FakeEncoder,
    Options,
    PngDecoder,
    discover_png,
    everything,
    new_store,
    sample_rows,
    source,
    write_png,
    write_pngs,
)

from geoglot.archive.filesystem import FileSystem
from geoglot.archive.ingest import ingest
from geoglot.archive.layout import Layout, read_identity, write_identity
from geoglot.archive.remove import compact
from geoglot.archive.store import ArchiveStore
from geoglot.archive.verify import verify
from geoglot.core.errors import ArchiveError

CHILD = Path(__file__).with_name("ingest_child.py")


def start_child(archive: Path, images: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), str(archive), str(images)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(CHILD.parent)])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def resume(archive: Path, images: Path) -> dict[str, tuple[str, bytes]]:
    with ArchiveStore.open(archive, read_only=False) as store:
        ingest(store, FakeEncoder(), [images], options=Options(), decoder_factory=PngDecoder, discover=discover_png)
        return everything(store)


@pytest.fixture(scope="module")
def kill_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    write_pngs(folder, 80)
    write_png(folder / "scene.png", width=320, height=320)  # 400 tiles, ten commits
    return folder


def test_kill_at_twenty_points_loses_no_acknowledged_row_and_doubles_none(tmp_path: Path, kill_images: Path) -> None:
    whole = tmp_path / "whole"
    child = start_child(whole, kill_images)
    started = time.monotonic()
    first = 0.0
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("committed") and not first:
            first = time.monotonic() - started
    assert child.wait() == 0
    child.stdout.close()
    full = time.monotonic() - started
    expected = resume(whole, kill_images)
    assert len(expected) == 480
    generator = random.Random(4)
    kills = 0
    for number in range(60):  # a child that ends before its moment came is run again: the machine has become quicker
        if kills == 20:
            break
        archive = tmp_path / f"a{number}"
        acknowledged: dict[str, str] = {}
        started = time.monotonic()
        child = start_child(archive, kill_images)
        assert child.stdout is not None
        lines: list[str] = []
        reading = threading.Thread(target=lambda pipe=child.stdout, to=lines: to.extend(pipe))
        reading.start()
        moment = started + generator.uniform(first * 0.6, full * 1.02)
        while time.monotonic() < moment and child.poll() is None:
            time.sleep(0.001)
        if child.poll() is not None:
            shorter = (time.monotonic() - started) / full
            first, full = first * min(1.0, shorter), full * min(1.0, shorter)
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
        reading.join()
        child.stdout.close()
        block: list[str] = []
        for line in lines:
            if line.startswith("committed"):
                acknowledged.update(row.split() for row in block)  # type: ignore[misc]
                block = []
            elif " " in line:
                block.append(line)
        if not (archive / "catalog.sqlite").exists():
            continue
        report = verify(archive)
        assert report.ok, report.damages
        with ArchiveStore.open(archive) as store:
            rows = everything(store)
            removed = store.info().deleted_rows
        lost = [key for key, vector in acknowledged.items() if rows.get(key, ("", b""))[1].hex() != vector]
        # the child's last step removes ten pictures: those may be gone, all together
        assert len(lost) in (0, 10)
        assert bool(lost) <= (removed == 10 or "finished\n" in lines or len(rows) == 470)
        assert resume(archive, kill_images) == expected
        assert verify(archive).ok
        shutil.rmtree(archive)
    assert kills == 20


class Fault(FileSystem):
    """Counts operations; at one of them the disk fails, or the power does."""

    def __init__(self, at: int = -1, code: int = 0) -> None:
        self.count = 0
        self.at = at
        self.code = code
        self.sticky = code == errno.ENOSPC

    def step(self) -> None:
        self.count += 1
        if self.count == self.at or (self.sticky and self.count > self.at >= 0):
            raise OSError(self.code, os.strerror(self.code))

    def open(self, path: Path) -> BinaryIO:
        self.step()
        return super().open(path)

    def write(self, file: BinaryIO, data: bytes | memoryview) -> int:
        if self.count + 1 == self.at:
            file.write(bytes(data)[: len(data) // 2])  # a short write, then the failure
        self.step()
        return super().write(file, data)

    def flush(self, file: BinaryIO) -> None:
        self.step()
        super().flush(file)

    def rename(self, source: Path, target: Path) -> None:
        self.step()
        super().rename(source, target)

    def flush_directory(self, path: Path) -> None:
        self.step()
        super().flush_directory(path)

    def make_directory(self, path: Path) -> None:
        self.step()
        super().make_directory(path)

    def remove(self, path: Path) -> None:
        if self.code != errno.ENOSPC:  # removing needs no space
            self.step()
        super().remove(path)


def prepared(path: Path) -> dict[str, tuple[str, bytes]]:
    with new_store(path) as store:
        for name in ("a", "b", "c"):
            store.commit(sample_rows(name, 20), [source(name)])
        return everything(store)


def work(store: ArchiveStore) -> None:
    """A commit, a removal and a compaction."""
    store.commit(sample_rows("d", 30), [source("d")])
    store.remove(["/images/a"])
    compact(store, 0.0)


def states(path: Path) -> list[dict[str, tuple[str, bytes]]]:
    """What the archive may hold after any part of `work`: nothing between these."""
    before = prepared(path / "states")
    with ArchiveStore.open(path / "states", read_only=False) as store:
        store.commit(sample_rows("d", 30), [source("d")])
        middle = everything(store)
        store.remove(["/images/a"])
        after = everything(store)
    return [before, middle, after]


@pytest.mark.parametrize(
    ("code", "every"),
    [
        (errno.EIO, 11),
        (errno.ENOSPC, 13),
        pytest.param(errno.EIO, 1, marks=pytest.mark.slow),
        pytest.param(errno.ENOSPC, 1, marks=pytest.mark.slow),
        pytest.param(errno.EMFILE, 1, marks=pytest.mark.slow),
    ],
)
def test_a_failing_disk_at_every_operation_gives_a_clear_error_and_a_whole_state(
    tmp_path: Path, code: int, every: int
) -> None:
    allowed = states(tmp_path)
    prepared(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "count")
    counter = Fault(code=code)
    with ArchiveStore.open(tmp_path / "count", read_only=False, filesystem=counter) as store:
        counter.count = 0
        work(store)
        total = counter.count
    assert total > 60
    seen = set()
    for at in range(1, total + 1, every):
        archive = tmp_path / "x"
        shutil.copytree(tmp_path / "base", archive)
        fault = Fault()
        store = ArchiveStore.open(archive, read_only=False, filesystem=fault)
        fault.count, fault.at, fault.code, fault.sticky = 0, at, code, code == errno.ENOSPC
        try:
            with pytest.raises(ArchiveError) as caught:
                work(store)
            assert str(archive) in str(caught.value)
            if code == errno.ENOSPC:
                assert "bytes were on their way" in str(caught.value)
            fault.at, fault.sticky = -1, False
            now = everything(store)  # readers of this very store go on
            assert now in allowed
            seen.add(len(now))
        finally:
            store.close()
        with ArchiveStore.open(archive) as reader:
            assert everything(reader) == now
        with ArchiveStore.open(archive, read_only=False) as store:
            work(store)
            assert everything(store) == allowed[-1]
        assert verify(archive).ok
        shutil.rmtree(archive)
    assert len(seen) >= 2


class PowerLoss(BaseException):
    """No ordinary clean-up must see it."""


class Forgetful(FileSystem):
    """A disk with a cache: when the power fails, what was not flushed is gone, torn, or there by chance."""

    def __init__(self, at: int, generator: random.Random) -> None:
        self.count = 0
        self.at = at
        self.generator = generator
        self.unflushed: set[Path] = set()
        self.renames: list[tuple[Path, Path, bytes | None]] = []
        self.gone: list[tuple[Path, bytes]] = []

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise PowerLoss

    def open(self, path: Path) -> BinaryIO:
        self.step()
        self.unflushed.add(path)
        return super().open(path)

    def write(self, file: BinaryIO, data: bytes | memoryview) -> int:
        self.step()
        return super().write(file, data)

    def flush(self, file: BinaryIO) -> None:
        self.step()
        super().flush(file)
        self.unflushed.discard(Path(file.name))

    def rename(self, source: Path, target: Path) -> None:
        self.step()
        before = target.read_bytes() if target.is_file() else None
        super().rename(source, target)
        self.renames.append((source, target, before))

    def flush_directory(self, path: Path) -> None:
        self.step()
        self.renames = [entry for entry in self.renames if entry[1].parent != path]
        self.gone = [entry for entry in self.gone if entry[0].parent != path]

    def remove(self, path: Path) -> None:
        self.step()
        if path.is_file() and path.suffix == ".parquet":
            self.gone.append((path, path.read_bytes()))
        super().remove(path)

    def lose(self) -> None:
        """What the disk holds after the power came back."""
        for path, data in self.gone:
            if self.generator.random() < 0.5:
                path.write_bytes(data)
        for origin, target, before in reversed(self.renames):
            if self.generator.random() < 0.7 and target.exists():
                target.rename(origin)
                if before is not None:
                    target.write_bytes(before)
        for path in self.unflushed:
            if path.is_file():
                data = path.read_bytes()
                choice = self.generator.random()
                if choice < 0.4:
                    path.write_bytes(data[: self.generator.randrange(len(data) + 1)])
                elif choice < 0.7:
                    path.write_bytes(bytes(len(data)))
                else:
                    path.unlink()


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_a_power_loss_at_every_operation_leaves_the_old_or_the_new_state(tmp_path: Path, every: int) -> None:
    allowed = states(tmp_path)
    prepared(tmp_path / "base")
    generator = random.Random(11)
    at = 0
    while True:
        at += every
        archive = tmp_path / "x"
        shutil.copytree(tmp_path / "base", archive)
        disk = Forgetful(-1, generator)
        store = ArchiveStore.open(archive, read_only=False, filesystem=disk)
        disk.count, disk.at = 0, at
        try:
            work(store)
            store.close()
            break
        except PowerLoss:
            pass
        # the process is gone: nothing is closed in order, the copy of the catalogue is as SQLite left it
        crashed = tmp_path / "y"
        disk.lose()
        shutil.copytree(archive, crashed)
        if store._catalogue is not None:
            store._catalogue.close()
        assert store._lock is not None
        store._lock.close()
        report = verify(crashed)
        serious = [d for d in report.damages if "index" not in d.file and "seal" not in d.file and "copy" not in d.file]
        assert not serious, serious
        with ArchiveStore.open(crashed) as reader:
            assert everything(reader) in allowed
        with ArchiveStore.open(crashed, read_only=False) as writer:
            ingest(writer, FakeEncoder(), [], options=Options(), decoder_factory=PngDecoder, discover=discover_png)
            assert everything(writer) in allowed
            work(writer)
            assert everything(writer) == allowed[-1]
        assert verify(crashed).ok
        shutil.rmtree(crashed)
        shutil.rmtree(archive)
    assert at > 60


def test_a_full_disk_in_the_middle_of_an_ingest(tmp_path: Path) -> None:
    """On a real small file system where one can be mounted, else by injected errors (see above)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 3 << 20
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    if mounted:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("no right to mount a small file system; injected errors cover the same paths")
    images = tmp_path / "in"
    write_png(images / "scene.png", width=1600, height=800)
    try:
        ballast = disk / "ballast"
        with new_store(disk / "a") as store:
            ballast.write_bytes(bytes(size - (700 << 10)))
            settings = {
                "options": Options(), "decoder_factory": PngDecoder, "discover": discover_png,
                "flush_rows": 200,
            }  # fmt: skip
            with pytest.raises(ArchiveError, match="disk is full"):
                ingest(store, FakeEncoder(), [images], **settings)  # type: ignore[arg-type]
            kept = everything(store)
            assert kept
        with ArchiveStore.open(disk / "a") as reader:
            assert everything(reader) == kept
            assert reader.search(np.eye(DIMENSION, dtype=np.float32)[0], k=3)
        ballast.unlink()
        with ArchiveStore.open(disk / "a", read_only=False) as store:
            encoder = FakeEncoder()
            ingest(store, encoder, [images], **{**settings, "flush_rows": 5000})  # type: ignore[arg-type]
            assert encoder.images == 5000 - len(kept)
            assert everything(store).items() >= kept.items()
            assert len(everything(store)) == 5000
        assert verify(disk / "a").ok
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    with new_store(tmp_path / "a"):
        started = time.monotonic()
        with pytest.raises(ArchiveError, match=f"is being written by process {os.getpid()}"):
            ArchiveStore.open(tmp_path / "a", read_only=False)
        assert time.monotonic() - started < 1
        with ArchiveStore.open(tmp_path / "a") as reader:  # readers are welcome
            assert reader.info().rows == 0
    ArchiveStore.open(tmp_path / "a", read_only=False).close()


def test_the_lock_of_a_dead_process_frees_itself(tmp_path: Path) -> None:
    new_store(tmp_path / "a").close()
    code = (
        "import sys, time; from pathlib import Path; from geoglot.archive.store import ArchiveStore\n"
        "store = ArchiveStore.open(Path(sys.argv[1]), read_only=False); print('open', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    with pytest.raises(ArchiveError, match=f"process {child.pid}"):
        ArchiveStore.open(tmp_path / "a", read_only=False)
    child.kill()
    child.wait()
    child.stdout.close()
    ArchiveStore.open(tmp_path / "a", read_only=False).close()


def test_readers_beside_a_writer_see_whole_commits_only(tmp_path: Path) -> None:
    new_store(tmp_path / "a").close()
    stop = threading.Event()
    seen: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                with ArchiveStore.open(tmp_path / "a") as reader:
                    rows = everything(reader)
                # each commit adds two sources of 7 and 5 rows or takes the two away
                assert len(rows) % 12 == 0
                sources = {path.rsplit("-", 1)[0] for path, _ in rows.values()}
                assert len(rows) == 12 * len(sources)
                seen.append(len(rows))
        except BaseException as error:  # noqa: BLE001 (handed to the test)
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    from geoglot.archive.rows import joined

    with ArchiveStore.open(tmp_path / "a", read_only=False) as store:
        for number in range(15):
            names = f"{number}-x", f"{number}-y"
            rows = joined([sample_rows(names[0], 7), sample_rows(names[1], 5)])
            store.commit(rows, [source(name) for name in names])
            if number % 5 == 4:
                store.remove([f"/images/{number - 2}-"])
                compact(store, 0.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(set(seen)) > 3


def test_opening_for_reading_writes_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "a"
    prepared(archive)

    def listing() -> list[tuple[str, int, int]]:
        files = sorted(path for path in archive.rglob("*"))
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]

    before = listing()
    with ArchiveStore.open(archive) as store:
        store.search(np.eye(DIMENSION, dtype=np.float32)[0], k=3)
        store.background_sample()
        store.info()
        assert store.verify().ok
        with pytest.raises(Exception, match="open for reading only"):
            store.commit(sample_rows("z", 3), [source("z")])
    assert listing() == before


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    prepared(tmp_path / "a")
    layout = Layout(tmp_path / "a")
    write_identity(layout, replace(read_identity(layout), format=99), FileSystem())
    for action in (
        lambda: ArchiveStore.open(tmp_path / "a"),
        lambda: ArchiveStore.open(tmp_path / "a", read_only=False),
        lambda: verify(tmp_path / "a"),
    ):
        with pytest.raises(ArchiveError, match=r"is of format 99, this geoglot reads up to 2.*install a newer geoglot"):
            action()


def test_create_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.docx").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"is not empty \(it holds thesis.docx\)"):
        new_store(tmp_path / "a")
    prepared(tmp_path / "b")
    with pytest.raises(ArchiveError, match="holds an archive already"):
        new_store(tmp_path / "b")
    with pytest.raises(ArchiveError, match="is not an archive"):
        ArchiveStore.open(tmp_path / "nothing")
