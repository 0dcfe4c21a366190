"""The methods of the gallery, described."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Final

from geoglot.core import registry
from geoglot.core.errors import UsageError

PACKAGE: Final = "geoglot.methods"


def tasks() -> list[str]:
    """Tasks that have methods, by the names of their packages.

    Example:
        >>> "retrieval" in tasks()
        True
    """
    package = importlib.import_module(PACKAGE)
    return sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg)


def describe_methods(task: str | None = None) -> list[dict[str, Any]]:
    """One record per method: name, task, paper, variants, parameters, what they count, kind, fidelity.

    Args:
        task: One task, e.g. ``retrieval``; ``None`` for all.

    Raises:
        UsageError: There is no such task; the message suggests the nearest.

    Example:
        >>> [record["kind"] for record in describe_methods("retrieval") if record["name"] == "compact"]
        ['two-tower']
    """
    known = tasks()
    if task is not None and task not in known:
        raise _unknown_task(task, known)
    return [
        _describe(name, which)
        for which in (known if task is None else [task])
        for name in registry.names(f"{PACKAGE}.{which}")
    ]


def _describe(name: str, task: str) -> dict[str, Any]:
    module = registry.load(f"{PACKAGE}.{task}", name)
    card = module.METHOD
    return {
        "name": name,
        "task": task,
        "title": card.title,
        "paper": card.paper,
        "variants": list(card.variants),
        "parameters": int(module.paper_parameters(card.variants[0])),
        "counted": card.counted,
        "kind": card.kind,
        "fidelity": card.fidelity,
    }


def _unknown_task(task: str, known: list[str]) -> UsageError:
    import difflib

    near = difflib.get_close_matches(task, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
    return UsageError(task, cause="is no task of the gallery", remedy=remedy)
