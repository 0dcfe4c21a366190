"""The process that cuts map tiles: limited, and expendable, as the decoder's child is.

Run as ``python -m geoglot.geo.map_child``. It reads frames from stdin (first the limits, then one request a tile) and
answers each on stdout, and keeps the last few scenes open.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np

from geoglot.geo.decoder_child import describe_failure, limit_resources
from geoglot.geo.map_tiles import Look, MapSource
from geoglot.geo.opening import WARPING_SETTINGS
from geoglot.geo.wire import Header, read_frame, write_frame

_KEPT_OPEN = 4
Key = tuple[str, int, int, Look]


def look_of(request: Header) -> Look:
    """How a request wants a scene shown."""
    bands, stretch = request["bands"], request["stretch"]
    return Look(
        bands=None if bands is None else tuple(int(band) for band in bands),
        stretch=None if stretch is None else (float(stretch[0]), float(stretch[1])),
    )


def opened(kept: OrderedDict[Key, MapSource], request: Header) -> MapSource:
    """A scene, open already or now; the one not used longest is closed."""
    path = Path(str(request["path"]))
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns, look_of(request))
    if key in kept:
        kept.move_to_end(key)
        return kept[key]
    kept[key] = MapSource(path, key[3])
    while len(kept) > _KEPT_OPEN:
        kept.popitem(last=False)[1].close()
    return kept[key]


def main() -> None:
    """Read the limits, set them, answer until there are no more requests."""
    incoming = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=1 << 19)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    frame = read_frame(incoming)
    if frame is None:
        return
    memory = int(frame[0]["memory_bytes"])
    limit_resources(memory)
    import warnings

    import rasterio
    import rio_tiler.io  # noqa: F401 - loaded now, so that the first tile does not wait for it
    from rasterio.errors import NotGeoreferencedWarning

    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    kept: OrderedDict[Key, MapSource] = OrderedDict()
    with rasterio.Env(**WARPING_SETTINGS):
        while (asked := read_frame(incoming)) is not None:
            request = asked[0]
            try:
                source = opened(kept, request)
                drawn = source.draw(int(request["z"]), int(request["x"]), int(request["y"]))
            except Exception as error:  # noqa: BLE001 - whatever a user's file provokes is that file's error
                told = describe_failure(str(request.get("path")), error, memory)
                write_frame(outgoing, {"kind": "error", "error": told})
            else:
                write_frame(outgoing, {"kind": "tile"}, np.ascontiguousarray(drawn).data.cast("B"))
            outgoing.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
