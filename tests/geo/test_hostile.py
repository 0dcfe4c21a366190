"""Hostile paths and files: not one byte of a sentinel file is read, not one connection is made."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from raster_files import UTM_31_NORTH, picture, write_raster
from rasterio.windows import Window

from geoglot.core.errors import SourceError
from geoglot.geo.decoder import Decoder, ReadOptions, SourceInfo, TileBatch
from geoglot.geo.discover import Candidate, discover
from geoglot.geo.opening import identify

SENTINEL = b"SENTINEL-" * 4096


class Listener:
    """A server on the loopback interface that counts who comes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.visits = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture
def listener():
    listening = Listener()
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def decoder():
    with Decoder(ReadOptions(side=32), seconds_without_progress=20) as started:
        yield started


def vrt(source: str, *, raw: bool) -> str:
    kind = 'subClass="VRTRawRasterBand"' if raw else ""
    inner = (
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><ImageOffset>0</ImageOffset>'
        "<PixelOffset>1</PixelOffset><LineOffset>64</LineOffset>"
        if raw
        else f"<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    )
    band = f'<VRTRasterBand dataType="Byte" band="1" {kind}>{inner}</VRTRasterBand>'
    return f'<VRTDataset rasterXSize="64" rasterYSize="64">{band}</VRTDataset>'


def disguised(sentinel: Path, port: int) -> dict[str, bytes]:
    """Texts that some GDAL driver would follow."""
    url = f"http://127.0.0.1:{port}/x.tif"
    wms = f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>'
    texts = {
        "raw-vrt": vrt(str(sentinel), raw=True),
        "vrt-url": vrt(f"/vsicurl/{url}", raw=False),
        "vrt-with-mark": "\ufeff" + vrt(str(sentinel), raw=True),
        "vrt-with-space": "\n \t" + vrt(str(sentinel), raw=True),
        "wms": wms,
        "wcs": f"<WCS_GDAL><ServiceURL>{url}</ServiceURL><CoverageName>x</CoverageName></WCS_GDAL>",
        "wmts": f"<GDAL_WMTS><GetCapabilitiesUrl>{url}</GetCapabilitiesUrl></GDAL_WMTS>",
        "gti": f"<GDALTileIndexDataset><IndexDataset>{url}</IndexDataset></GDALTileIndexDataset>",
        "stac": '{"type":"FeatureCollection","stac_version":"1.0.0","features":[{"assets":{"a":{"href":"'
        + url
        + '"}}}]}',
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
        "entities": f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{sentinel}">]><a>&b;</a>',
        "pdf": "%PDF-1.4\n",
        "envi": "ENVI\nsamples = 8\nlines = 8\n",
        "text": "just words",
    }
    return {name: text.encode() for name, text in texts.items()}


@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".png", ".jp2", ".webp"])
def test_disguised_references_are_refused_and_not_followed(decoder, listener, tmp_path, suffix):
    sentinel = tmp_path / "sentinel.bin"
    sentinel.write_bytes(SENTINEL)
    before = sentinel.stat().st_atime_ns
    os.utime(sentinel, ns=(1, 1))  # relatime: an access now would show
    paths = []
    for name, data in disguised(sentinel, listener.port).items():
        paths.append(tmp_path / f"{name}{suffix}")
        paths[-1].write_bytes(data)
    answers = list(decoder.read_many(paths, root=tmp_path))
    assert [path for path, _ in answers] == paths
    assert all(isinstance(item, SourceError) for _, item in answers)
    assert listener.visits == 0
    assert sentinel.stat().st_atime_ns in (1, before)


def test_the_listener_and_the_sentinel_would_notice(listener, tmp_path):
    """The same files opened without our care: GDAL follows them, so the tests above can fail."""
    sentinel = tmp_path / "sentinel.bin"
    sentinel.write_bytes(SENTINEL)
    data = disguised(sentinel, listener.port)
    (tmp_path / "wms.tif").write_bytes(data["wms"])
    (tmp_path / "raw.tif").write_bytes(data["raw-vrt"])
    program = (
        "import rasterio, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "print(rasterio.open(sys.argv[1]).read()[0, 0, :8].tobytes())\n"
    )
    read = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "raw.tif")], capture_output=True, text=True, check=False
    )
    assert "SENTINEL" in read.stdout
    subprocess.run([sys.executable, "-c", program, f"/vsicurl/http://127.0.0.1:{listener.port}/x.tif"], check=False)
    assert listener.visits > 0


