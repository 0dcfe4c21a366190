"""The archive, open several times: searches run in threads, beside the loop that talks to the clients."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from geoglot.api.archive import Archive
from geoglot.api.holdings import Holdings, holdings_of
from geoglot.models.bundle import Bundle
from geoglot.serve.problems import ProblemError

T = TypeVar("T")
_SECONDS_BETWEEN_LOOKS = 1.0


class Readers:
    """A few readers of one archive. Each is used by one thread at a time; columns are memory-mapped, so shared.

    Args:
        path: The archive's folder.
        count: How many.
        seconds: Longest time of one piece of work.

    Raises:
        ArchiveError: There is no archive.
        BundleError: Its model is not here.
    """

    def __init__(self, path: Path, count: int, seconds: float) -> None:
        self._seconds = seconds
        first = Archive.open(path)
        self.encoder: Bundle = _one_thread(first.encoder)
        first.close()
        self._archives = [Archive.open(path, model=self.encoder) for _ in range(count)]
        for archive in self._archives:
            archive.store.threads = 1  # readers run beside each other; one question needs no more
        self._free: queue.SimpleQueue[Archive] = queue.SimpleQueue()
        for archive in self._archives:
            self._free.put(archive)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="geoglot-reader")
        self._looked: dict[int, float] = {}
        self._holdings: tuple[int, Holdings] | None = None
        self._lock = threading.Lock()

    async def run(self, work: Callable[[Archive], T]) -> T:
        """Do something with a reader, in a thread.

        Raises:
            ProblemError: It took too long. (The thread finishes what it does; its answer is thrown away.)
        """
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._with_archive, work)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError as error:
            future.add_done_callback(lambda done: done.exception())
            raise ProblemError(
                503, "The answer took too long.", "narrow the search, or try again", {"Retry-After": "2"}
            ) from error

    def _with_archive(self, work: Callable[[Archive], T]) -> T:
        archive = self._free.get()
        try:
            self._refresh(archive)
            return work(archive)
        finally:
            self._free.put(archive)

    def _refresh(self, archive: Archive) -> None:
        """See what others have committed, looking once a second at most."""
        now = time.monotonic()
        if now - self._looked.get(id(archive), 0.0) >= _SECONDS_BETWEEN_LOOKS:
            self._looked[id(archive)] = now
            archive.store.refresh()

    def holdings(self, archive: Archive) -> Holdings:
        """The sources of the commit that a reader shows, gathered once for each commit."""
        commit = archive.store.searcher.snapshot.commit
        with self._lock:
            if self._holdings is None or self._holdings[0] != commit:
                self._holdings = (commit, holdings_of(archive))
            return self._holdings[1]

    def close(self) -> None:
        """Wait for what is being read, then close."""
        self._threads.shutdown(wait=True)
        for archive in self._archives:
            archive.close()


def _one_thread(encoder: Bundle) -> Bundle:
    """The model with one thread for each forward pass: several readers run beside each other."""
    return replace(encoder, threads=1)
