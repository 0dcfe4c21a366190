"""A file that crashes, blocks or exhausts the decoder costs itself alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from raster_files import UTM_31_NORTH, picture, write_raster

from geoglot.core.errors import GeoglotError, SourceError
from geoglot.geo.decoder import Decoder, ReadOptions, SourceInfo, TileBatch

FAILURES = {
    "segfault": "segmentation fault",
    "killed": "killed",
    "loop": "no progress for 3 seconds",
    "allocate": "more memory than a decoder may use",
    "exits": "exit code 7",
    "nonsense": "nonsense",
}


class FailingDecoder(Decoder):
    """Its child fails on files with telling names."""

    extra: tuple[str, ...] = ()

    def _command(self):
        return [sys.executable, "-P", str(Path(__file__).with_name("failing_child.py")), *self.extra]


@pytest.fixture
def decoder():
    with FailingDecoder(ReadOptions(side=32), seconds_without_progress=3) as started:
        yield started


def write_photo(folder: Path, name: str) -> Path:
    Image.new("RGB", (40, 30), (200, 10, 10)).save(folder / name, format="PNG")
    return folder / name


def outcomes(decoder, paths):
    """Path name -> the error, or the number of tiles."""
    found = {}
    for path, item in decoder.read_many(paths):
        if isinstance(item, SourceError):
            found[path.name] = item
        elif isinstance(item, TileBatch):
            found[path.name] = found.get(path.name, 0) + len(item.tiles)
        else:
            assert isinstance(item, SourceInfo)
            assert path.name not in found
    return found


@pytest.mark.parametrize("failure", FAILURES)
def test_a_fatal_file_costs_itself_alone(decoder, tmp_path, failure):
    names = [f"a{n}.png" for n in range(5)] + [f"{failure}.png"] + [f"z{n}.png" for n in range(5)]
    paths = [write_photo(tmp_path, name) for name in names]
    started = time.monotonic()
    found = outcomes(decoder, paths)
    assert list(found) == names
    error = found.pop(f"{failure}.png")
    assert isinstance(error, SourceError)
    assert FAILURES[failure] in error.cause
    assert error.subject == str(tmp_path / f"{failure}.png")
    assert error.remedy
    assert error.stage == "decode"
    assert set(found.values()) == {1}
    assert time.monotonic() - started < 60  # about 3 s for the loop, and a child's start of under a second, when idle


def test_many_fatal_files_in_a_row(decoder, tmp_path):
    names = [f"{n}-segfault.png" if n % 2 else f"{n}.png" for n in range(8)]
    found = outcomes(decoder, [write_photo(tmp_path, name) for name in names])
    assert list(found) == names
    for number, name in enumerate(names):
        assert isinstance(found[name], SourceError) == bool(number % 2)


def test_a_crash_after_some_tiles_is_an_error_of_that_file(decoder, tmp_path):
    scene = write_raster(tmp_path / "late.tif", picture(1024, 1024), tiled=True, **UTM_31_NORTH)
    good = write_photo(tmp_path, "good.png")
    items = list(decoder.read_many([scene, good]))
    of_scene = [item for path, item in items if path == scene]
    assert isinstance(of_scene[0], SourceInfo)
    assert isinstance(of_scene[-1], SourceError)
    assert [type(item) for path, item in items if path == good] == [SourceInfo, TileBatch]


def test_read_raises_the_error_and_the_decoder_goes_on(decoder, tmp_path):
    with pytest.raises(SourceError, match="segmentation fault"):
        list(decoder.read(write_photo(tmp_path, "segfault.png")))
    assert len(list(decoder.read(write_photo(tmp_path, "good.png")))) == 2


def test_a_decoder_that_never_starts_is_said_so(tmp_path):
    class Hopeless(FailingDecoder):
        extra = ("dies-at-start",)

    with Hopeless(ReadOptions()) as decoder, pytest.raises(GeoglotError, match=r"exit code 9.* at its start"):
        list(decoder.read(write_photo(tmp_path, "good.png")))


def test_an_iteration_given_up_half_way_leaves_a_working_decoder(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", picture(1024, 1024), tiled=True)
    with Decoder(ReadOptions(side=32)) as decoder:
        reading = decoder.read(scene)
        next(reading)
        with pytest.raises(GeoglotError, match="already reading"):
            next(decoder.read(scene))
        reading.close()
        tiles = sum(len(item.tiles) for item in decoder.read(scene) if isinstance(item, TileBatch))
    assert tiles == 25  # starts 0, 192, 384, 576 and 768: 5 each way


def test_a_photo_that_needs_more_memory_than_allowed_says_so(tmp_path):
    Image.new("L", (14_000, 14_000)).save(tmp_path / "large.png", compress_level=1)  # 196 MB, as RGB 784 MB more
    good = write_photo(tmp_path, "good.png")
    with Decoder(ReadOptions(), memory_bytes=1 << 30) as decoder:
        items = dict(decoder.read_many([tmp_path / "large.png", good]))
    assert items[tmp_path / "large.png"].cause == "needs more memory than a decoder may use (1.0 GiB)"
    assert isinstance(items[good], TileBatch)


def test_the_child_ends_with_its_parent(tmp_path):
    program = (
        "import os, signal\n"
        "from geoglot.geo.decoder import Decoder, ReadOptions\n"
        "decoder = Decoder(ReadOptions())\n"
        "print(decoder._child._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    child = int(done.stdout)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and Path(f"/proc/{child}").exists():
        if Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break  # ended; only nobody has collected it here
        time.sleep(0.1)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_the_parent_never_imports_gdal():
    program = (
        "import sys, geoglot.geo.decoder; print(any(m.startswith(('rasterio', 'PIL', 'pyproj')) for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_no_user_setting_reaches_the_child(tmp_path, monkeypatch):
    for name in ("GDAL_DRIVER_PATH", "GDAL_CONFIG_FILE", "PROJ_LIB", "PROJ_DATA", "CPL_DEBUG", "GDAL_DATA"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "FALSE")
    monkeypatch.setenv("CPL_LOG", str(tmp_path / "log.txt"))
    scene = write_raster(tmp_path / "scene.tif", picture(64, 64), **UTM_31_NORTH)
    with Decoder(ReadOptions()) as decoder:
        info, batch = decoder.read(scene)
    assert info.crs == "EPSG:32631"
    assert batch.tiles[0].footprint is not None
    assert not (tmp_path / "log.txt").exists()


def test_answers_keep_the_order_of_ten_times_the_requests_sent_ahead(tmp_path):
    paths = [write_photo(tmp_path, f"{n:04d}.png") for n in range(640)]
    with Decoder(ReadOptions(side=16)) as decoder:
        seen = [path for path, item in decoder.read_many(iter(paths)) if isinstance(item, TileBatch)]
    assert seen == paths


def test_file_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"odd-\xff\xfe-\n.png")
    path = write_photo(tmp_path, "plain.png").rename(tmp_path / name)
    with Decoder(ReadOptions()) as decoder:
        info, _ = decoder.read(path)
    assert info.path == str(path)
