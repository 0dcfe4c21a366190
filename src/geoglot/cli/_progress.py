"""Progress on standard error: a bar on a terminal, a plain line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_SECONDS_BETWEEN_LINES = 10.0


class Report(Protocol):
    """What a display takes: how far, of how much, and a few words."""

    def __call__(self, done: int, total: int | None, words: str) -> None:
        """Show the state of the work."""


@contextmanager
def progress_display(title: str, *, quiet: bool = False) -> Iterator[Report]:
    """A function that shows progress for as long as the block runs."""
    if quiet:
        yield lambda done, total, words: None
    elif sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        yield _plain_lines(title)


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None, words="")

        def report(done: int, total: int | None, words: str) -> None:
            shown.update(task, completed=done, total=total, words=words)

        yield report


def _plain_lines(title: str) -> Report:
    last = time.monotonic()

    def report(done: int, total: int | None, words: str) -> None:
        nonlocal last
        if time.monotonic() - last < _SECONDS_BETWEEN_LINES:
            return
        last = time.monotonic()
        of = f" of {total:,}" if total else ""
        print(f"{title}: {done:,}{of} {words}".rstrip(), file=sys.stderr, flush=True)

    return report
