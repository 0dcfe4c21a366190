"""``geoglot convert-checkpoint``: a pickled checkpoint becomes safetensors, once, in a limited child process.

The child reads with ``torch.load(weights_only=True)``, which knows tensors and containers and calls nothing else, and
it ends with the conversion. Nothing else in this package opens a pickle.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from geoglot.core.errors import DataError, UsageError

CHILD: Final = "geoglot.engine.conversion_child"
MEMORY_BYTES: Final = 24 << 30
"""Address space of the child; torch alone maps some GiB."""
SECONDS: Final = 600.0
_REMEDY: Final = "get the checkpoint as safetensors from its authors"


def convert(source: Path, target: Path, *, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> int:
    """Write the tensors of a pickled checkpoint to a new ``.safetensors`` file.

    Args:
        source: A file written by ``torch.save``: tensors, or a training state that holds them.
        target: The file to write; it must not exist.
        memory_bytes: Bound on the child's address space.
        seconds: Bound on its time.

    Returns:
        Number of tensors.

    Raises:
        UsageError: The target exists or has another suffix.
        DataError: The source is absent, no checkpoint, holds more than tensors and containers, is a TorchScript
            program, or needs more memory or time than allowed. Nothing is left behind.
    """
    if target.suffix != ".safetensors":
        raise UsageError(target, cause="does not end in .safetensors", remedy="name the new file so")
    if target.exists():
        raise UsageError(target, cause="exists already", remedy="choose another name or remove it")
    if not source.is_file():
        raise DataError(source, cause="is not a file", remedy="check the path")
    if is_torchscript(source):
        remedy = f"use the weights in safetensors by name (for OpenAI's CLIP: openai), or {_REMEDY}"
        raise DataError(source, cause="is a TorchScript program, not a file of weights", remedy=remedy)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".convert-") as folder:
        written = Path(folder) / "tensors.safetensors"
        answer = _in_child(source, written, memory_bytes, seconds)
        with written.open("rb") as file:
            os.fsync(file.fileno())
        written.rename(target)
    return int(answer["tensors"])


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of ``torch.jit.save``: it then carries a program beside its tensors."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/")[1:2] == ["constants.pkl"] for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _in_child(source: Path, target: Path, memory_bytes: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", CHILD, str(source), str(target), str(memory_bytes), str(int(seconds))]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        cause = f"took longer than {seconds:.0f} seconds to read"
        raise DataError(source, cause=cause, remedy=_REMEDY) from error
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    try:
        answer: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DataError(source, cause=f"cannot be read ({last[:200]})", remedy=_REMEDY) from error
    if "cause" in answer:
        raise DataError(source, cause=answer["cause"], remedy=_REMEDY)
    return answer
