"""Open what users hand us: one explicit driver, chosen from a file's first bytes, in a locked-down GDAL.

GDAL tries every driver it has on any text it is given, and many drivers fetch addresses or read other files.
So a path is only ever a path here: it is resolved, must lie under its root, must be a regular file, and the bytes
must begin like one of five raster formats. Name and suffix decide nothing.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from geoglot.core.errors import SourceError

if TYPE_CHECKING:
    import rasterio

DriverName = Literal["GTiff", "JPEG", "PNG", "WEBP", "JP2OpenJPEG"]

_SIGNATURES: tuple[tuple[bytes, DriverName], ...] = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
_SUPPORTED = "use GeoTIFF, JPEG, PNG, WebP or JPEG 2000"

# Drivers that we never need and that follow references, speak to networks or run expressions. Leaving them out is a
# second wall: the first is that no file is ever opened without its explicit driver.
_DRIVERS_LEFT_OUT = (
    "VRT,WMS,WCS,WMTS,WFS,OAPIF,HTTP,GTI,STACIT,STACTA,PLMOSAIC,EEDA,EEDAI,DAAS,Rasterlite,MBTiles,GPKG,SQLite,PDF,"
    "MRF,ESRIC,KMLSUPEROVERLAY,TIL,DIMAP,SENTINEL2,SAFE,ECRGTOC,RPFTOC,ADRG,SRP,netCDF,HDF5,HDF5Image,Zarr,DERIVED,"
    "BAG,S102,S104,S111,PDS4,PDS,ISIS3,ISCE,GeoJSON,GeoJSONSeq,ESRIJSON,TopoJSON,OSM,NITF,CALS,ENVI,EHdr,ERS,GSAG"
)

GDAL_SETTINGS: dict[str, str | int] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no .ovr, .msk, .aux.xml, .tab or world file beside the image
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_DRIVER_PATH": "disable",
    "GDAL_SKIP": _DRIVERS_LEFT_OUT,
    "GDAL_CACHEMAX": 64 << 20,  # bytes
    "GDAL_NUM_THREADS": "1",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "GDAL_HTTP_TIMEOUT": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "127.0.0.1:9",
    "GDAL_HTTP_NETRC": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".geoglot-never",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_AWS_EC2_API_ROOT_URL": "disabled",
    "AWS_NO_SIGN_REQUEST": "YES",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "OSR_DEFAULT_AXIS_MAPPING_STRATEGY": "TRADITIONAL_GIS_ORDER",
    "PROJ_NETWORK": "OFF",
}

WARPING_SETTINGS: dict[str, str | int] = {
    **GDAL_SETTINGS,
    "GDAL_SKIP": ",".join(name for name in _DRIVERS_LEFT_OUT.split(",") if name != "VRT"),
}
"""For the process that brings scenes onto a map: GDAL warps through its VRT driver, and would register it at the first
warp whatever it was told. No file is opened by it: :func:`open_raster` names the driver, and refuses files that name
others."""


@dataclass(frozen=True, kw_only=True)
class Identified:
    """A file that may be opened.

    Attributes:
        path: Its real path: absolute, without links.
        driver: The only driver that may read it.
        size: Bytes.
    """

    path: Path
    driver: DriverName
    size: int


def refuse_hostile_text(text: str) -> None:
    """Refuse a path that GDAL would not take for a plain file.

    Raises:
        SourceError: It is an address, a virtual file system, inline XML, or holds a zero byte.

    Example:
        >>> refuse_hostile_text("/vsicurl/http://example.org/a.tif")
        Traceback (most recent call last):
        geoglot.core.errors.SourceError: /vsicurl/http://example.org/a.tif: is a virtual file system path. \
