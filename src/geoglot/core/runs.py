"""Run folders, files that appear whole or not at all, and the description of the machine.

A run is ``<parent>/<id>/`` with ``env.json`` (machine and versions), ``recipe.json`` (what was asked for),
``metrics.jsonl`` (one line per report) and whatever the run produces, such as ``predictions.npz``.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from geoglot.core.errors import GeoglotError
from geoglot.core.version import VERSION

VERSIONS_OF = ("numpy", "onnxruntime", "pillow", "faiss-cpu", "rasterio", "torch")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that takes the place of ``path`` when the block ends without an error.

    The file is flushed to the disk before it is renamed, and so is the folder afterwards: after a crash there is
    the old content or the new one, never a part.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("done")
        ...     (Path(folder) / "a.txt").read_text()
        'done'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    r"""Write JSON with sorted keys, two spaces of indentation and a final newline, whole or not at all.

    Raises:
        GeoglotError: The value holds NaN or infinity, which JSON does not have, or something that is no JSON.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(Path(folder) / "a.json", {"b": 1, "a": "é"})
        ...     (Path(folder) / "a.json").read_text(encoding="utf-8")
        '{\n  "a": "é",\n  "b": 1\n}\n'
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        remedy = "keep numbers finite and values plain"
        raise GeoglotError(path, cause=f"cannot be written as JSON ({error})", remedy=remedy) from error
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """A run folder.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    def report(self, values: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``."""
        line = json.dumps(dict(values), sort_keys=True, ensure_ascii=False, allow_nan=False)
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def create_run(parent: Path, name: str, *, recipe: Mapping[str, Any] | None = None) -> Run:
    """Make a run folder with a new identifier, and describe the machine and the recipe in it.

    Args:
        parent: Where runs lie, e.g. ``runs``.
        name: What the run is, for the identifier.
        recipe: What was asked for; written to ``recipe.json``.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = create_run(Path(folder), "rsicd test", recipe={"seed": 0})
        ...     sorted(p.name for p in run.path.iterdir()), run.id.split("-")[2:4]
        (['env.json', 'recipe.json'], ['rsicd', 'test'])
    """
    word = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "run"
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    run = Run(parent / f"{moment}-{word}-{secrets.token_hex(2)}")
    run.path.mkdir(parents=True)
    write_json(run.path / "env.json", environment())
    if recipe is not None:
        write_json(run.path / "recipe.json", dict(recipe))
    return run


def environment() -> dict[str, Any]:
    """Machine and versions, for the record beside a number: no user, host or folder names.

    Returns:
        ``cpu``, ``cores``, ``memory_gib``, ``system``, ``architecture``, ``python``, ``versions`` of the packages
        that are installed, ``geoglot``, and ``commit`` (with ``-modified`` where files were changed since), ``None``
        outside a checkout.

    Example:
        >>> sorted(environment())[:5]
        ['architecture', 'commit', 'cores', 'cpu', 'geoglot']
    """
    return {
        "geoglot": VERSION,
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: found for name in VERSIONS_OF if (found := _version(name))},
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gib": _memory_gib(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cores() -> int:
    """Cores this process may use, which a container can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", listing.read_text(errors="replace"), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def _commit() -> str | None:
    """The commit of this source file, and only where the file itself is tracked.

    A package installed inside somebody else's checkout must not report that checkout's commit.
    """
    git, here = shutil.which("git"), Path(__file__).resolve()
    if git is None:
        return None

    def ask(*arguments: str) -> str | None:
        command = [git, "-C", str(here.parent), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if ask("ls-files", "--error-unmatch", here.name) is None:
        return None
    commit = ask("rev-parse", "HEAD")
    modified = ask("status", "--porcelain", "--untracked-files=no", "--", str(here.parent.parent))
    return f"{commit}-modified" if commit and modified else commit


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # a system where folders cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
