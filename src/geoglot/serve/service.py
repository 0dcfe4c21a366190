"""All that a running service holds: readers, decoders, uploads, counters. Made at the start, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from geoglot.api.holdings import Holding, Holdings
from geoglot.serve.jobs import Jobs
from geoglot.serve.maps import Maps
from geoglot.serve.metrics import Metrics
from geoglot.serve.pictures import SIDES, Cache, Decoders
from geoglot.serve.problems import ProblemError
from geoglot.serve.readers import Readers
from geoglot.serve.settings import Settings
from geoglot.serve.uploads import Uploads

if TYPE_CHECKING:
    from geoglot.api.archive import Archive

T = TypeVar("T")
_PICTURE_THREADS = 2
_PICTURE_SECONDS = 30.0
_SHOWN_PHOTO_PIXELS = 300_000_000


class Service:
    """The parts of one service.

    Args:
        settings: How it runs.

    Raises:
        ArchiveError: There is no archive.
        BundleError: Its model is not here.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.readers = Readers(settings.archive, settings.readers, settings.limits.search_seconds)
        self.decoders = Decoders(_SHOWN_PHOTO_PIXELS)
        self._upload_decoders = Decoders(settings.limits.picture_pixels)
        self.uploads = Uploads(self._upload_decoders, settings.limits.uploads)
        self.maps = Maps()
        self.jobs = Jobs(settings.limits.jobs, self.metrics)
        self.cache = Cache()
        self._pictures = ThreadPoolExecutor(_PICTURE_THREADS, thread_name_prefix="geoglot-pictures")

    @property
    def name(self) -> str:
        """The archive's name: its folder's."""
        return self.settings.archive.resolve().name

    def features(self) -> list[str]:
        """What this service can do beside searching."""
        from importlib.util import find_spec

        from geoglot.api.models import list_models

        kinds = {str(record["kind"]) for record in list_models()}
        told = ["locate"]
        if "captioner" in kinds:
            told.append("caption")
        if "segmenter" in kinds and find_spec("geoglot.api.segmenter") is not None:
            told.append("segment")
        return told

    async def picture(self, work: Callable[[], T]) -> T:
        """Do something with pictures, in a thread of their own: they never wait behind searches, nor these for them.

        Raises:
            ProblemError: It took too long.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pictures, work)
        try:
            return await asyncio.wait_for(asyncio.shield(future), _PICTURE_SECONDS)
        except TimeoutError as error:
            future.add_done_callback(lambda done: done.exception())
            raise ProblemError(503, "The picture took too long.", "try again", {"Retry-After": "5"}) from error

    async def holding(self, source: str) -> Holding:
        """A source by its identifier.

        Raises:
            ProblemError: There is none.
        """
        found = (await self.holdings()).by_id.get(source)
        if found is None:
            raise ProblemError(404, "There is no such source.", "see GET /v1/sources")
        return found

    async def holdings(self) -> Holdings:
        """All sources."""
        return await self.readers.run(self.readers.holdings)

    def warm(self, archive: Archive) -> None:
        """Load what the first search would wait for."""
        encoder = archive.encoder
        if encoder.languages:
            encoder.encode_texts(["warm"])
        archive.store.background_sample()
        self.readers.holdings(archive)
        self.metrics.tiles.set(archive.store.searcher.snapshot.rows)

    def start_children(self) -> None:
        """Start the processes that the first pictures would wait for: thumbnails, sent pictures, map tiles."""
        for decoders in (self.decoders, self._upload_decoders):
            with decoders.of_side(SIDES[1]):
                pass
        self.maps.warm()

    async def close(self) -> None:
        """End jobs, threads and children; remove uploads."""
        await self.jobs.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._pictures.shutdown(wait=True, cancel_futures=True)
        self.readers.close()
        self.decoders.close()
        self._upload_decoders.close()
        self.maps.close()
        self.uploads.close()
