"""Plug-ins by file name, then by entry point.

Adding a method, dataset or recipe means adding one file; nothing else is edited. A package of another
distribution takes part through an entry point whose group is the dotted package name.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import cast

from geoglot.core.errors import UsageError


def names(package: str) -> list[str]:
    """Names of all plug-ins of a package, sorted: our files first, entry points of others added.

    Example:
        >>> "registry" in names("geoglot.core")
        True
    """
    module = importlib.import_module(package)
    ours = {m.name for m in pkgutil.iter_modules(module.__path__) if not m.name.startswith("_") and not m.ispkg}
    return sorted(ours | {point.name for point in entry_points(group=package)})


def load(package: str, name: str) -> ModuleType:
    """Import one plug-in: ours by file name, else another distribution's entry point.

    Raises:
        UsageError: There is no such plug-in; the message suggests the nearest name.

    Example:
        >>> load("geoglot.core", "registry").__name__
        'geoglot.core.registry'
        >>> load("geoglot.core", "registri")
        Traceback (most recent call last):
        geoglot.core.errors.UsageError: registri: is not in geoglot.core. Remedy: did you mean 'registry'?.
    """
    if name.isidentifier() and not name.startswith("_") and find_spec(f"{package}.{name}"):
        return importlib.import_module(f"{package}.{name}")
    for point in entry_points(group=package):
        if point.name == name:
            return cast(ModuleType, point.load())
    known = names(package)
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known) or 'none yet'}"
    raise UsageError(name, cause=f"is not in {package}", remedy=remedy)
