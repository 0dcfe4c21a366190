"""Errors that name the file or value, the cause and the remedy.

Every error that a user can meet derives from :class:`GeoglotError`. A batch catches it, writes one line to
``errors.jsonl`` and goes on; the command line prints it to stderr and exits with a non-zero code.
"""

from __future__ import annotations

from typing import Any


class GeoglotError(Exception):
    """Base of all expected failures.

    Args:
        subject: The file, option or value that is at fault.
        cause: What is wrong with it, in a phrase.
        remedy: What the user can do about it.
        stage: Where it was noticed (``open``, ``describe``, ``decode``, ``encode``, ``write`` ...).

    Example:
        >>> str(GeoglotError("a.tif", cause="is empty", remedy="copy the file again"))
        'a.tif: is empty. Remedy: copy the file again.'
    """

    def __init__(self, subject: object, *, cause: str, remedy: str = "", stage: str = "") -> None:
        self.subject = str(subject)
        self.cause = cause.strip().rstrip(".")
        self.remedy = remedy.strip().rstrip(".")
        self.stage = stage
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.subject}: {self.cause}."
        return f"{text} Remedy: {self.remedy}." if self.remedy else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.subject, self.cause, self.remedy, self.stage)

    def as_record(self) -> dict[str, str]:
        """The error as one line of ``errors.jsonl``: file, stage, cause and remedy."""
        return {"file": self.subject, "stage": self.stage, "cause": self.cause, "remedy": self.remedy}


def _rebuild(kind: type[GeoglotError], subject: str, cause: str, remedy: str, stage: str) -> GeoglotError:
    return kind(subject, cause=cause, remedy=remedy, stage=stage)


class SourceError(GeoglotError):
    """A user's file cannot be used: refused, truncated, undecodable, too large."""


class ArchiveError(GeoglotError):
    """An archive is missing, damaged, locked, full, or of a newer format."""


class BundleError(GeoglotError):
    """A model bundle is missing, damaged or does not fit the archive."""


class DataError(GeoglotError):
    """A benchmark dataset is absent or not in its published layout."""


class UsageError(GeoglotError):
    """An option or argument makes no sense; the command line exits with 2."""
