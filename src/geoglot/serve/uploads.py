"""Pictures that users send to search with: decoded in a child, kept as PNG made here, for a while."""

from __future__ import annotations

import re
import secrets
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from geoglot.serve.pictures import WHOLE, Decoders, as_png, read
from geoglot.serve.problems import ProblemError

_TOKEN = re.compile("[0-9a-f]{32}")
_SIDE = 1024


class Uploads:
    """A folder of pictures, private to this process and gone with it.

    Args:
        decoders: Read what was sent.
        most: So many are kept; the oldest leave.
    """

    def __init__(self, decoders: Decoders, most: int) -> None:
        self._decoders = decoders
        self._most = most
        self._folder = tempfile.TemporaryDirectory(prefix="geoglot-uploads-")
        self._kept: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, body: bytes) -> tuple[str, int, int]:
        """Keep a picture. Returns its token, width and height.

        Raises:
            ProblemError: It is no picture that can be read.
        """
        token = secrets.token_hex(16)
        given = Path(self._folder.name) / f"{token}.given"
        try:
            given.write_bytes(body)
            info, pixels = read(self._decoders, given, WHOLE, _SIDE, name="picture")
        finally:
            given.unlink(missing_ok=True)
        self._file(token).write_bytes(as_png(pixels))
        with self._lock:
            self._kept[token] = (info.width, info.height)
            while len(self._kept) > self._most:
                self._file(self._kept.popitem(last=False)[0]).unlink(missing_ok=True)
        return token, info.width, info.height

    def path(self, token: str) -> Path:
        """The file of a picture.

        Raises:
            ProblemError: There is none of that token.
        """
        with self._lock:
            if not _TOKEN.fullmatch(token) or token not in self._kept:
                raise ProblemError(422, "image: is not here (any more).", "send the picture again")
            self._kept.move_to_end(token)
        return self._file(token)

    def _file(self, token: str) -> Path:
        return Path(self._folder.name) / f"{token}.png"

    def close(self) -> None:
        """Remove all pictures."""
        self._folder.cleanup()