def hostile_paths(port: int, sentinel: Path) -> list[str]:
    url = f"http://127.0.0.1:{port}/x.tif"
    return [
        url,
        f"https://127.0.0.1:{port}/x.tif",
        f"ftp://127.0.0.1:{port}/x.tif",
        f"file://{sentinel}",
        f"s3://127.0.0.1:{port}/x.tif",
        f"zip+{url}",
        f"/vsicurl/{url}",
        f"/vsicurl?url={url}",
        f"/vsicurl_streaming/{url}",
        f"/vsizip//vsicurl/{url}",
        f"/vsitar/{sentinel}",
        f"/vsigzip/{sentinel}",
        "/vsis3/bucket/x.tif",
        "/vsigs/bucket/x.tif",
        "/vsiaz/bucket/x.tif",
        "/vsimem/x.tif",
        "/vsistdin/",
        f"/vsisubfile/0_100,{sentinel}",
        "/vsisparse/x.xml",
        "/VSICURL/" + url,
        "//vsicurl/" + url,
        "\\vsicurl\\" + url,
        " /vsicurl/" + url,
        vrt(str(sentinel), raw=True),
        " " + vrt(str(sentinel), raw=True),
        "<GDAL_WMS></GDAL_WMS>",
        f"vrt://{sentinel}?bands=1",
        f"WMS:{url}?REQUEST=GetMap",
        f"GTIFF_RAW:{sentinel}",
        f"GTIFF_DIR:1:{sentinel}",
        f"JPEG_SUBFILE:0,100,{sentinel}",
        f"HDF5:{sentinel}://data",
        f"NETCDF:{sentinel}:x",
        f"DERIVED_SUBDATASET:LOGAMPLITUDE:{sentinel}",
        f"ZARR:/vsicurl/{url}",
        f"PLMOSAIC:{url}",
        f"WCS:{url}",
        "MEM:::DATAPOINTER=1,PIXELS=10,LINES=10",
        "nul\0byte.tif",
        "../" * 40 + "etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "/proc/self/mem",
        "/",
        ".",
        "",
        "x" * 5000,
    ]


def test_hostile_paths_are_refused(decoder, listener, tmp_path):
    sentinel = tmp_path / "sentinel.bin"
    sentinel.write_bytes(SENTINEL)
    paths = [Path(text) for text in hostile_paths(listener.port, sentinel)]
    answers = list(decoder.read_many(paths))
    assert len(answers) == len(paths)
    for path, item in answers:
        assert isinstance(item, SourceError), path
        assert item.remedy
    assert listener.visits == 0


def test_hostile_arguments_are_refused_by_discovery(listener, tmp_path):
    sentinel = tmp_path / "sentinel.bin"
    sentinel.write_bytes(SENTINEL)
    texts = [text for text in hostile_paths(listener.port, sentinel) if text not in ("/", ".", "", "/etc/passwd")]
    texts = [text for text in texts if not text.startswith(("../", "/proc/", "/dev/stdin"))]
    for text in texts:
        found = list(discover([Path(text)]))
        assert [type(item) for item in found] == [SourceError], text
    assert listener.visits == 0


