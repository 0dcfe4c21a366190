"""Checkpoints in safetensors, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from geoglot.core.errors import DataError


def save(tensors: Mapping[str, Tensor], path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to a temporary file beside ``path``, then rename it into place."""
    from safetensors.torch import save_file

    temporary = path.with_name(path.name + ".tmp")
    save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, temporary, dict(metadata or {}))
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file.

    Raises:
        DataError: The file is absent, truncated or no safetensors file. Pickled checkpoints are never opened.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(path, cause=f"is not a readable checkpoint ({error})", remedy="train again") from error
    return tensors


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Prepend ``prefix.`` to every name.

    Example:
        >>> list(with_prefix("average", {"weight": Tensor()}))
        ['average.weight']
    """
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name starts with ``prefix.``, with that removed."""
    return {n.removeprefix(prefix + "."): t for n, t in tensors.items() if n.startswith(prefix + ".")}
