"""Who reads the files: local threads now, each with a decoder process of its own; others (Ray) by the same protocol.

The work list is deterministic and results come back in its order, so that what is committed does not depend on timing.
No executor is trusted to do anything exactly once: row ids make every result idempotent.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Part = TypeVar("Part")
Task = Callable[[Item], Iterator[Part]]

_PARTS_AHEAD = 4
_ITEMS_AHEAD_PER_JOB = 16


class Executor(Protocol):
    """Runs one task per item and hands back the parts of each, in the order of the items."""

    def stream(
        self, items: Iterable[Item], worker: Callable[[], AbstractContextManager[Task[Item, Part]]]
    ) -> Iterator[tuple[Item, Iterator[Part]]]:
        """Pairs of an item and its parts; a part's iterator raises what the task raised.

        Args:
            items: The work list.
            worker: Makes what a worker needs (a decoder, say) and yields the task.
        """
        ...


class _Channel(Generic[Part]):
    """Parts of one item on their way from a worker to the consumer."""

    def __init__(self, stopped: threading.Event) -> None:
        self._queue: queue.Queue[tuple[str, Part | Exception | None]] = queue.Queue(_PARTS_AHEAD)
        self._stopped = stopped
        self.abandoned = threading.Event()

    def put(self, kind: str, value: Part | Exception | None) -> bool:
        while not (self._stopped.is_set() or self.abandoned.is_set()):
            try:
                self._queue.put((kind, value), timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def parts(self) -> Iterator[Part]:
        try:
            while True:
                kind, value = self._queue.get()
                if kind == "part":
                    yield value  # type: ignore[misc]  # parts are never the other kinds
                elif isinstance(value, Exception):
                    raise value
                else:
                    return
        finally:
            self.abandoned.set()


class LocalExecutor:
    """`jobs` threads of this process.

    Example:
        >>> from contextlib import nullcontext
        >>> executor = LocalExecutor(2)
        >>> count = lambda n: iter(range(n))
        >>> [(item, list(parts)) for item, parts in executor.stream([1, 3], lambda: nullcontext(count))]
        [(1, [0]), (3, [0, 1, 2])]
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = max(1, jobs)

    def stream(
        self, items: Iterable[Item], worker: Callable[[], AbstractContextManager[Task[Item, Part]]]
    ) -> Iterator[tuple[Item, Iterator[Part]]]:
        """See :class:`Executor`."""
        stopped = threading.Event()
        work: queue.Queue[tuple[Item, _Channel[Part]] | None] = queue.Queue()
        threads = [
            threading.Thread(target=_serve, args=(work, worker, stopped), name=f"geoglot-read-{n}", daemon=True)
            for n in range(self.jobs)
        ]
        for thread in threads:
            thread.start()
        under_way: deque[tuple[Item, _Channel[Part]]] = deque()
        supply = iter(items)
        try:
            while True:
                while len(under_way) < self.jobs * _ITEMS_AHEAD_PER_JOB:
                    try:
                        pair = (next(supply), _Channel[Part](stopped))
                    except StopIteration:
                        break
                    under_way.append(pair)
                    work.put(pair)
                if not under_way:
                    return
                item, channel = under_way.popleft()
                parts = channel.parts()
                try:
                    yield item, parts
                finally:
                    channel.abandoned.set()
        finally:
            stopped.set()
            for _ in threads:
                work.put(None)
            for thread in threads:
                thread.join(timeout=5.0)  # a decoder that hangs must not keep the user from leaving


def _serve(
    work: queue.Queue[tuple[Item, _Channel[Part]] | None],
    worker: Callable[[], AbstractContextManager[Task[Item, Part]]],
    stopped: threading.Event,
) -> None:
    """One thread: take items, send their parts; a failure travels to the consumer of the item it befell."""
    try:
        with worker() as task:
            while (pair := work.get()) is not None and not stopped.is_set():
                _run(task, *pair)
    except Exception as error:  # noqa: BLE001 (a worker that cannot start is raised again for each of its items)
        while (pair := work.get()) is not None and not stopped.is_set():
            pair[1].put("error", error)


def _run(task: Task[Item, Part], item: Item, channel: _Channel[Part]) -> None:
    if channel.abandoned.is_set():
        return
    try:
        parts = task(item)
        for part in parts:
            if not channel.put("part", part):
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
                return
    except Exception as error:  # noqa: BLE001 (whatever a user's file does is raised again where it is consumed)
        channel.put("error", error)
    else:
        channel.put("end", None)