def test_links_pipes_folders_and_empty_files(decoder, tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    Image.new("RGB", (8, 8)).save(outside / "secret.png")
    Image.new("RGB", (8, 8)).save(root / "own.png")
    (root / "out.png").symlink_to(outside / "secret.png")
    (root / "relative.png").symlink_to("../outside/secret.png")
    (root / "chain.png").symlink_to("out.png")
    (root / "folder").symlink_to(outside, target_is_directory=True)
    (root / "in.png").symlink_to("own.png")
    (root / "device.png").symlink_to("/dev/zero")
    (root / "self.png").symlink_to("self.png")
    (root / "empty.png").touch()
    (root / "dir.png").mkdir()
    os.mkfifo(root / "fifo.png")
    refused = ["out", "relative", "chain", "device", "self", "empty", "dir", "fifo"]
    paths = [root / f"{name}.png" for name in refused] + [root / "folder" / "secret.png"]
    answers = list(decoder.read_many(paths, root=root))
    assert [type(item) for _, item in answers] == [SourceError] * len(paths)
    assert [type(item) for _, item in decoder.read_many([root / "in.png"], root=root)] == [SourceInfo, TileBatch]


def test_a_swapped_file_is_judged_by_what_it_is_when_opened(decoder, tmp_path):
    """Discovery saw a sound file; a link out has taken its place since."""
    root = tmp_path / "root"
    root.mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    Image.new("RGB", (8, 8)).save(root / "a.png")
    (candidate,) = discover([root])
    assert isinstance(candidate, Candidate)
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    ((_, item),) = decoder.read_many([candidate])
    assert isinstance(item, SourceError)
    assert "leads out" in item.cause


def test_files_beside_an_image_do_not_change_it(decoder, tmp_path):
    pixels = picture(300, 300)
    scene = write_raster(tmp_path / "scene.tif", pixels)
    before = list(decoder.read(scene))
    (tmp_path / "scene.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>1,1,0,5,0,-1</GeoTransform></PAMDataset>"
    )
    (tmp_path / "scene.tif.ovr").write_text(vrt("/etc/passwd", raw=True))
    (tmp_path / "scene.tfw").write_text("1\n0\n0\n-1\n10\n20\n")
    (tmp_path / "scene.prj").write_text('GEOGCS["WGS 84"]')
    write_raster(tmp_path / "scene.tif.msk", np.zeros((1, 300, 300), np.uint8))
    after = list(decoder.read(scene))
    assert after[0] == before[0]
    assert after[0].crs is None
    assert np.array_equal(after[1].pixels, before[1].pixels)


def png_of_declared_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000))
        + chunk(b"IEND", b"")
    )


def test_a_png_that_declares_ten_thousand_million_pixels_is_refused_at_once(decoder, tmp_path):
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_of_declared_size(100_000, 100_000))
    list(decoder.read_many([]))
    started = time.monotonic()
    with pytest.raises(SourceError, match="declares 100000 x 100000 pixels"):
        list(decoder.read(bomb))
    assert time.monotonic() - started < 5


def test_the_limit_for_photos_is_the_option(tmp_path):
    Image.new("RGB", (100, 101)).save(tmp_path / "a.png")
    with Decoder(ReadOptions(max_pixels_photo=10_000)) as decoder, pytest.raises(SourceError, match="more than 10,000"):
        list(decoder.read(tmp_path / "a.png"))


def test_one_gigantic_block_is_refused_before_it_is_read(decoder, tmp_path):
    path = tmp_path / "block.tif"
    profile = {"driver": "GTiff", "width": 60_000, "height": 60_000, "count": 3, "dtype": "uint8", **UTM_31_NORTH}
    with rasterio.open(
        path, "w", tiled=True, blockxsize=32_768, blockysize=32_768, compress="deflate", SPARSE_OK=True, **profile
    ):
        pass
    with pytest.raises(SourceError, match="blocks of 32768 x 32768 pixels"):
        list(decoder.read(path))


@pytest.mark.slow
def test_a_sparse_scene_of_298_gibibytes_is_read_in_windows(tmp_path):
    path = tmp_path / "sparse.tif"
    profile = {"driver": "GTiff", "width": 200_000, "height": 200_000, "count": 4, "dtype": "uint16", **UTM_31_NORTH}
    with rasterio.open(path, "w", tiled=True, SPARSE_OK=True, BIGTIFF="YES", **profile) as dataset:
        dataset.write(picture(512, 512, 4).astype(np.uint16) * 100, window=Window(100_352, 100_352, 512, 512))
    tiles = []
    with Decoder(ReadOptions(side=16)) as decoder:
        for item in decoder.read(path):
            if isinstance(item, TileBatch):
                tiles += item.tiles
            status = Path(f"/proc/{decoder._child._process.pid}/status").read_text()
            assert int(status.split("VmHWM:")[1].split()[0]) < 600_000  # KiB
    assert tiles
    for tile in tiles:
        assert 100_352 - 256 < tile.window.column < 100_864
        assert 100_352 - 256 < tile.window.row < 100_864


def test_identify_never_blocks_on_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(SourceError, match="not a regular file"):
        identify(tmp_path / "a.tif")
