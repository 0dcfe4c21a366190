"""A real ingest in a process of its own, to be killed: prints one line for each commit it has been told of."""

from __future__ import annotations

import sys
from pathlib import Path

from samples import FakeEncoder, Options, PngDecoder, discover_png, new_store

from geoglot.archive.ingest import ingest
from geoglot.archive.rows import Rows
from geoglot.archive.store import ArchiveStore


class Telling(ArchiveStore):
    """Says on stdout which rows it has acknowledged: ids and vectors."""

    def commit(self, rows: Rows | None, sources, **more):  # type: ignore[no-untyped-def]
        added = super().commit(rows, sources, **more)
        if rows is not None:
            for key, vector in zip(rows.ids, rows.vectors, strict=True):
                print(key.tobytes().hex(), vector.tobytes().hex())
        print("committed", flush=True)
        return added


def main(archive: Path, images: Path) -> None:
    if not (archive / "catalog.sqlite").exists():
        new_store(archive).close()
    with Telling.open(archive, read_only=False) as store:
        ingest(
            store,
            FakeEncoder(),
            [images],
            options=Options(),
            decoder_factory=PngDecoder,
            discover=discover_png,
            flush_rows=40,
            batch=16,
            jobs=2,
        )
        store.remove([str(images / "0000")])
    print("finished", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
