"""Children that cut map tiles, each used by one thread at a time and kept for the next tile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.geo.map_drawer import MapDrawer
from geoglot.geo.map_tiles import Look

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Maps:
    """A few drawers; as many as there are threads that ask."""

    def __init__(self) -> None:
        self._idle: list[MapDrawer] = []
        self._lock = threading.Lock()
        self._closed = False

    def warm(self) -> None:
        """Start one drawer: it gets ready while nobody waits for it."""
        drawer = MapDrawer()
        drawer.start()
        with self._lock:
            self._idle.append(drawer)

    def draw(self, path: Path, z: int, x: int, y: int, look: Look) -> NDArray[np.uint8]:
        """One tile, (256, 256, 4) uint8; see :meth:`geoglot.geo.map_drawer.MapDrawer.draw`."""
        with self._lock:
            drawer = self._idle.pop() if self._idle else MapDrawer()
        try:
            return drawer.draw(path, z, x, y, look)
        finally:
            with self._lock:
                keep = not self._closed
                if keep:
                    self._idle.append(drawer)
            if not keep:
                drawer.close()

    def close(self) -> None:
        """End all children that wait."""
        with self._lock:
            self._closed = True
            waiting, self._idle = self._idle, []
        for drawer in waiting:
            drawer.close()