Remedy: give the path of a file on this machine.
        >>> refuse_hostile_text("photos/a.jpg")
    """
    slashed = text.replace("\\", "/").lstrip()
    if "\0" in text:
        cause = "holds a zero byte"
    elif slashed.lower().lstrip("/").startswith("vsi") and slashed.startswith("/"):
        cause = "is a virtual file system path"
    elif "://" in slashed or _URL.match(slashed):
        cause = "is an address, not a file"
    elif slashed.startswith("<"):
        cause = "is inline XML, not a file"
    else:
        return
    subject = text if len(text) <= 300 else text[:300] + "..."
    raise SourceError(subject, cause=cause, remedy="give the path of a file on this machine", stage="open")


def is_within(real_path: str, real_root: str) -> bool:
    """Whether a resolved path lies in a resolved folder (or is it).

    Example:
        >>> is_within("/data/a/b.tif", "/data/a"), is_within("/data/ab.tif", "/data/a")
        (True, False)
    """
    return real_path == real_root or real_path.startswith(real_root.rstrip(os.sep) + os.sep)


def identify(path: Path, *, root: Path | None = None) -> Identified:
    """Say which driver may read a file, or refuse it. Reads a few bytes; never blocks on a pipe.

    Args:
        path: The file.
        root: The folder outside which a link may not lead; ``None`` takes the file as named.

    Raises:
        SourceError: The path is hostile, leads out of the root, is no regular file, is empty, or is no raster.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "photo.tif"
        >>> _ = file.write_text("<VRTDataset/>")
        >>> identify(file)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        geoglot.core.errors.SourceError: ...photo.tif: is XML (GDAL could follow references in it), not pixels...
    """
    refuse_hostile_text(str(path))
    real = os.path.realpath(path)
    refuse_hostile_text(real)
    if root is not None and not is_within(real, os.path.realpath(root)):
        remedy = "copy the file into the folder, or name its real folder as well"
        raise SourceError(path, cause=f"leads out of {root}", remedy=remedy, stage="open")
    try:
        if not stat.S_ISREG(os.lstat(real).st_mode):
            remedy = "leave out folders, pipes, devices and sockets"
            raise SourceError(path, cause="is not a regular file", remedy=remedy, stage="open")
        descriptor = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            return _identify_open(path, Path(real), file)
    except OSError as error:
        cause = f"cannot be opened ({error.strerror or error})"
        raise SourceError(path, cause=cause, remedy="check the name and the permissions", stage="open") from error


def _identify_open(path: Path, real: Path, file: BinaryIO) -> Identified:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(path, cause="is not a regular file", remedy="leave out pipes and devices", stage="open")
    if status.st_size == 0:
        raise SourceError(path, cause="is empty", remedy="copy the file again", stage="open")
    head = file.read(64)
    driver = driver_of(head)
    if driver is None:
        raise SourceError(path, cause=_what_it_is(head), remedy=_SUPPORTED, stage="open")
    if driver == "JP2OpenJPEG" and not _codestream_is_whole(file, status.st_size):
        raise SourceError(path, cause="is a truncated JPEG 2000", remedy="copy the file again", stage="open")
    return Identified(path=real, driver=driver, size=status.st_size)


def driver_of(head: bytes) -> DriverName | None:
    r"""The driver for a file that begins with these bytes (16 are enough), or ``None``.

    Example:
        >>> driver_of(b"II+\0\x08\0\0\0"), driver_of(b"<VRTDataset>")
        ('GTiff', None)
    """
    for signature, driver in _SIGNATURES:
        if head.startswith(signature):
            return driver
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    return None


def _what_it_is(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    if text.startswith(b"<"):
        return "is XML (GDAL could follow references in it), not pixels"
    if text.startswith((b"{", b"[")):
        return "is JSON, not pixels"
    if text.startswith(b"%PDF"):
        return "is a PDF, not pixels"
    if text and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in text):
        return "is text, not pixels"
    return "does not begin like any raster format that is read here"


def _codestream_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether a JPEG 2000 file has its whole codestream: OpenJPEG fills what is missing with grey, silently."""
    file.seek(0)
    if file.read(4) == b"\xff\x4f\xff\x51":
        return _ends_with_end_of_codestream(file, size)
    position, boxes = 0, 0
    while position + 8 <= size and boxes < 10_000:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        end = size if length == 0 else position + length
        if end > size or end < position + 8:
            return False
        if kind == b"jp2c":
            return _ends_with_end_of_codestream(file, end)
        position, boxes = end, boxes + 1
    return False


def _ends_with_end_of_codestream(file: BinaryIO, end: int) -> bool:
    file.seek(max(0, end - 2))
    return file.read(2) == b"\xff\xd9"


def open_raster(source: Identified) -> rasterio.DatasetReader:
    """Open an identified file with its one driver. Call inside ``rasterio.Env(**GDAL_SETTINGS)``.

    Raises:
        SourceError: The driver refuses it, or it names another file to be read in its place.
    """
    import rasterio
    from rasterio.errors import RasterioError

    try:
        dataset = rasterio.open(source.path, driver=source.driver, sharing=False)
    except RasterioError as error:
        cause = f"cannot be opened as {source.driver} ({error})"
        raise SourceError(source.path, cause=cause, remedy="copy the file again", stage="open") from error
    # GDAL would open that file by whichever driver takes it, wherever it lies
    if dataset.get_tag_item("OVERVIEW_FILE", "OVERVIEWS") is not None:
        dataset.close()
        cause, remedy = "names another file as its overviews", "write it again, for example with gdal_translate"
        raise SourceError(source.path, cause=cause, remedy=remedy, stage="open")
    return dataset
