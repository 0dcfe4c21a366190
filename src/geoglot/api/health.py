"""Is this machine ready? Versions, drivers, the model's self-test, and a place to write."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("numpy", "rasterio", "pyproj", "shapely", "pyarrow", "faiss-cpu", "onnxruntime", "tokenizers", "pillow")
OPTIONAL_PACKAGES = ("torch",)
DRIVERS = ("GTiff", "COG", "JPEG", "PNG", "WEBP", "JP2OpenJPEG")
_LEAST_SIMILAR = 0.2


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        told: What was found.
        remedy: What to do when it is not.
    """

    name: str
    ok: bool
    told: str
    remedy: str = ""


def check_health(model: str = "compact") -> list[Check]:
    """Look at everything; a check that fails does not stop the others.

    Example:
        >>> [check.ok for check in check_health() if check.name == "python"]
        [True]
    """
    checks = [
        Check(
            name="python",
            ok=sys.version_info >= (3, 11),
            told=platform.python_version(),
            remedy="use Python 3.11 or newer",
        ),
        Check(name="platform", ok=True, told=platform.platform()),
        Check(name="cores", ok=True, told=str(_cores())),
        Check(name="memory", ok=True, told=_memory()),
    ]
    checks += [_package(name) for name in PACKAGES]
    checks += [_optional(name) for name in OPTIONAL_PACKAGES]
    return [
        *checks,
        _guarded("image drivers", _drivers),
        _guarded("model", lambda: _model(model)),
        _guarded("temporary files", _temporary),
    ]


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 (whatever a broken install raises is the finding)
        return Check(name=name, ok=False, told=f"{type(error).__name__}: {error}", remedy="install geoglot again")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB"


def _package(name: str) -> Check:
    try:
        return Check(name=name, ok=True, told=version(name))
    except PackageNotFoundError:
        return Check(name=name, ok=False, told="missing", remedy=f"pip install {name}")


def _optional(name: str) -> Check:
    found = _package(name)
    return (
        found
        if found.ok
        else Check(name=name, ok=True, told='not installed (needed by train and export only: "geoglot[train]")')
    )


def _drivers() -> Check:
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    with rasterio.Env() as environment:
        present = set(environment.drivers()) | set(raster_driver_extensions().values())
    missing = [name for name in DRIVERS if name not in present]
    told = f"GDAL {rasterio.__gdal_version__}: {', '.join(name for name in DRIVERS if name in present)}"
    remedy = f"install a rasterio wheel with {', '.join(missing)}" if missing else ""
    return Check(name="image drivers", ok=not missing, told=told, remedy=remedy)


def _model(name: str) -> Check:
    """Load the bundle (which verifies its checksums) and let it read one sentence in two languages."""
    import numpy as np

    from geoglot.models.bundle import load_bundle

    bundle = load_bundle(name)
    texts = bundle.encode_texts(["many planes at the airport", "beaucoup d'avions à l'aéroport", "a forest"])
    pictures = bundle.encode_images(np.zeros((1, bundle.side, bundle.side, 3), dtype=np.uint8))
    lengths = np.linalg.norm(np.concatenate([texts, pictures]), axis=1)
    same, other = float(texts[0] @ texts[1]), float(texts[0] @ texts[2])
    ok = bool(np.allclose(lengths, 1, atol=1e-3)) and same > max(other, _LEAST_SIMILAR)
    told = f"{bundle.id}, {bundle.size_bytes / 1e6:.1f} MB; one sentence in two languages: similarity {same:.2f}"
    return Check(name="model", ok=ok, told=told, remedy="" if ok else "install geoglot again: the bundle is damaged")


def _temporary() -> Check:
    """Files are written under a temporary name first; an export needs room for that too."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"geoglot")
    except OSError as error:
        told = f"{tempfile.gettempdir()} cannot be written ({error.strerror})"
        return Check(name="temporary files", ok=False, told=told, remedy="set TMPDIR to a folder that can be written")
    return Check(name="temporary files", ok=True, told=tempfile.gettempdir())
