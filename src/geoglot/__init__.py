"""geoglot: ask an archive of aerial and satellite imagery, in your own language.

Example:
    >>> import geoglot as gg
    >>> gg.__version__
    '0.1.0'
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS: dict[str, str] = {}
__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``import geoglot`` stays fast."""
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'geoglot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
