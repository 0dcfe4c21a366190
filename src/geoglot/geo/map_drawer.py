"""Map tiles of users' files, cut in a child process; this side never imports GDAL."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import SourceError
from geoglot.geo.decoder import child_environment
from geoglot.geo.map_tiles import SIDE, Look, tile_bounds
from geoglot.geo.opening import WARPING_SETTINGS
from geoglot.geo.wire import BrokenFrameError, read_frame, write_frame

MEMORY_BYTES: Final = 2 << 30
SECONDS: Final = 20.0
_SECONDS_TO_START = 60.0


class MapDrawer:
    """One child that cuts map tiles, started at the first one and again after a crash. Of one thread at a time.

    Args:
        memory_bytes: Address space that the child may use.
        seconds: A tile that takes longer costs the child its life, and is an error.
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._has_drawn = False

    def draw(self, path: Path, z: int, x: int, y: int, look: Look) -> NDArray[np.uint8]:
        """One tile of a scene. -> (256, 256, 4) uint8 red, green, blue, alpha.

        Args:
            path: The file.
            z: Zoom.
            x: Column from the west.
            y: Row from the north.
            look: Bands and stretch.

        Raises:
            SourceError: The file is refused, unlocated or damaged, or it crashed, blocked or exhausted the child.
            UsageError: There is no such tile.
        """
        tile_bounds(z, x, y)
        fresh = not self._has_drawn
        process = self._process or self.start()
        request = {"path": str(path), "z": z, "x": x, "y": y, "bands": look.bands, "stretch": look.stretch}
        watch = threading.Timer(self._seconds + (_SECONDS_TO_START if fresh else 0), process.kill)
        watch.start()
        try:
            write_frame(cast(BinaryIO, process.stdin), request)
            cast(BinaryIO, process.stdin).flush()
            frame = read_frame(cast(BinaryIO, process.stdout))
        except (OSError, BrokenFrameError):
            frame = None
        finally:
            watch.cancel()
        if frame is None:
            self.close()
            remedy = "convert it to a tiled GeoTIFF with overviews"
            raise SourceError(path, cause="crashed or blocked the decoder", remedy=remedy, stage="decode")
        self._has_drawn = True
        header, body = frame
        if header.get("kind") == "error":
            told = {name: str(value) for name, value in header["error"].items()}
            raise SourceError(path, cause=told["cause"], remedy=told["remedy"], stage=told["stage"])
        if len(body) != SIDE * SIDE * 4:
            self.close()
            raise SourceError(path, cause="made the decoder talk nonsense", remedy="leave it out", stage="decode")
        return np.frombuffer(body, np.uint8).reshape(SIDE, SIDE, 4)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the child now, so that the first tile does not wait for it."""
        self._has_drawn = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "geoglot.geo.map_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**child_environment(), **{name: str(value) for name, value in WARPING_SETTINGS.items()}},
            start_new_session=True,
        )
        with contextlib.suppress(OSError):  # a child that is dead already is noticed at its answer
            write_frame(cast(BinaryIO, self._process.stdin), {"memory_bytes": self._memory_bytes})
            cast(BinaryIO, self._process.stdin).flush()
        return self._process

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                cast(BinaryIO, stream).close()
        process.wait()
